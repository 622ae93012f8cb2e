//! A type inside events.

use syn::{Data, DeriveInput, Path};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;

pub(crate) struct Schema<'i> {
    pub(crate) krate: Path,
    pub(crate) input: &'i DeriveInput,
}

impl<'i> Schema<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut options = Options::parse(&input.attrs, "event_schema", &["crate"], errors);
        let krate = options.krate(errors);
        options.finish();
        if let Data::Union(data) = &input.data {
            errors.at(&data.union_token, "a union has no shape in JSON");
            return None;
        }
        check::no_generics(input, "type inside events", errors).then_some(Self { krate, input })
    }
}
