//! What the changes of an event must be like together: every version has one, and none contradicts another.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Data, Fields};

use super::Version;
use super::history::{ChangeKind, History};
use super::json_name::RenameAll;
use crate::errors::Errors;
use crate::syntax::EventSyntax;

/// Whether every version of the event can be read.
pub(super) fn check(
    syntax: &EventSyntax<'_>,
    history: &History<'_>,
    version: u32,
    errors: &mut Errors,
) -> bool {
    let gapless = every_version_has_a_change(syntax, history, version, errors);
    let after_previous = nothing_before_the_previous_struct(history, errors);
    let by_name = changes_have_names(syntax, history, errors);
    let serde = serde_suits_all_versions(syntax, history, version, errors);
    gapless & after_previous & by_name & serde
}

/// No old version has two fields of one name in JSON; in the present one, serde finds them.
pub(super) fn one_field_of_each_name(
    syntax: &EventSyntax<'_>,
    history: &History<'_>,
    versions: &BTreeMap<u32, Version<'_>>,
    errors: &mut Errors,
) -> bool {
    let old = versions.len().saturating_sub(1);
    for (&version, Version { shape, .. }) in versions.iter().take(old) {
        let mut names = BTreeSet::new();
        let twice = shape
            .iter()
            .map(|field| &*field.name)
            .find(|name| !name.starts_with("..") && !names.insert(*name));
        let Some(name) = twice else { continue };
        let rename_all = RenameAll::of(&syntax.serde);
        let renames = history.changes().filter_map(|change| match change.kind {
            ChangeKind::Renamed { from } if change.since.version > version => Some(from),
            _ => None,
        });
        let removed = history.removed_at(version).map(|removed| removed.name);
        let token =
            removed.chain(renames).find(|token| token.value() == name || rename_all.stored(token) == name);
        let message = format!("in version {version}, two fields were called `{name}`");
        match token {
            Some(token) => errors.at(token, message),
            None => errors.at(&syntax.input.ident, message),
        }
        return false;
    }
    true
}

fn every_version_has_a_change(
    syntax: &EventSyntax<'_>,
    history: &History<'_>,
    version: u32,
    errors: &mut Errors,
) -> bool {
    let changed: BTreeSet<u32> = history.changed_versions().collect();
    // The present version may be any number: the search ends at the first version without a change.
    let missing = (history.first_version().max(2)..=version).find(|version| !changed.contains(version));
    // A change that is reported already may be the one that is missing here.
    if let Some(missing) = missing
        && let Some(token) = syntax.version.value()
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

/// What changed before the previous struct was replaced is part of its own history.
fn nothing_before_the_previous_struct(history: &History<'_>, errors: &mut Errors) -> bool {
    let Some(previous) = &history.previous else { return true };
    let fields = history.changes().map(|change| change.since);
    let removed = history.removed.iter().map(|removed| removed.since);
    let mut is_valid = true;
    for since in fields.chain(removed).filter(|since| since.version <= previous.since) {
        errors.at(
            since.token,
            format!(
                "the event's struct was replaced in version {}: what changed until then belongs to its previous struct",
                previous.since
            ),
        );
        is_valid = false;
    }
    is_valid
}

/// Fields of tuple structs have no names: none can be renamed, and none declared as removed.
fn changes_have_names(syntax: &EventSyntax<'_>, history: &History<'_>, errors: &mut Errors) -> bool {
    let Data::Struct(data) = &syntax.input.data else { return true };
    if !matches!(data.fields, Fields::Unnamed(_)) {
        return true;
    }
    let renamed = history.changes().filter_map(|change| match change.kind {
        ChangeKind::Renamed { from } => Some(from),
        _ => None,
    });
    let mut is_valid = true;
    for name in renamed.chain(history.removed.iter().map(|removed| removed.name)) {
        errors.at(
            name,
            "a field of a tuple struct has no name: give the fields names, in a new struct with `previous = ..`",
        );
        is_valid = false;
    }
    is_valid
}

/// The struct's own `serde` options must make sense for its old versions too.
fn serde_suits_all_versions(
    syntax: &EventSyntax<'_>,
    history: &History<'_>,
    version: u32,
    errors: &mut Errors,
) -> bool {
    if version == history.first_version() {
        return true;
    }
    let mut is_valid = true;
    for option in &syntax.serde {
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
        is_valid = false;
    }
    is_valid
}
