//! `derive(Command)`.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Attribute, Data, DeriveInput, LitStr, Member, Meta, Path, Type};

use crate::attributes::{Given, Keys, Options};
use crate::errors::{Errors, shown};

const STRUCT_KEYS: Keys = Keys {
    known: &["name", "internal", "singleton", "crate"],
    repeating: &[],
    elsewhere: &[(&["id"], "on the field that has the id, as `#[command(id)]`")],
};
const FIELD_KEYS: Keys = Keys {
    known: &["id"],
    repeating: &[],
    elsewhere: &[(&["name", "internal", "singleton", "crate"], "on the struct, in its own `#[command(..)]`")],
};

pub(crate) struct CommandSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) is_internal: bool,
    /// The functions that check the whole struct.
    pub(crate) checks: Vec<Path>,
    /// Where `#[command(singleton)]` says `singleton`.
    pub(crate) singleton: Given<Span>,
    /// The fields of the struct; none, if it is no struct.
    pub(crate) fields: Vec<CommandFieldSyntax<'i>>,
}

pub(crate) struct CommandFieldSyntax<'i> {
    pub(crate) member: Member,
    pub(crate) ty: &'i Type,
    /// The functions that check the field.
    pub(crate) checks: Vec<Path>,
    /// Where `#[command(id)]` says `id`.
    pub(crate) id: Given<Span>,
}

impl<'i> CommandSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, "command", STRUCT_KEYS, errors);
        let krate = options.krate(errors);
        let name = options.stored_name(&input.ident, errors);
        let is_internal = options.flag("internal", errors).is_some();
        let singleton = options.flag("singleton", errors);
        let singleton = options.given("singleton", singleton);
        options.finish();
        let of_struct = checks(&input.attrs, &input.ident, errors);
        let mut fields = Vec::new();
        if let Data::Struct(data) = &input.data {
            for (member, field) in data.fields.members().zip(&data.fields) {
                let mut options = Options::parse(&field.attrs, "command", FIELD_KEYS, errors);
                let id = match options.flag("id", errors) {
                    Some(id) => Given::Value(id),
                    // A field has no other option: this one was meant.
                    None if field.attrs.iter().any(|attribute| attribute.path().is_ident("command")) => {
                        Given::Invalid
                    }
                    None => Given::Missing,
                };
                options.finish();
                let checks = checks(&field.attrs, &field.ty, errors);
                fields.push(CommandFieldSyntax { member, ty: &field.ty, checks, id });
            }
        }
        Self { input, krate, name, is_internal, checks: of_struct, singleton, fields }
    }
}

/// The functions in `#[validate(..)]`, each of which checks a value of the type.
fn checks(attributes: &[Attribute], ty: &impl ToTokens, errors: &mut Errors) -> Vec<Path> {
    let mut checks = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("validate")) {
        let path = match &attribute.meta {
            Meta::List(list) => syn::parse2(list.tokens.clone()).ok(),
            Meta::Path(_) | Meta::NameValue(_) => None,
        };
        match path {
            Some(path) => checks.push(path),
            None => errors.at(
                &attribute.meta,
                format!("write one function that takes `&{}`, by its path: `#[validate(path)]`", shown(ty)),
            ),
        }
    }
    checks
}
