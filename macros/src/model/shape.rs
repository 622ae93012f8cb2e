//! What an event's JSON looks like at a version: the names and types of its fields.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{GenericArgument, LitStr, Member, PathArguments, Type};

use super::serde::SerdeOption;
use super::{Event, Past};

/// A field in JSON.
pub(crate) struct ShapeField<'a> {
    pub(crate) name: String,
    pub(crate) ty: &'a Type,
    /// The type as text, without paths: where a type is imported from does not change what is stored.
    pub(crate) text: String,
}

/// The fields of an event at `version`.
pub(crate) fn shape(event: &Event, version: u32) -> Vec<ShapeField<'_>> {
    let rename_all = event.serde.iter().find(|option| option.name == "rename_all").and_then(literal);
    let mut fields = Vec::new();
    for present in Past::all(&event.history.fields, version).into_iter().filter_map(|past| past.present) {
        if present.serde.iter().any(|option| option.name == "skip" || option.name == "skip_deserializing") {
            continue;
        }
        let renamed = present.serde.iter().find(|option| option.name == "rename").and_then(literal);
        let name = match (&present.member, renamed) {
            (_, Some(renamed)) => renamed,
            (Member::Unnamed(index), None) => index.index.to_string(),
            (Member::Named(ident), None) => {
                let ident = ident.to_string();
                in_case(ident.trim_start_matches("r#"), rename_all.as_deref())
            }
        };
        // What is flattened has its own fields there, and its own name nowhere.
        let text = type_text(present.ty);
        let flattened = present.serde.iter().any(|option| option.name == "flatten");
        let name = if flattened { format!("..{text}") } else { name };
        fields.push(ShapeField { name, ty: present.ty, text });
    }
    for removed in event.history.removed_at(version) {
        fields.push(ShapeField { name: removed.name.value(), ty: &removed.ty, text: type_text(&removed.ty) });
    }
    fields.sort_by(|left, right| left.name.cmp(&right.name));
    fields
}

/// The value of `name = "value"`, or of `name(deserialize = "value")`.
fn literal(option: &SerdeOption) -> Option<String> {
    let mut flat = Vec::new();
    flatten(option.tokens.clone(), &mut flat);
    let start = flat
        .iter()
        .position(|tree| matches!(tree, TokenTree::Ident(ident) if ident == "deserialize"))
        .unwrap_or_default();
    flat.iter().skip(start).find_map(|tree| match tree {
        TokenTree::Literal(literal) => {
            syn::parse2::<LitStr>(literal.to_token_stream()).ok().map(|text| text.value())
        }
        _ => None,
    })
}

fn flatten(tokens: TokenStream, flat: &mut Vec<TokenTree>) {
    for tree in tokens {
        match tree {
            TokenTree::Group(group) => flatten(group.stream(), flat),
            tree => flat.push(tree),
        }
    }
}

/// serde's `rename_all`, for names of fields.
fn in_case(name: &str, case: Option<&str>) -> String {
    let pascal = || {
        name.split('_')
            .map(|word| {
                let mut chars = word.chars();
                chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
            })
            .collect::<Vec<String>>()
            .concat()
    };
    match case {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => {
            let pascal = pascal();
            let mut chars = pascal.chars();
            chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

/// A type as text: one way of writing it, and no paths.
pub(crate) fn type_text(ty: &Type) -> String {
    let mut text = String::new();
    write(ty.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut last_was_word = false;
    for tree in tokens {
        let is_word = matches!(tree, TokenTree::Ident(_) | TokenTree::Literal(_));
        if is_word && last_was_word {
            text.push(' ');
        }
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
            TokenTree::Punct(punct) => {
                text.push(punct.as_char());
                // A path: what stands before `::` goes.
                if text.ends_with("::") {
                    text.truncate(text.len() - 2);
                    let word = text.rfind(|char: char| !char.is_alphanumeric() && char != '_' && char != '#');
                    text.truncate(word.map_or(0, |index| index + 1));
                }
            }
            word => text.push_str(&word.to_string()),
        }
        last_was_word = is_word;
    }
}

/// A type and all that it is written with: `Option<(Side, u8)>`, `Side`, `u8`. Each may have a fingerprint.
pub(crate) fn type_parts(ty: &Type) -> Vec<&Type> {
    let mut parts = Vec::new();
    collect_parts(ty, &mut parts);
    parts
}

fn collect_parts<'t>(ty: &'t Type, parts: &mut Vec<&'t Type>) {
    match ty {
        Type::Path(path) => {
            parts.push(ty);
            for segment in &path.path.segments {
                if let PathArguments::AngleBracketed(arguments) = &segment.arguments {
                    for argument in &arguments.args {
                        if let GenericArgument::Type(ty) = argument {
                            collect_parts(ty, parts);
                        }
                    }
                }
            }
        }
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|ty| collect_parts(ty, parts)),
        Type::Array(array) => collect_parts(&array.elem, parts),
        Type::Paren(paren) => collect_parts(&paren.elem, parts),
        Type::Group(group) => collect_parts(&group.elem, parts),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart_by_what_they_are_not_by_where_they_come_from() {
        for (written, text) in [
            ("u64", "u64"),
            ("Option < std :: string :: String >", "Option<String>"),
            ("::std::collections::BTreeMap<crate::Key, super::Value>", "BTreeMap<Key,Value>"),
            ("[u8; 4]", "[u8;4]"),
            ("(a::B, Vec<c::D>)", "(B,Vec<D>)"),
            ("&'static str", "&'static str"),
        ] {
            let ty: Type = syn::parse_str(written).expect("a type");
            assert_eq!(type_text(&ty), text);
        }
    }

    #[test]
    fn names_are_those_that_serde_gives() {
        for (case, name) in [
            ("camelCase", "paidAmount"),
            ("PascalCase", "PaidAmount"),
            ("kebab-case", "paid-amount"),
            ("SCREAMING_SNAKE_CASE", "PAID_AMOUNT"),
            ("SCREAMING-KEBAB-CASE", "PAID-AMOUNT"),
            ("lowercase", "paid_amount"),
            ("UPPERCASE", "PAID_AMOUNT"),
            ("snake_case", "paid_amount"),
        ] {
            assert_eq!(in_case("paid_amount", Some(case)), name);
        }
    }
}
