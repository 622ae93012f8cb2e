//! Rules of several kinds of items: what an impl can be made for, names, versions.

use syn::{Data, DeriveInput, LitInt, LitStr};

use crate::errors::Errors;
use crate::names::illegal;

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
