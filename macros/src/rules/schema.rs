//! What a type inside events must be like.

use syn::Data;

use super::items;
use super::structure::{Structure, structure};
use crate::errors::Errors;
use crate::syntax::SchemaSyntax;

pub(crate) struct Schema<'s> {
    pub(crate) syntax: &'s SchemaSyntax<'s>,
    pub(crate) structure: Structure<'s>,
}

pub(crate) fn event_schema<'s>(syntax: &'s SchemaSyntax<'s>, errors: &mut Errors) -> Option<Schema<'s>> {
    if let Data::Union(data) = &syntax.input.data {
        errors.at(&data.union_token, "a union has no shape in JSON");
        return None;
    }
    items::no_generics(syntax.input, "type inside events", errors)
        .then(|| Schema { syntax, structure: structure(syntax.input) })
}
