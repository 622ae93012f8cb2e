//! What a command must be like: a struct that says which aggregate it is for.

use syn::{Fields, Member, Type};

use super::items;
use crate::errors::Errors;
use crate::syntax::{CommandFieldSyntax, CommandSyntax, Given};

pub(crate) struct Command<'s> {
    pub(crate) syntax: &'s CommandSyntax<'s>,
    pub(crate) id: IdSource<'s>,
}

/// Where a command has the id of its aggregate.
pub(crate) enum IdSource<'s> {
    Field {
        member: &'s Member,
        ty: &'s Type,
    },
    /// Nowhere: there is only one aggregate of the kind.
    Singleton,
}

pub(crate) fn command<'s>(syntax: &'s CommandSyntax<'s>, errors: &mut Errors) -> Option<Command<'s>> {
    if !items::plain_struct(syntax.input, "command", errors) {
        return None;
    }
    items::name(&syntax.name, errors);
    Some(Command { syntax, id: id_source(syntax, errors)? })
}

fn id_source<'s>(syntax: &'s CommandSyntax<'s>, errors: &mut Errors) -> Option<IdSource<'s>> {
    let fields = &syntax.fields;
    let mut marked = fields.iter().filter_map(|field| Some((*field.id.value()?, IdSource::of(field))));
    match (marked.next(), marked.next()) {
        (first, Some((second, _))) => {
            errors.at_span(second, "a command has one id; this is the second `#[command(id)]`");
            first.map(|(_, source)| source)
        }
        (Some((mark, source)), None) => {
            if syntax.singleton.value().is_some() {
                errors.at_span(mark, "a command for the only aggregate of its kind (`singleton`) has no id");
            }
            Some(source)
        }
        (None, None) if syntax.singleton.value().is_some() || fields.is_empty() => Some(IdSource::Singleton),
        (None, None) => {
            // The one field of a tuple struct can only be the id.
            let is_newtype = fields.len() == 1 && is_tuple(syntax);
            let ids = fields.iter().map(|field| &field.id);
            let is_reported = ids.chain([&syntax.singleton]).any(|given| matches!(given, Given::Invalid));
            if !is_newtype && !is_reported {
                let ident = &syntax.input.ident;
                errors.at(
                    ident,
                    format!(
                        "nothing in `{ident}` says which aggregate it is for: mark that field with `#[command(id)]`, or \
                         the struct with `#[command(singleton)]` if there is only one"
                    ),
                );
            }
            // The id is most likely the first field. A wrong guess is one more error, a right guess is one less.
            fields.first().map(IdSource::of)
        }
    }
}

fn is_tuple(syntax: &CommandSyntax<'_>) -> bool {
    matches!(&syntax.input.data, syn::Data::Struct(data) if matches!(data.fields, Fields::Unnamed(_)))
}

impl<'s> IdSource<'s> {
    fn of(field: &'s CommandFieldSyntax<'s>) -> Self {
        Self::Field { member: &field.member, ty: field.ty }
    }
}
