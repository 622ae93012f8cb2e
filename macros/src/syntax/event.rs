//! `derive(Event)`.

use syn::{DeriveInput, LitInt, LitStr, Path};

use super::serde::serde_options;
use super::{HistorySyntax, SerdeOption};
use crate::attributes::Options;
use crate::errors::Errors;

pub(crate) struct EventSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) version: Option<LitInt>,
    pub(crate) aliases: Vec<LitStr>,
    /// The `serde` options of the struct.
    pub(crate) serde: Vec<SerdeOption>,
    pub(crate) history: HistorySyntax,
}

impl<'i> EventSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "version", "aliases", "removed", "previous", "crate"];
        let mut options = Options::parse_repeating(&input.attrs, "event", known, &["removed"], errors);
        let event = Self {
            input,
            version: options.integer("version", errors),
            history: HistorySyntax::parse(&input.data, &mut options, errors),
            krate: options.krate(errors),
            name: options.stored_name(&input.ident, errors),
            aliases: options
                .list("aliases", "\"old-name\", ..", errors)
                .map(|list| list.items)
                .unwrap_or_default(),
            serde: serde_options(&input.attrs),
        };
        options.finish();
        event
    }
}
