//! `derive(Projection)`, `derive(Reaction)` and `derive(Process)`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::{Parse, ParseStream};
use syn::{DeriveInput, Ident, LitInt, LitStr, Path, Type};

use super::{ListedSyntax, ProcessSyntax, SentSyntax};
use crate::attributes::{Given, Keys, List, Options, TypePath};
use crate::errors::Errors;

pub(crate) struct ProjectionSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) events: Given<List<ListedSyntax>>,
    /// The aggregates whose streams are read.
    pub(crate) from: Given<List<SourceSyntax>>,
    /// The attribute's name, as it stands; the struct's, if there is no attribute.
    pub(crate) attribute: Ident,
    /// What stands in `partition_by = ..`.
    pub(crate) partition_by: Option<Ident>,
    pub(crate) product: ProductSyntax,
}

/// An aggregate in `from(..)`.
pub(crate) enum SourceSyntax {
    Type(Path),
    /// Its category, as text, where its type can't be named.
    Name(LitStr),
}

/// What comes of the events.
pub(crate) enum ProductSyntax {
    View {
        version: Option<LitInt>,
        into: Box<Given<Type>>,
        init: Option<TokenStream>,
    },
    /// The commands that a reaction gives.
    SideEffects {
        commands: Given<List<SentSyntax>>,
    },
    Commands(Box<ProcessSyntax>),
}

impl<'i> ProjectionSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "version", "events", "from", "into", "partition_by", "init", "crate"];
        let mut options = Options::parse(&input.attrs, "projection", keys(known), errors);
        let version = options.integer("version", errors);
        let earlier = errors.count();
        // What is written with a mistake may be any target, so that nothing else is wrong with it.
        let into = options.ty("into", errors).filter(|_| errors.count() == earlier);
        let product = ProductSyntax::View {
            version,
            into: Box::new(options.given("into", into)),
            init: options.expression("init", errors),
        };
        Self::parse_common(input, "projection", options, product, errors)
    }

    pub(crate) fn parse_reaction(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "events", "from", "commands", "partition_by", "crate"];
        let mut options = Options::parse(&input.attrs, "reaction", keys(known), errors);
        let commands = options.list("commands", "ShipOrder, ..", errors);
        let product = ProductSyntax::SideEffects { commands: options.given("commands", commands) };
        Self::parse_common(input, "reaction", options, product, errors)
    }

    pub(crate) fn parse_process(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "id", "starts", "events", "from", "commands", "timeouts", "crate"];
        let mut options = Options::parse(&input.attrs, "process", keys(known), errors);
        let process = ProcessSyntax::parse(&mut options, errors);
        Self::parse_common(input, "process", options, ProductSyntax::Commands(Box::new(process)), errors)
    }

    fn parse_common(
        input: &'i DeriveInput,
        attribute: &str,
        mut options: Options,
        product: ProductSyntax,
        errors: &mut Errors,
    ) -> Self {
        let has_own_keys = matches!(product, ProductSyntax::Commands(_));
        let events = (!has_own_keys).then(|| options.list("events", "AccountOpened, ..", errors)).flatten();
        let from = options.list("from", "BankAccount, ..", errors);
        let mut attributes = input.attrs.iter().filter_map(|attribute| attribute.path().get_ident());
        let projection = Self {
            input,
            attribute: attributes.find(|name| *name == attribute).unwrap_or(&input.ident).clone(),
            events: options.given("events", events),
            krate: options.krate(errors),
            name: options.stored_name(&input.ident, errors),
            from: options.given("from", from),
            partition_by: (!has_own_keys)
                .then(|| options.assigned("partition_by", "stream", errors))
                .flatten(),
            product,
        };
        options.finish();
        projection
    }
}

/// The keys of a follower. Others say how it runs in an application.
const fn keys(known: &'static [&'static str]) -> Keys {
    Keys { known, repeating: &[], elsewhere: &[(OF_FIELD, "on the field of the application that runs it")] }
}

const OF_FIELD: &[&str] =
    &["inline", "workers", "senders", "retry", "delay", "dead_letters", "sequenced", "store"];

impl SourceSyntax {
    pub(crate) fn aggregate(&self) -> Option<&Path> {
        match self {
            Self::Type(path) => Some(path),
            Self::Name(_) => None,
        }
    }

    pub(crate) fn category(&self) -> Option<&LitStr> {
        match self {
            Self::Name(name) => Some(name),
            Self::Type(_) => None,
        }
    }
}

impl Parse for SourceSyntax {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            input.parse().map(Self::Name)
        } else {
            input.parse().map(|TypePath(path)| Self::Type(path))
        }
    }
}

impl ToTokens for SourceSyntax {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Type(path) => path.to_tokens(tokens),
            Self::Name(name) => name.to_tokens(tokens),
        }
    }
}
