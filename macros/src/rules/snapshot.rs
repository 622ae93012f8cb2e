//! What `snapshot(..)` must be like: it says when a snapshot is due, and every field of the state comes back.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Ident, LitInt, Path};

use super::items;
use crate::errors::Errors;
use crate::syntax::SnapshotSyntax;

pub(crate) struct Snapshot<'s> {
    /// The key `snapshot`, as it stands in the attribute.
    pub(crate) key: &'s Ident,
    pub(crate) every: Option<&'s LitInt>,
    pub(crate) older_than: Option<&'s TokenStream>,
    pub(crate) when: Option<&'s Path>,
    pub(crate) version: u32,
    /// The state, whose shape makes the fingerprint.
    pub(crate) state: &'s DeriveInput,
}

pub(super) fn snapshot<'s>(syntax: &'s SnapshotSyntax<'s>, errors: &mut Errors) -> Option<Snapshot<'s>> {
    let version = items::version(syntax.version.as_ref(), errors);
    is_due(syntax, errors);
    keeps_every_field(syntax, errors);
    let is_due =
        [syntax.every.value().is_some(), syntax.older_than.value().is_some(), syntax.when.value().is_some()];
    if !is_due.contains(&true) {
        return None;
    }
    Some(Snapshot {
        key: &syntax.key,
        every: syntax.every.value(),
        older_than: syntax.older_than.value(),
        when: syntax.when.value(),
        version: version?,
        state: syntax.state,
    })
}

fn is_due(syntax: &SnapshotSyntax<'_>, errors: &mut Errors) {
    let SnapshotSyntax { key, every, older_than, when, .. } = syntax;
    if every.is_missing() && older_than.is_missing() && when.is_missing() {
        errors.at(
            key,
            "say when a snapshot is due: `snapshot(every = 100)`, with the number of events between two",
        );
    }
    let Some(every) = every.value() else { return };
    match every.base10_parse::<u64>() {
        Ok(0) => errors
            .at(every, "a snapshot is due after 1 event at the earliest; for none, take out `snapshot(..)`"),
        Ok(_) => {}
        Err(_) => errors.at(every, "`every` is a number of events: a whole number from 1 on"),
    }
}

fn keeps_every_field(syntax: &SnapshotSyntax<'_>, errors: &mut Errors) {
    for option in syntax.serde_of_fields.iter().filter(|option| option.is_skip()) {
        errors.at(
            &option.name,
            "a field that serde skips would not come back from a snapshot: keep it, or take out `snapshot(..)`",
        );
    }
}
