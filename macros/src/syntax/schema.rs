//! `derive(EventSchema)`.

use syn::{DeriveInput, Path};

use super::all_fields;
use crate::attributes::Options;
use crate::errors::Errors;

pub(crate) struct SchemaSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
}

impl<'i> SchemaSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, "event_schema", &["crate"], errors);
        let krate = options.krate(errors);
        options.finish();
        for field in all_fields(&input.data) {
            let mut options = Options::parse(&field.attrs, "event_schema", &["recursive"], errors);
            options.flag("recursive", errors);
            options.finish();
        }
        Self { input, krate }
    }
}
