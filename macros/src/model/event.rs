//! An event.

use syn::{DeriveInput, Ident, LitStr, Path};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;
use crate::text::kebab;

pub(crate) struct Event {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    pub(crate) aliases: Vec<LitStr>,
}

impl Event {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let mut options =
            Options::parse(&input.attrs, "event", &["name", "version", "aliases", "crate"], errors);
        let event = Self {
            krate: options.krate(errors),
            ident: input.ident.clone(),
            name: options
                .string("name", errors)
                .unwrap_or_else(|| LitStr::new(&kebab(&input.ident.to_string()), input.ident.span())),
            version: options
                .integer("version", errors)
                .and_then(|version| check::version(&version, errors))
                .unwrap_or(1),
            aliases: options
                .list("aliases", "\"old-name\", ..", errors)
                .map(|(_, aliases)| aliases)
                .unwrap_or_default(),
        };
        options.finish();
        check::event(input, &event, errors).then_some(event)
    }
}
