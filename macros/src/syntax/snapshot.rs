//! `snapshot(..)` in the attribute of an aggregate.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Ident, LitInt, Path};

use super::serde::serde_options;
use super::{SerdeOption, all_fields};
use crate::attributes::{Given, Options};
use crate::errors::Errors;

const KEYS: &[&str] = &["every", "older_than", "when", "version"];
const EXAMPLE: &str = "every = 100";

pub(crate) struct SnapshotSyntax<'i> {
    /// The key `snapshot`, as it stands in the attribute.
    pub(crate) key: Ident,
    pub(crate) every: Given<LitInt>,
    pub(crate) older_than: Given<TokenStream>,
    pub(crate) when: Given<Path>,
    pub(crate) version: Option<LitInt>,
    /// The state, whose shape makes the fingerprint.
    pub(crate) state: &'i DeriveInput,
    /// The `serde` options of all fields of the state.
    pub(crate) serde_of_fields: Vec<SerdeOption>,
}

impl<'i> SnapshotSyntax<'i> {
    pub(super) fn parse(state: &'i DeriveInput, options: &mut Options, errors: &mut Errors) -> Option<Self> {
        let (key, tokens) = options.tokens("snapshot", EXAMPLE, errors)?;
        if tokens.is_empty() {
            errors.at(&key, format!("write `snapshot({EXAMPLE})`"));
            return None;
        }
        let mut nested = Options::nested("snapshot", KEYS, tokens, errors);
        let every = nested.assigned("every", "100", errors);
        let older_than = nested.expression("older_than", errors);
        let when = nested.path("when", errors);
        let snapshot = Self {
            key,
            every: nested.given("every", every),
            older_than: nested.given("older_than", older_than),
            when: nested.given("when", when),
            version: nested.integer("version", errors),
            state,
            serde_of_fields: all_fields(&state.data)
                .into_iter()
                .flat_map(|field| serde_options(&field.attrs))
                .collect(),
        };
        nested.finish();
        Some(snapshot)
    }
}
