//! Lists of types: `commands(..)` and `events(..)`.

use std::collections::HashSet;

use quote::ToTokens;
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
        required_keys(input, attribute, &[example], errors);
    }
}

/// Keys that must be there and are missing: one error for all.
pub(super) fn required_keys(input: &DeriveInput, attribute: &str, missing: &[&str], errors: &mut Errors) {
    if !missing.is_empty() {
        let (ident, missing) = (&input.ident, missing.join(", "));
        errors.at(ident, format!("`{ident}` needs `#[{attribute}({missing})]`"));
    }
}

/// Reports a generated enum, or a variant of it, in a list of what it is made of; whether there is one.
pub(super) fn has_generated_enum<'p>(
    mut listed: impl Iterator<Item = &'p Path>,
    enums: &[String],
    errors: &mut Errors,
) -> bool {
    listed.any(|path| {
        let text = shown(path);
        let name = ["self::", "crate::"].iter().find_map(|prefix| text.strip_prefix(prefix)).unwrap_or(&text);
        let parent = name.rsplit_once("::").map(|(parent, _)| parent);
        let is = |name: &str| enums.iter().any(|generated| generated == name);
        let what = match (is(name), parent.is_some_and(is)) {
            (true, _) => "the enum",
            (_, true) => "a variant of the enum",
            _ => return false,
        };
        errors.at(path, format!("list the structs: `{text}` is {what} that is made of them"));
        true
    })
}

/// A list that is not empty, with nothing twice and no two variants of one name: its valid items. None are, if two have
/// one name: only rustc knows whether they are one type.
pub(super) fn listed<'s>(
    list: &'s Given<List<ListedSyntax>>,
    example: &str,
    errors: &mut Errors,
) -> Vec<Listed<'s>> {
    let mut variants = HashSet::new();
    let mut valid = Vec::new();
    let mut is_valid = true;
    for ListedSyntax { path, variant } in distinct(list, example, |listed| &listed.path, errors) {
        if variants.insert(variant.to_string()) {
            valid.push(Listed { path, variant: variant.clone() });
        } else {
            let shown = shown(path);
            errors.at(
                path,
                format!(
                    "two of these would be the variant `{variant}`: give this one another, as `{shown} as Other{variant}`, \
                     or take it out if the two are one type"
                ),
            );
            is_valid = false;
        }
    }
    if is_valid { valid } else { Vec::new() }
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
        // `self::Opened` is `Opened`.
        let path = shown(key);
        if seen.insert(path.trim_start_matches("self::").to_owned()) {
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
