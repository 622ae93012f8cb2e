//! An event.

use std::path::PathBuf;
use std::rc::Rc;

use syn::{DeriveInput, Ident, LitInt, LitStr, Path};

use super::History;
use super::serde::{SerdeOption, serde_options};
use crate::check;
use crate::errors::Errors;
use crate::lock::{self, Lock};
use crate::options::Options;
use crate::text::kebab;

pub(crate) struct Event {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    /// Where the version is written, if it is.
    pub(crate) version_token: Option<LitInt>,
    pub(crate) aliases: Vec<LitStr>,
    /// What the struct says to serde.
    pub(crate) serde: Vec<SerdeOption>,
    pub(crate) history: History,
    /// What was recorded of it, if the crate has a lock.
    pub(crate) lock: Option<(PathBuf, Rc<Lock>)>,
}

impl Event {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let known = &["name", "version", "aliases", "removed", "previous", "crate"];
        let mut options = Options::parse_repeating(&input.attrs, "event", known, &["removed"], errors);
        let version_token = options.integer("version", errors);
        let version = version_token.as_ref().map_or(Some(1), |token| check::version(token, errors));
        // With a version that is wrong, all of the history would seem to be.
        let history = version.map(|version| History::parse(input, &mut options, version, errors));
        let event = Self {
            krate: options.krate(errors),
            ident: input.ident.clone(),
            name: options
                .string("name", errors)
                .unwrap_or_else(|| LitStr::new(&kebab(&input.ident.to_string()), input.ident.span())),
            version: version.unwrap_or(1),
            version_token,
            aliases: options
                .list("aliases", "\"old-name\", ..", errors)
                .map(|(_, aliases)| aliases)
                .unwrap_or_default(),
            serde: serde_options(&input.attrs),
            history: history?,
            lock: lock::of_this_crate(&input.ident, errors),
        };
        options.finish();
        if !check::event(input, &event, errors) {
            return None;
        }
        if let Some((_, lock)) = &event.lock {
            check::locked(&event, lock, errors);
        }
        Some(event)
    }
}
