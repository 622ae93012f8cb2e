//! What serde's derive makes of a struct or an enum: the names of its fields and variants in JSON, and which must be there.

use std::ops::Deref;

use syn::{Data, DeriveInput, Fields, Member, Type};

use super::json_name::RenameAll;
use crate::syntax::{SerdeOption, serde_options, type_text};

/// The JSON of a type.
pub(crate) enum Structure<'s> {
    /// An attribute of serde makes something of the type that its fields do not say.
    Opaque,
    Struct(StructureFields<'s>),
    Enum {
        tagging: Tagging,
        variants: Vec<(String, StructureFields<'s>)>,
    },
}

/// How the JSON of an enum says which variant it is.
pub(crate) enum Tagging {
    External,
    Internal(String),
    Adjacent(String, String),
    Untagged,
}

pub(crate) struct StructureFields<'s> {
    pub(crate) form: Form,
    pub(crate) fields: Vec<StructureField<'s>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Named,
    Tuple,
    Unit,
    /// A struct whose JSON its fields do not say.
    Opaque,
}

pub(crate) struct StructureField<'s> {
    pub(crate) name: String,
    pub(crate) ty: &'s Type,
    pub(crate) text: String,
    pub(crate) flags: u8,
}

/// The field need not be there.
pub(crate) const OPTIONAL: u8 = 1;
/// An attribute of serde makes something of the field that its type does not say.
const OPAQUE: u8 = 2;
/// The field gives its own fields to the JSON, and not its name.
const FLATTENED: u8 = 4;

/// What serde's attributes say of a field.
pub(crate) fn flags(options: &[impl Deref<Target = SerdeOption>]) -> u8 {
    options.iter().fold(0, |flags, option| {
        flags
            | match option.name.to_string().as_str() {
                "default" | "skip_serializing_if" => OPTIONAL,
                "with" | "serialize_with" | "deserialize_with" => OPAQUE,
                "flatten" => FLATTENED,
                _ => 0,
            }
    })
}

/// The form of a struct with these fields and attributes of serde.
pub(crate) fn form(fields: &Fields, options: &[SerdeOption]) -> Form {
    match fields {
        _ if has(options, &["from", "try_from", "into", "remote", "tag"]) => Form::Opaque,
        // A field alone is what the JSON is; only a tuple struct has one in the same place.
        Fields::Named(_) if has(options, &["transparent"]) => Form::Opaque,
        Fields::Named(_) => Form::Named,
        Fields::Unnamed(_) => Form::Tuple,
        Fields::Unit => Form::Unit,
    }
}

pub(crate) fn has(options: &[SerdeOption], names: &[&str]) -> bool {
    options.iter().any(|option| names.iter().any(|name| option.name == name))
}

pub(super) fn structure(input: &DeriveInput) -> Structure<'_> {
    let options = serde_options(&input.attrs);
    let data = match &input.data {
        Data::Struct(data) => {
            let form = form(&data.fields, &options);
            let mut fields = fields(&data.fields, &RenameAll::of(&options));
            if has(&options, &["default"]) {
                fields.fields.iter_mut().for_each(|field| field.flags |= OPTIONAL);
            }
            return match (form, fields.form) {
                (Form::Opaque, _) | (_, Form::Opaque) => Structure::Opaque,
                _ => Structure::Struct(fields),
            };
        }
        Data::Enum(data) => data,
        Data::Union(_) => return Structure::Opaque,
    };
    let text = |name: &str| options.iter().find(|option| option.name == name).and_then(SerdeOption::text);
    let tagging = match (text("tag"), text("content")) {
        _ if has(&options, &["untagged"]) => Tagging::Untagged,
        (Some(tag), Some(content)) => Tagging::Adjacent(tag, content),
        (Some(tag), None) => Tagging::Internal(tag),
        (None, _) => Tagging::External,
    };
    if has(&options, &["from", "try_from", "into", "remote"]) {
        return Structure::Opaque;
    }
    let rename_all = RenameAll::of(&options);
    let rename_all_fields = RenameAll::of_fields(&options);
    let mut variants = Vec::new();
    for variant in &data.variants {
        let options = serde_options(&variant.attrs);
        if has(&options, &["with", "serialize_with", "deserialize_with", "other", "untagged"]) {
            return Structure::Opaque;
        }
        if has(&options, &["skip", "skip_deserializing"]) {
            continue;
        }
        let name = rename(&options).unwrap_or_else(|| {
            rename_all.apply_to_variant(variant.ident.to_string().trim_start_matches("r#"))
        });
        let own = has(&options, &["rename_all"]).then(|| RenameAll::of(&options));
        variants.push((name, fields(&variant.fields, own.as_ref().unwrap_or(&rename_all_fields))));
    }
    Structure::Enum { tagging, variants }
}

fn fields<'s>(fields: &'s Fields, rename_all: &RenameAll) -> StructureFields<'s> {
    let stored = fields.members().zip(fields).filter_map(|(member, field)| {
        let options = serde_options(&field.attrs);
        if has(&options, &["skip", "skip_deserializing"]) {
            return None;
        }
        let name = rename(&options).unwrap_or_else(|| match &member {
            Member::Named(ident) => rename_all.apply(ident.to_string().trim_start_matches("r#")),
            Member::Unnamed(index) => index.index.to_string(),
        });
        let options: Vec<_> = options.iter().collect();
        Some(StructureField { name, ty: &field.ty, text: type_text(&field.ty), flags: flags(&options) })
    });
    let stored: Vec<_> = stored.collect();
    let form = match form(fields, &[]) {
        // An array without some of the fields: of one field that is left, it is still an array.
        Form::Tuple if stored.len() < fields.len() => Form::Opaque,
        form => form,
    };
    StructureFields { form, fields: stored }
}

fn rename(options: &[SerdeOption]) -> Option<String> {
    options.iter().find(|option| option.name == "rename").and_then(SerdeOption::text)
}
