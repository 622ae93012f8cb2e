//! An event as it was at one of its versions: its fields, and the shape of its JSON.

use std::collections::BTreeMap;

use quote::format_ident;
use syn::ext::IdentExt as _;
use syn::parse::Parser as _;
use syn::{Ident, LitStr, Member, Type};

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
    /// The name in JSON, if `member` does not give it.
    pub(crate) rename: Option<&'s LitStr>,
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
                let fields = FieldAt::all(&history.fields, version);
                let shape = shape(&rename_all, &fields, history.removed_at(version));
                (version, Self { fields, shape })
            })
            .collect()
    }
}

impl<'s> FieldAt<'s> {
    /// The fields as they were at `version`. In a tuple, those that were not there yet do not count.
    fn all(fields: &[Field<'s>], version: u32) -> Vec<Self> {
        let mut all: Vec<Self> = fields.iter().map(|field| Self::new(field, version)).collect();
        let unnamed = all.iter_mut().filter_map(|field| match field.stored.as_mut()?.member {
            Member::Named(_) => None,
            Member::Unnamed(ref mut index) => Some(index),
        });
        for (number, index) in (0..).zip(unnamed) {
            index.index = number;
        }
        all
    }

    fn new(field: &Field<'s>, version: u32) -> Self {
        let later: Vec<_> =
            field.changes.iter().filter(|change| change.since.version > version).copied().collect();
        let is_absent = later.first().is_some_and(|change| matches!(change.kind, ChangeKind::Added { .. }));
        let stored = (!is_absent).then(|| StoredField::new(field.syntax, &later));
        Self { stored, later }
    }
}

impl<'s> StoredField<'s> {
    fn new(syntax: &'s FieldSyntax, later: &[Change<'s>]) -> Self {
        // The oldest of the later changes says what the field was.
        let old_name = later.iter().find_map(|change| match change.kind {
            ChangeKind::Renamed { from } => Some(from),
            _ => None,
        });
        let old_type = old_type(later);
        let mut serde: Vec<_> = syntax.serde.iter().collect();
        let mut member = syntax.member.clone();
        let mut rename = None;
        if let Some(from) = old_name {
            let was_renamed = syntax.serde_option("rename").is_some();
            serde.retain(|option| option.name != "rename");
            match identifier(&from.value()) {
                // `rename_all` does to the old name what it does to the new one.
                Some(ident) if !was_renamed => member = Member::Named(ident),
                _ => {
                    rename = Some(from);
                    // Another field may have had this one's present name.
                    member = Member::Named(format_ident!("__{}", syntax.shown().trim_start_matches("r#")));
                }
            }
        }
        if old_type.is_some_and(|old_type| type_text(old_type) != type_text(&syntax.ty)) {
            // These options name functions of the present type.
            let of_type = ["with", "deserialize_with", "serialize_with", "bound", "borrow"];
            serde.retain(|option| {
                let is_path = option.name == "default" && option.tokens.to_string() != "default";
                !is_path && of_type.iter().all(|of_type| option.name != of_type)
            });
        }
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

/// A name as an identifier; a keyword as a raw one, if it can be one.
pub(super) fn identifier(name: &str) -> Option<Ident> {
    let ident = Ident::parse_any.parse_str(name).ok()?;
    if syn::parse_str::<Ident>(name).is_ok() {
        return Some(ident);
    }
    let never_raw = ["self", "Self", "super", "crate", "_"];
    (!never_raw.contains(&name)).then(|| Ident::new_raw(name, ident.span()))
}
