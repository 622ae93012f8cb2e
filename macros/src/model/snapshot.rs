//! When and how the state of an aggregate is kept as a snapshot.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Ident, LitInt, Path};

use crate::check;
use crate::errors::Errors;
use crate::options::Options;

const KEYS: &[&str] = &["every", "older_than", "when", "version"];

pub(crate) struct Snapshot {
    /// The key `snapshot`, as it stands in the attribute.
    pub(crate) key: Ident,
    pub(crate) every: Option<LitInt>,
    pub(crate) older_than: Option<TokenStream>,
    pub(crate) when: Option<Path>,
    pub(crate) version: u32,
    /// The state, whose shape makes the fingerprint.
    pub(crate) state: DeriveInput,
}

impl Snapshot {
    pub(super) fn parse(input: &DeriveInput, options: &mut Options, errors: &mut Errors) -> Option<Self> {
        let (key, mut nested) = options.options_as("snapshot", KEYS, "every = 100", errors)?;
        let every = nested.count("every", errors);
        let older_than = nested.expression("older_than", errors);
        let when = nested.path("when", errors);
        let version = nested.integer("version", errors);
        let version = version.map_or(Some(1), |version| check::version(&version, errors));
        check::snapshot(&key, &nested, every.as_ref(), errors);
        check::keeps_all(input, errors);
        nested.finish();
        Some(Self { key, every, older_than, when, version: version?, state: input.clone() })
    }
}
