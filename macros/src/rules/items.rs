//! Rules of several kinds of items: what an impl can be made for, names, versions.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{Data, DeriveInput, LitInt, LitStr, Type};

use crate::errors::{Errors, shown};
use crate::names::illegal;
use crate::syntax::Given;

/// A struct without generics: no impl can be made for anything else. The `kind` is what the struct is to become.
pub(super) fn plain_struct(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    let article = article(kind);
    match &input.data {
        Data::Struct(_) => no_generics(input, kind, errors),
        Data::Enum(data) => {
            errors.at(&data.enum_token, format!("{article} {kind} is a struct: one struct, one {kind}"));
            false
        }
        Data::Union(data) => {
            errors.at(&data.union_token, format!("{article} {kind} is a struct, not a union"));
            false
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" }
}

/// A type without generics.
pub(super) fn no_generics(input: &DeriveInput, kind: &str, errors: &mut Errors) -> bool {
    if input.generics.params.is_empty() {
        return true;
    }
    let article = article(kind);
    errors.at(
        &input.generics,
        format!(
            "{article} {kind} has no generic parameters: it owns its data, and its name stands for one type"
        ),
    );
    false
}

/// A type without elided lifetimes, which an associated type can't have.
pub(super) fn with_lifetimes<'s>(key: &str, given: &'s Given<Type>, errors: &mut Errors) -> Given<&'s Type> {
    let ty = match given {
        Given::Missing => return Given::Missing,
        Given::Invalid => return Given::Invalid,
        Given::Value(ty) => ty,
    };
    match (ty, owned(ty)) {
        (Type::Reference(_), Some(owned)) if key == "id" => {
            errors.at(ty, format!("an id owns its data: write `{owned}`"));
        }
        (Type::Reference(reference), Some(owned)) if reference.lifetime.is_none() => {
            let elem = shown(&reference.elem);
            errors.at(
                ty,
                format!("a type for `{key}` has no elided lifetime: write `{owned}`, or `&'static {elem}`"),
            );
        }
        _ if has_elided_lifetime(ty.to_token_stream()) => {
            errors.at(
                ty,
                format!(
                    "a type for `{key}` has no elided lifetime: write `'static`, or a type that owns its data"
                ),
            );
        }
        (Type::Reference(_), _) | (_, None) => return Given::Value(ty),
        (_, Some(owned)) => {
            errors.at(ty, format!("a type for `{key}` has a known size: write `{owned}`"));
        }
    }
    Given::Invalid
}

/// The type that owns what `ty` refers to, if it is a reference or has no size.
pub(super) fn owned(ty: &Type) -> Option<String> {
    Some(match ty {
        Type::Reference(reference) => owned(&reference.elem).unwrap_or_else(|| shown(&reference.elem)),
        Type::Slice(slice) => format!("Vec<{}>", shown(&slice.elem)),
        Type::TraitObject(_) => format!("Box<{}>", shown(ty)),
        Type::ImplTrait(of) => format!("Box<dyn {}>", shown(&of.bounds)),
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        _ => return None,
    })
}

/// Whether there is `&` without a lifetime, or `'_`. In the signature of a function type, both are right.
fn has_elided_lifetime(tokens: TokenStream) -> bool {
    let mut before = ' ';
    let mut tokens = tokens.into_iter().peekable();
    while let Some(tree) = tokens.next() {
        let next = match tokens.peek() {
            Some(TokenTree::Punct(punct)) => punct.as_char(),
            _ => ' ',
        };
        before = match tree {
            TokenTree::Punct(punct) => match (punct.as_char(), next) {
                // What follows is what a function returns, or the length of an array.
                ('-', '>') | (';', _) => return false,
                ('&', next) if next != '\'' => return true,
                (char, _) => char,
            },
            TokenTree::Ident(word) if before == '\'' && word == "_" => return true,
            TokenTree::Ident(_) => 'a',
            // The arguments of `fn(&str)` and `Fn(&str)` follow a word.
            TokenTree::Group(group) if before != 'a' && group.delimiter() != Delimiter::Brace => {
                if has_elided_lifetime(group.stream()) {
                    return true;
                }
                ' '
            }
            TokenTree::Group(_) | TokenTree::Literal(_) => ' ',
        };
    }
    false
}

/// A name that the store can hold.
pub(super) fn name(name: &LitStr, errors: &mut Errors) {
    if let Some(problem) = illegal(&name.value()) {
        errors.at(name, format!("a name that is stored can't be like this: it {problem}"));
    }
}

/// The version of an event, a view or a snapshot; 1, if none is given.
pub(super) fn version(token: Option<&LitInt>, errors: &mut Errors) -> Option<u32> {
    let Some(token) = token else { return Some(1) };
    match token.base10_parse() {
        Ok(0) => {
            errors.at(token, "versions count from 1");
            None
        }
        Ok(version) => Some(version),
        Err(_) => {
            errors.at(token, "a version is a whole number from 1 to 4294967295");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elided_lifetimes_are_found() {
        let is_elided = |text: &str| has_elided_lifetime(text.parse().expect("tokens"));
        for text in ["&str", "Option<&u8>", "(u8, &u8)", "[&u8; 3]", "Cow<'_, str>", "Box<dyn Clock + '_>"] {
            assert!(is_elided(text), "{text}");
        }
        for text in [
            "String",
            "&'static str",
            "fn(&str) -> &str",
            "Box<dyn Fn(&str) -> Option<&str> + Send>",
            "for<'a> fn(&'a str)",
            "[u8; A & 3]",
            "Matrix<{ A & 3 }>",
        ] {
            assert!(!is_elided(text), "{text}");
        }
    }
}
