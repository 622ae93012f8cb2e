//! `derive(AggregateId)`.

use syn::{DeriveInput, Path};

use crate::attributes::Options;
use crate::errors::Errors;

pub(crate) struct AggregateIdSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
}

impl<'i> AggregateIdSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, "aggregate_id", &["crate"], errors);
        let krate = options.krate(errors);
        options.finish();
        Self { input, krate }
    }
}
