//! `derive(Command)`.

use proc_macro2::Span;
use syn::{Data, DeriveInput, LitStr, Member, Path, Type};

use crate::attributes::{Given, Keys, Options};
use crate::errors::Errors;

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
    /// Where `#[command(singleton)]` says `singleton`.
    pub(crate) singleton: Given<Span>,
    /// The fields of the struct; none, if it is no struct.
    pub(crate) fields: Vec<CommandFieldSyntax<'i>>,
}

pub(crate) struct CommandFieldSyntax<'i> {
    pub(crate) member: Member,
    pub(crate) ty: &'i Type,
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
                fields.push(CommandFieldSyntax { member, ty: &field.ty, id });
            }
        }
        Self { input, krate, name, is_internal, singleton, fields }
    }
}
