//! An id: a newtype.

use syn::{Data, DeriveInput, Ident, Member, Path, Type};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;

pub(crate) struct AggregateId {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) member: Member,
    pub(crate) ty: Type,
}

impl AggregateId {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut options = Options::parse(&input.attrs, "aggregate_id", &["crate"], errors);
        let krate = options.krate(errors);
        options.finish();
        if !check::plain_struct(input, "id", errors) {
            return None;
        }
        let Data::Struct(data) = &input.data else { return None };
        let mut fields = data.fields.members().zip(&data.fields);
        match (fields.next(), fields.next()) {
            (Some((member, field)), None) => {
                Some(Self { krate, ident: input.ident.clone(), member, ty: field.ty.clone() })
            }
            _ => {
                errors.at(
                    &input.ident,
                    format!(
                        "`derive(AggregateId)` is for a struct with one field, as `struct {}(String);`; with more, \
                         write the impl by hand",
                        input.ident
                    ),
                );
                None
            }
        }
    }
}
