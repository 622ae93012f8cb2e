//! A projection, or a reaction: what follows events.

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
    pub(crate) events: Vec<Listed>,
    /// The aggregates whose streams are read; empty for all.
    pub(crate) from: Vec<Listed>,
    /// Whether several workers can share it.
    pub(crate) is_partitioned: bool,
    pub(crate) makes: Makes,
}

/// What comes of the events.
pub(crate) enum Makes {
    View { version: u32, into: Option<Box<Type>>, init: Option<TokenStream> },
    SideEffects,
}

impl Projection {
    pub(crate) fn parse(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let known = &["name", "version", "events", "from", "into", "partition_by", "init", "crate"];
        let mut options = Options::parse(&input.attrs, "projection", known, errors);
        let makes = Makes::View {
            version: options
                .integer("version", errors)
                .and_then(|version| check::version(&version, errors))
                .unwrap_or(1),
            into: options.ty("into", errors).map(Box::new),
            init: options.expression("init", errors),
        };
        Self::of(input, options, makes, errors)
    }

    pub(crate) fn parse_reaction(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let known = &["name", "events", "from", "partition_by", "crate"];
        let options = Options::parse(&input.attrs, "reaction", known, errors);
        Self::of(input, options, Makes::SideEffects, errors)
    }

    fn of(input: &DeriveInput, mut options: Options, makes: Makes, errors: &mut Errors) -> Option<Self> {
        let events = options.list("events", "AccountOpened, ..", errors);
        check::required(input, &options, "events", "events(AccountOpened, ..)", errors);
        let events = check::listed(events, "events", "AccountOpened", errors);
        let projection = Self {
            krate: options.krate(errors),
            ident: input.ident.clone(),
            name: options
                .string("name", errors)
                .unwrap_or_else(|| LitStr::new(&kebab(&input.ident.to_string()), input.ident.span())),
            events,
            from: options.list("from", "BankAccount, ..", errors).map(|(_, list)| list).unwrap_or_default(),
            is_partitioned: check::partition_by(options.ident_as("partition_by", "stream", errors), errors),
            makes,
        };
        options.finish();
        check::projection(input, &projection, errors).then_some(projection)
    }
}
