//! Types as the user wrote them: as text, and taken apart.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Data, Field, GenericArgument, PathArguments, Type};

/// The fields of a struct, or those of all variants of an enum.
pub(crate) fn all_fields(data: &Data) -> Vec<&Field> {
    match data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(_) => Vec::new(),
    }
}

/// A type as text, with one way of spacing and without paths.
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
                // The word before `::` is part of a path: it is dropped.
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

/// Whether a word is among the tokens, at any depth.
pub(crate) fn has_word(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|tree| match tree {
        TokenTree::Group(group) => has_word(group.stream(), word),
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// A type and every type in it: `Option<(Side, u8)>`, `Side`, `u8`. Each may have a fingerprint.
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
    fn types_differ_by_name_and_not_by_path() {
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
}
