//! The shape of an event's JSON: the names and types of its fields.

use syn::{Member, Type};

use super::history::Removed;
use super::json_name::RenameAll;
use super::structure::flags;
use super::{FieldAt, StoredField};
use crate::syntax::{SerdeOption, type_text};

/// A field in JSON.
pub(crate) struct ShapeField<'s> {
    pub(crate) name: String,
    pub(crate) ty: &'s Type,
    /// The type as text, without paths: where a type is imported from does not change what is stored.
    pub(crate) text: String,
    /// What serde's attributes say of it.
    pub(crate) flags: u8,
}

/// The shape of an event with these fields, and with those that its present struct does not have; sorted by name.
pub(super) fn shape<'a, 's: 'a>(
    rename_all: &RenameAll,
    fields: &[FieldAt<'s>],
    removed: impl Iterator<Item = &'a Removed<'s>>,
) -> Vec<ShapeField<'s>> {
    let stored = fields.iter().filter_map(|field| field.stored.as_ref());
    let mut shape: Vec<_> = stored
        .map(|field| {
            // A flattened field gives its own fields to the JSON, and not its name.
            let text = type_text(field.ty);
            let is_flattened = field.serde_option("flatten").is_some();
            let name = if is_flattened { format!("..{text}") } else { json_name(field, rename_all) };
            ShapeField { name, ty: field.ty, text, flags: flags(&field.serde) }
        })
        .collect();
    shape.extend(removed.map(|removed| ShapeField {
        name: removed.stored.clone(),
        ty: removed.ty,
        text: type_text(removed.ty),
        flags: 0,
    }));
    shape.sort_by(|left, right| left.name.cmp(&right.name));
    shape
}

fn json_name(field: &StoredField<'_>, rename_all: &RenameAll) -> String {
    let renamed = match &field.rename {
        Some(rename) => Some(rename.clone()),
        None => field.serde_option("rename").and_then(SerdeOption::text),
    };
    match (&field.member, renamed) {
        (_, Some(renamed)) => renamed,
        (Member::Unnamed(index), None) => index.index.to_string(),
        (Member::Named(ident), None) => rename_all.apply(ident.to_string().trim_start_matches("r#")),
    }
}
