//! `derive(Projection)` and `derive(Reaction)`.

use proc_macro2::TokenStream;
use syn::{DeriveInput, Ident, LitInt, LitStr, Path, Type};

use super::ListedSyntax;
use crate::attributes::{Given, List, Options};
use crate::errors::Errors;

pub(crate) struct ProjectionSyntax<'i> {
    pub(crate) input: &'i DeriveInput,
    pub(crate) krate: Path,
    pub(crate) name: LitStr,
    pub(crate) events: Given<List<ListedSyntax>>,
    /// The aggregates whose streams are read; empty for all.
    pub(crate) from: Vec<ListedSyntax>,
    /// What stands in `partition_by = ..`.
    pub(crate) partition_by: Option<Ident>,
    pub(crate) product: ProductSyntax,
}

/// What comes of the events.
pub(crate) enum ProductSyntax {
    View { version: Option<LitInt>, into: Option<Box<Type>>, init: Option<TokenStream> },
    SideEffects,
}

impl<'i> ProjectionSyntax<'i> {
    pub(crate) fn parse(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "version", "events", "from", "into", "partition_by", "init", "crate"];
        let mut options = Options::parse(&input.attrs, "projection", known, errors);
        let product = ProductSyntax::View {
            version: options.integer("version", errors),
            into: options.ty("into", errors).map(Box::new),
            init: options.expression("init", errors),
        };
        Self::parse_common(input, options, product, errors)
    }

    pub(crate) fn parse_reaction(input: &'i DeriveInput, errors: &mut Errors) -> Self {
        let known = &["name", "events", "from", "partition_by", "crate"];
        let options = Options::parse(&input.attrs, "reaction", known, errors);
        Self::parse_common(input, options, ProductSyntax::SideEffects, errors)
    }

    fn parse_common(
        input: &'i DeriveInput,
        mut options: Options,
        product: ProductSyntax,
        errors: &mut Errors,
    ) -> Self {
        let events = options.list("events", "AccountOpened, ..", errors);
        let projection = Self {
            input,
            events: options.given("events", events),
            krate: options.krate(errors),
            name: options.stored_name(&input.ident, errors),
            from: options.list("from", "BankAccount, ..", errors).map(|list| list.items).unwrap_or_default(),
            partition_by: options.assigned("partition_by", "stream", errors),
            product,
        };
        options.finish();
        projection
    }
}
