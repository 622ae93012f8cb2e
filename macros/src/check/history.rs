//! What the history of an event must be like: every version accounted for, nothing that can't have been.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Fields, Ident, LitInt, Path};

use crate::errors::Errors;
use crate::model::{Change, ChangeKind, Conversion, Event, Removed, shape};
use crate::options::Options;

/// A key that must stand in the parentheses of another.
pub(crate) fn given(key: &Ident, options: &Options, wanted: &str, example: &str, errors: &mut Errors) {
    if !options.mentions(wanted) {
        errors.at(key, format!("`{key}(..)` needs `{example}`"));
    }
}

/// A version in which something can have changed.
pub(crate) fn since(token: &LitInt, version: u32, errors: &mut Errors) -> Option<u32> {
    match token.base10_parse::<u32>() {
        Ok(0 | 1) => {
            errors
                .at(token, "the history begins with version 1: what changed, changed in version 2 or later");
            None
        }
        Ok(since) if since > version => {
            errors.at(
                token,
                format!("the event is at version {version}: write `version = {since}`, or correct this"),
            );
            None
        }
        Ok(since) => Some(since),
        Err(_) => {
            errors.at(token, "a version is a whole number from 1 to 4294967295");
            None
        }
    }
}

/// `with`, or `try_with`.
pub(crate) fn one_conversion(
    key: &Ident,
    options: &Options,
    sure: Option<TokenStream>,
    fallible: Option<TokenStream>,
    errors: &mut Errors,
) -> Option<Conversion> {
    match (sure, fallible) {
        (Some(sure), None) => Some(Conversion::Sure(sure)),
        (None, Some(fallible)) => Some(Conversion::Fallible(fallible)),
        (Some(_), Some(fallible)) => {
            errors.at(&fallible, "a change has `with`, or `try_with` if it can fail: not both");
            None
        }
        (None, None) => {
            if !options.mentions("with") && !options.mentions("try_with") {
                errors.at(
                    key,
                    format!(
                        "`{key}(..)` needs `with = function` from the old type to the new one, or `try_with`"
                    ),
                );
            }
            None
        }
    }
}

/// `previous` makes sense from version 2 on.
pub(crate) fn has_a_past(path: &Path, version: u32, errors: &mut Errors) -> bool {
    if version == 1 {
        errors.at(path, "version 1 has no previous one: say which `version` this is");
    }
    version > 1
}

/// What has become of one field, as it is written.
pub(crate) fn changes(changes: &[Change], errors: &mut Errors) {
    for (index, change) in changes.iter().enumerate() {
        let earlier = changes.get(..index).unwrap_or_default();
        let version = change.since.version;
        if let Some(last) = earlier.last()
            && last.since.version > version
        {
            let message =
                format!("changes stand in order: this one before the one since {}", last.since.version);
            errors.at(&change.since.token, message);
        }
        let same = |other: &Change| {
            other.since.version == version
                && std::mem::discriminant(&other.kind) == std::mem::discriminant(&change.kind)
        };
        if earlier.iter().any(same) {
            errors.at(&change.since.token, format!("this has been declared since {version} already"));
        } else if matches!(change.kind, ChangeKind::Added { .. }) && index > 0 {
            errors.at(&change.since.token, "a field is added before anything else happens to it");
        } else if let Some(first) = earlier.first()
            && matches!(first.kind, ChangeKind::Added { .. })
            && first.since.version == version
        {
            let message = format!("the field is new in version {version}: it can't have been another before");
            errors.at(&change.since.token, message);
        }
    }
}

/// A field comes before it goes.
pub(crate) fn removed(removed: &Removed, errors: &mut Errors) -> bool {
    match &removed.added {
        Some(added) if added.version >= removed.since.version => {
            errors.at(&added.token, format!("the field was removed in version {}", removed.since.version));
            false
        }
        _ => true,
    }
}

/// Whether every version of the event can be read.
pub(crate) fn history(input: &DeriveInput, event: &Event, errors: &mut Errors) -> bool {
    let gapless = every_version_has_a_change(event, errors);
    let after_previous = nothing_before_the_previous_struct(event, errors);
    let by_name = named_fields(input, event, errors);
    let serde = serde_of_all_versions(event, errors);
    // Of a history that is wrong anyway, nothing further is told.
    gapless & after_previous & by_name & serde && one_field_of_each_name(event, errors)
}

/// No version has two fields of one name in JSON. The present one is serde's business.
fn one_field_of_each_name(event: &Event, errors: &mut Errors) -> bool {
    for version in event.history.first_version()..event.version {
        let mut names = BTreeSet::new();
        let twice = shape(event, version)
            .into_iter()
            .map(|field| field.name)
            .find(|name| !name.starts_with("..") && !names.insert(name.clone()));
        let Some(name) = twice else { continue };
        let renames = event.history.fields.iter().flat_map(|field| &field.changes).filter_map(|change| {
            match &change.kind {
                ChangeKind::Renamed { from } if change.since.version > version => Some(from),
                _ => None,
            }
        });
        let removed = event.history.removed_at(version).map(|removed| &removed.name);
        let token = removed.chain(renames).find(|token| token.value() == name);
        let message = format!("in version {version}, two fields were called `{name}`");
        match token {
            Some(token) => errors.at(token, message),
            None => errors.at(&event.ident, message),
        }
        return false;
    }
    true
}

fn every_version_has_a_change(event: &Event, errors: &mut Errors) -> bool {
    let changed: BTreeSet<u32> = event.history.changed_versions().collect();
    let first = event.history.first_version().max(2);
    // Without an end: the version may be any number, the changes are as many as are written.
    let missing = (first..=event.version).find(|version| !changed.contains(version));
    // A change that is wrong has been told of; it may be the one that is missed here.
    if let Some(missing) = missing
        && let Some(token) = &event.version_token
        && !errors.any()
    {
        errors.at(
            token,
            format!(
                "nothing is declared to have changed in version {missing}: say what, as `#[event(added(since = \
                 {missing}, default = ..))]` on a field (or `renamed`, `changed`; on the struct `removed`, \
                 `previous`), or lower the version"
            ),
        );
    }
    missing.is_none()
}

/// What changed up to then is part of the previous struct's own history.
fn nothing_before_the_previous_struct(event: &Event, errors: &mut Errors) -> bool {
    let Some(previous) = &event.history.previous else { return true };
    let fields = event.history.fields.iter().flat_map(|field| &field.changes).map(|change| &change.since);
    let removed = event.history.removed.iter().map(|removed| &removed.since);
    let mut right = true;
    for since in fields.chain(removed).filter(|since| since.version <= previous.since) {
        errors.at(
            &since.token,
            format!(
                "the event was made anew in version {}: what changed until then belongs to its previous struct",
                previous.since
            ),
        );
        right = false;
    }
    right
}

/// Fields of tuple structs have no names to change, nor can one be told of that is gone.
fn named_fields(input: &DeriveInput, event: &Event, errors: &mut Errors) -> bool {
    let Data::Struct(data) = &input.data else { return true };
    if !matches!(data.fields, Fields::Unnamed(_)) {
        return true;
    }
    let mut right = true;
    let instead = "give the fields names, in a new struct with `previous = ..`";
    for change in event.history.fields.iter().flat_map(|field| &field.changes) {
        if let ChangeKind::Renamed { from } = &change.kind {
            errors.at(from, format!("a field of a tuple struct has no name: {instead}"));
            right = false;
        }
    }
    for removed in &event.history.removed {
        errors.at(&removed.name, format!("a field of a tuple struct has no name: {instead}"));
        right = false;
    }
    right
}

/// What serde does to the whole struct must make sense for the structs that it was.
fn serde_of_all_versions(event: &Event, errors: &mut Errors) -> bool {
    if event.version == event.history.first_version() {
        return true;
    }
    let mut right = true;
    for option in &event.serde {
        let instead = match option.name.to_string().as_str() {
            "default" => "write `#[serde(default)]` on each field that may be missing",
            "from" | "try_from" | "into" | "transparent" | "remote" => {
                "what is stored is another type's: give that its versions, or use `previous = ..`"
            }
            _ => continue,
        };
        let message = format!(
            "`serde({})` on the struct does not go with changes of its fields: {instead}",
            option.name
        );
        errors.at(&option.tokens, message);
        right = false;
    }
    right
}
