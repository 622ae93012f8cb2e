//! What an aggregate's id must be like: a newtype.

use syn::{Data, Member, Type};

use super::items;
use crate::errors::Errors;
use crate::syntax::AggregateIdSyntax;

pub(crate) struct AggregateId<'s> {
    pub(crate) syntax: &'s AggregateIdSyntax<'s>,
    pub(crate) member: Member,
    pub(crate) ty: &'s Type,
}

pub(crate) fn aggregate_id<'s>(
    syntax: &'s AggregateIdSyntax<'s>,
    errors: &mut Errors,
) -> Option<AggregateId<'s>> {
    let input = syntax.input;
    if !items::plain_struct(input, "id", errors) {
        return None;
    }
    let Data::Struct(data) = &input.data else { return None };
    let mut fields = data.fields.members().zip(&data.fields);
    let (Some((member, field)), None) = (fields.next(), fields.next()) else {
        errors.at(
            &input.ident,
            format!(
                "`derive(AggregateId)` is for a struct with one field, as `struct {}(String);`; with more, write the impl \
                 by hand",
                input.ident
            ),
        );
        return None;
    };
    Some(AggregateId { syntax, member, ty: &field.ty })
}
