//! The shape of an event's JSON: the names and types of its fields.

use syn::{Member, Type};

use super::history::Removed;
use super::{FieldAt, StoredField};
use crate::syntax::{EventSyntax, SerdeOption, type_text};

/// A field in JSON.
pub(crate) struct ShapeField<'s> {
    pub(crate) name: String,
    pub(crate) ty: &'s Type,
    /// The type as text, without paths: where a type is imported from does not change what is stored.
    pub(crate) text: String,
}

/// The shape of an event with these fields, and with those that its present struct does not have; sorted by name.
pub(super) fn shape<'a, 's: 'a>(
    syntax: &EventSyntax<'_>,
    fields: &[FieldAt<'s>],
    removed: impl Iterator<Item = &'a Removed<'s>>,
) -> Vec<ShapeField<'s>> {
    let rename_all = syntax.serde.iter().find(|option| option.name == "rename_all");
    let rename_all = rename_all.and_then(SerdeOption::text);
    let stored = fields.iter().filter_map(|field| field.stored.as_ref());
    let mut shape: Vec<_> = stored
        .filter(|field| ["skip", "skip_deserializing"].iter().all(|skip| field.serde_option(skip).is_none()))
        .map(|field| {
            // A flattened field gives its own fields to the JSON, and not its name.
            let text = type_text(field.ty);
            let is_flattened = field.serde_option("flatten").is_some();
            let name =
                if is_flattened { format!("..{text}") } else { json_name(field, rename_all.as_deref()) };
            ShapeField { name, ty: field.ty, text }
        })
        .collect();
    shape.extend(removed.map(|removed| ShapeField {
        name: removed.name.value(),
        ty: removed.ty,
        text: type_text(removed.ty),
    }));
    shape.sort_by(|left, right| left.name.cmp(&right.name));
    shape
}

fn json_name(field: &StoredField<'_>, rename_all: Option<&str>) -> String {
    let renamed = match field.rename {
        Some(rename) => Some(rename.value()),
        None => field.serde_option("rename").and_then(SerdeOption::text),
    };
    match (&field.member, renamed) {
        (_, Some(renamed)) => renamed,
        (Member::Unnamed(index), None) => index.index.to_string(),
        (Member::Named(ident), None) => in_case(ident.to_string().trim_start_matches("r#"), rename_all),
    }
}

/// The name of a field under serde's `rename_all`.
fn in_case(name: &str, case: Option<&str>) -> String {
    let pascal = || {
        name.split('_')
            .map(|word| {
                let mut chars = word.chars();
                chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
            })
            .collect::<Vec<String>>()
            .concat()
    };
    match case {
        Some("UPPERCASE" | "SCREAMING_SNAKE_CASE") => name.to_uppercase(),
        Some("PascalCase") => pascal(),
        Some("camelCase") => {
            let pascal = pascal();
            let mut chars = pascal.chars();
            chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
        }
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING-KEBAB-CASE") => name.to_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_serde_gives() {
        for (case, name) in [
            ("camelCase", "paidAmount"),
            ("PascalCase", "PaidAmount"),
            ("kebab-case", "paid-amount"),
            ("SCREAMING_SNAKE_CASE", "PAID_AMOUNT"),
            ("SCREAMING-KEBAB-CASE", "PAID-AMOUNT"),
            ("lowercase", "paid_amount"),
            ("UPPERCASE", "PAID_AMOUNT"),
            ("snake_case", "paid_amount"),
        ] {
            assert_eq!(in_case("paid_amount", Some(case)), name);
        }
    }
}
