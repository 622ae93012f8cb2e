//! Lists of types: `commands(..)` and `events(..)`.

use std::collections::HashSet;

use quote::{ToTokens as _, format_ident};
use syn::{DeriveInput, Ident, Path};

use crate::errors::Errors;
use crate::syntax::{Given, List, ListedSyntax};

/// A listed type, and the variant that holds it.
pub(crate) struct Listed<'s> {
    pub(crate) path: &'s Path,
    pub(crate) variant: Ident,
}

/// A key that must be there.
pub(super) fn required<T>(
    input: &DeriveInput,
    attribute: &str,
    key: &Given<T>,
    example: &str,
    errors: &mut Errors,
) {
    if key.is_missing() {
        errors.at(&input.ident, format!("`{}` needs `#[{attribute}({example})]`", input.ident));
    }
}

/// A list that is not empty and has nothing twice: its valid items.
pub(super) fn listed<'s>(
    list: &'s Given<List<ListedSyntax>>,
    example: &str,
    errors: &mut Errors,
) -> Vec<Listed<'s>> {
    let Some(List { key, items }) = list.value() else { return Vec::new() };
    if items.is_empty() {
        errors.at(key, format!("`{key}(..)` is empty: list at least one, as `{key}({example})`"));
    }
    let (mut types, mut variants) = (HashSet::new(), HashSet::new());
    let mut valid = Vec::new();
    for ListedSyntax { path, variant } in items {
        let ty = path.to_token_stream().to_string();
        if !types.insert(ty.clone()) {
            errors.at(path, format!("`{}` is listed twice", ty.replace(' ', "")));
        } else if variants.insert(variant.to_string()) {
            valid.push(Listed { path, variant: variant.clone() });
        } else {
            let other = format_ident!("Other{variant}", span = variant.span());
            let shown = ty.replace(' ', "");
            errors.at(
                path,
                format!("two of these would be the variant `{variant}`: give this one another, as `{shown} as {other}`"),
            );
            // The rest of the macro's output uses the name that the message proposes.
            valid.push(Listed { path, variant: other });
        }
    }
    valid
}
