//! A projection.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Ident, LitStr, Path, Type};

use super::Listed;
use crate::check;
use crate::errors::Errors;
use crate::options::Options;
use crate::text::kebab;

pub(crate) struct Projection {
    pub(crate) krate: Path,
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) version: u32,
    pub(crate) events: Vec<Listed>,
    /// The aggregates whose streams are read; empty for all.
    pub(crate) from: Vec<Listed>,
    pub(crate) into: Option<Type>,
    pub(crate) init: Option<TokenStream>,
}

impl Projection {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let known = &["name", "version", "events", "from", "into", "init", "crate"];
        let mut options = Options::parse(&input.attrs, "projection", known, errors);
        let events = options.list("events", "AccountOpened, ..", errors);
        check::required(input, &options, "events", "events(AccountOpened, ..)", errors);
        let listed = check::listed(events.as_ref(), "events", "AccountOpened", errors);
        let projection = Self {
            krate: options.krate(errors),
            ident: input.ident.clone(),
            name: options
                .string("name", errors)
                .unwrap_or_else(|| LitStr::new(&kebab(&input.ident.to_string()), input.ident.span())),
            version: options
                .integer("version", errors)
                .and_then(|version| check::version(&version, errors))
                .unwrap_or(1),
            events: events.map(|(_, list)| list).unwrap_or_default(),
            from: options.list("from", "BankAccount, ..", errors).map(|(_, list)| list).unwrap_or_default(),
            into: options.ty("into", errors),
            init: options.expression("init", errors),
        };
        options.finish();
        (check::projection(input, &projection, errors) & listed).then_some(projection)
    }
}
