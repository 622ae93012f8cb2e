//! `derive(Event)`.

use syn::{DeriveInput, LitInt, LitStr, Path};

use super::serde::serde_options;
use super::{HistorySyntax, SerdeOption};
use crate::attributes::{Given, Keys, Options, Text};
use crate::errors::Errors;

const KEYS: Keys = Keys {
    known: &["name", "version", "aliases", "removed", "previous", "crate"],
    repeating: &["removed"],
    elsewhere: &[(
        &["added", "renamed", "changed"],
        "on the field that it is about, in its own `#[event(..)]`",
    )],
};

pub(crate) struct EventSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    /// The name of the attribute: `event` or `timeout`.
    pub(crate) attribute: &'static str,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) version: Given<LitInt>,
    pub(crate) aliases: Vec<LitStr>,
    /// The `serde` options of the struct.
    pub(crate) serde: Vec<SerdeOption>,
    pub(crate) history: HistorySyntax,
}

impl<'i> EventSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        Self::parse_with(input, "event", errors)
    }

    /// A time-out is stored as an event is.
    pub(crate) fn parse_timeout(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        Self::parse_with(input, "timeout", errors)
    }

    /// What it is, in a message.
    pub(crate) fn noun(&self) -> &'static str {
        if self.attribute == "timeout" { "time-out" } else { "event" }
    }

    fn parse_with(input: &'i DeriveInput, attribute: &'static str, errors: &mut Errors) -> Self {
        let mut options = Options::parse(&input.attrs, attribute, KEYS, errors);
        let version = options.integer("version", errors);
        let event = Self {
            input,
            attribute,
            version: options.given("version", version),
            history: HistorySyntax::parse(&input.data, attribute, &mut options, errors),
            krate: options.krate(errors),
            name: options.stored_name(&input.ident, errors),
            aliases: options
                .list("aliases", "\"old-name\", ..", errors)
                .map(|list| list.items.into_iter().map(|Text(alias)| alias).collect())
                .unwrap_or_default(),
            serde: serde_options(&input.attrs),
        };
        options.finish();
        event
    }
}
