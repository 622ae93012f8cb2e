//! Types as the user wrote them: as text, and taken apart.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Data, Field, GenericArgument, Ident, PathArguments, Type, TypeParamBound};

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

/// The first part of a type that is wanted: the type itself, or one in it that it holds a value of.
pub(crate) fn find_part<'t>(ty: &'t Type, is_wanted: &impl Fn(&Type) -> bool) -> Option<&'t Type> {
    if is_wanted(ty) {
        return Some(ty);
    }
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().find_map(|ty| find_part(ty, is_wanted)),
        Type::Array(array) => find_part(&array.elem, is_wanted),
        Type::Paren(paren) => find_part(&paren.elem, is_wanted),
        Type::Group(group) => find_part(&group.elem, is_wanted),
        Type::Path(path) => {
            let last = path.path.segments.last().filter(|last| last.ident != "PhantomData")?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => find_part(ty, is_wanted),
                _ => None,
            })
        }
        _ => None,
    }
}

/// The command or event that an argument is about, without the references and boxes around it: `&Box<Opened>`, `Opened`.
///
/// `None` if the type stands for several.
pub(crate) fn bare_type(ty: &Type) -> Option<&Type> {
    let ty = ungrouped(ty);
    match ty {
        Type::Reference(reference) => bare_type(&reference.elem),
        Type::Macro(_) => Some(ty),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return Some(ty) };
            let mut types = arguments.args.iter().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            });
            let is_wrapper = WRAPPERS.iter().any(|wrapper| last.ident == wrapper);
            types.next().filter(|_| is_wrapper).map_or(Some(ty), bare_type)
        }
        _ => None,
    }
}

/// Types of the standard library, and of ours, around an event or a command.
const WRAPPERS: [&str; 7] = ["Arc", "Box", "Cow", "Option", "Rc", "Recorded", "Vec"];

/// A type without parentheses, and without what `macro_rules!` puts around a type that they are given.
pub(crate) fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Paren(paren) => ungrouped(&paren.elem),
        Type::Group(group) => ungrouped(&group.elem),
        ty => ty,
    }
}

/// The last name in the path of a type, behind references.
pub(crate) fn type_name(ty: &Type) -> Option<&Ident> {
    match ungrouped(ty) {
        Type::Reference(reference) => type_name(&reference.elem),
        Type::Path(path) => path.path.segments.last().map(|last| &last.ident),
        _ => None,
    }
}

/// The trait in `dyn SqlTransaction` or `impl SqlTransaction`, behind references.
pub(crate) fn object_name(ty: &Type) -> Option<&Ident> {
    let bounds = match ungrouped(ty) {
        Type::Reference(reference) => return object_name(&reference.elem),
        Type::TraitObject(object) => &object.bounds,
        Type::ImplTrait(of) => &of.bounds,
        _ => return None,
    };
    bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().map(|last| &last.ident),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::shown;

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

    #[test]
    fn what_an_argument_is_about() {
        for (written, bare) in [
            ("Opened", Some("Opened")),
            ("&'static mut Opened", Some("Opened")),
            ("&Box<bank::Opened>", Some("bank::Opened")),
            ("std::sync::Arc<&Opened>", Some("Opened")),
            ("Played<{ 3 }>", Some("Played<{ 3 }>")),
            ("Own<Opened>", Some("Own<Opened>")),
            ("impl Event", None),
            ("&dyn Event", None),
        ] {
            let ty: Type = syn::parse_str(written).expect("a type");
            assert_eq!(bare_type(&ty).map(shown).as_deref(), bare);
        }
    }
}
