//! An event as it was at one of its versions: its fields, and the shape of its JSON.

use std::collections::BTreeMap;

use syn::{Member, Type};

use super::history::{Change, ChangeKind, Field, History};
use super::json_name::RenameAll;
use super::shape::{ShapeField, shape};
use crate::syntax::{EventSyntax, FieldSyntax, SerdeOption, type_text};

pub(crate) struct Version<'s> {
    /// The fields of the present struct, as they were then.
    pub(crate) fields: Vec<FieldAt<'s>>,
    pub(crate) shape: Vec<ShapeField<'s>>,
}

/// A field of the present struct at a version.
pub(crate) struct FieldAt<'s> {
    /// How it was stored, if it was there.
    pub(crate) stored: Option<StoredField<'s>>,
    /// Its changes since, oldest first.
    pub(crate) later: Vec<Change<'s>>,
}

/// A field as an event of some version stores it.
pub(crate) struct StoredField<'s> {
    pub(crate) syntax: &'s FieldSyntax,
    pub(crate) member: Member,
    pub(crate) ty: &'s Type,
    /// The field's `serde` options that apply to that version.
    pub(crate) serde: Vec<&'s SerdeOption>,
    /// The name in JSON, if it was another one.
    pub(crate) rename: Option<String>,
}

impl<'s> Version<'s> {
    /// Every version from the first that the struct reads by itself to the present one.
    pub(super) fn all(
        syntax: &'s EventSyntax<'s>,
        history: &History<'s>,
        present: u32,
    ) -> BTreeMap<u32, Self> {
        let rename_all = RenameAll::of(&syntax.serde);
        (history.first_version()..=present)
            .map(|version| {
                let fields = FieldAt::all(&history.fields, &rename_all, version);
                let shape = shape(&rename_all, &fields, history.removed_at(version));
                (version, Self { fields, shape })
            })
            .collect()
    }
}

impl<'s> FieldAt<'s> {
    /// The fields as they were at `version`. In a tuple, those that were not there yet do not count.
    fn all(fields: &[Field<'s>], rename_all: &RenameAll, version: u32) -> Vec<Self> {
        let mut all: Vec<Self> = fields.iter().map(|field| Self::new(field, rename_all, version)).collect();
        let unnamed = all.iter_mut().filter_map(|field| match field.stored.as_mut()?.member {
            Member::Named(_) => None,
            Member::Unnamed(ref mut index) => Some(index),
        });
        for (number, index) in (0..).zip(unnamed) {
            index.index = number;
        }
        all
    }

    fn new(field: &Field<'s>, rename_all: &RenameAll, version: u32) -> Self {
        let later: Vec<_> =
            field.changes.iter().filter(|change| change.since.version > version).copied().collect();
        let is_absent = later.first().is_some_and(|change| matches!(change.kind, ChangeKind::Added { .. }));
        let stored = (!is_absent).then(|| StoredField::new(field.syntax, rename_all, &later));
        Self { stored, later }
    }
}

impl<'s> StoredField<'s> {
    fn new(syntax: &'s FieldSyntax, rename_all: &RenameAll, later: &[Change<'s>]) -> Self {
        // The oldest of the later changes says what the field was.
        let old_name = later.iter().find_map(|change| match change.kind {
            ChangeKind::Renamed { from } => Some(from),
            _ => None,
        });
        let old_type = old_type(later);
        let mut serde: Vec<_> = syntax.serde.iter().collect();
        let mut rename = None;
        // The field keeps its present name: any text is a name in JSON, and few are names in Rust.
        if let Some(from) = old_name {
            let was_renamed = syntax.serde_option("rename").is_some();
            serde.retain(|option| option.name != "rename");
            rename = Some(if was_renamed { from.value() } else { rename_all.stored(from) });
        }
        if old_type.is_some_and(|old_type| type_text(old_type) != type_text(&syntax.ty)) {
            // These options name functions of the present type.
            let of_type = ["with", "deserialize_with", "serialize_with", "bound", "borrow"];
            serde.retain(|option| {
                let is_path = option.name == "default" && option.tokens.to_string() != "default";
                !is_path && of_type.iter().all(|of_type| option.name != of_type)
            });
        }
        let member = syntax.member.clone();
        Self { syntax, member, ty: old_type.unwrap_or(&syntax.ty), serde, rename }
    }

    pub(super) fn serde_option(&self, name: &str) -> Option<&'s SerdeOption> {
        self.serde.iter().copied().find(|option| option.name == name)
    }
}

/// The type that a field had before all of these changes, if one of them changed it.
pub(crate) fn old_type<'s>(changes: &[Change<'s>]) -> Option<&'s Type> {
    changes.iter().find_map(|change| match change.kind {
        ChangeKind::Changed { from, .. } => Some(from),
        _ => None,
    })
}
