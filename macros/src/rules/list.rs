//! Lists of types: `commands(..)` and `events(..)`.

use std::collections::HashSet;

use quote::{ToTokens, format_ident};
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

/// A list that is not empty, with nothing twice and no two variants of one name: its valid items.
pub(super) fn listed<'s>(
    list: &'s Given<List<ListedSyntax>>,
    example: &str,
    errors: &mut Errors,
) -> Vec<Listed<'s>> {
    let mut variants = HashSet::new();
    let mut valid = Vec::new();
    for ListedSyntax { path, variant } in distinct(list, example, |listed| &listed.path, errors) {
        if variants.insert(variant.to_string()) {
            valid.push(Listed { path, variant: variant.clone() });
        } else {
            let other = format_ident!("Other{variant}", span = variant.span());
            let shown = shown(path);
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

/// A list that is not empty and has nothing twice: its valid items.
pub(super) fn distinct<'s, T, K: ToTokens + 's>(
    list: &'s Given<List<T>>,
    example: &str,
    key: impl Fn(&'s T) -> &'s K,
    errors: &mut Errors,
) -> Vec<&'s T> {
    let Some(List { key: list, items }) = list.value() else { return Vec::new() };
    if items.is_empty() {
        errors.at(list, format!("`{list}(..)` is empty: list at least one, as `{list}({example})`"));
    }
    let mut seen = HashSet::new();
    let mut valid = Vec::new();
    for item in items {
        let key = key(item);
        if seen.insert(key.to_token_stream().to_string()) {
            valid.push(item);
        } else {
            errors.at(key, format!("`{}` is listed twice", shown(key)));
        }
    }
    valid
}

/// Tokens as they are written, in a message.
fn shown(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace([' ', '"'], "")
}
