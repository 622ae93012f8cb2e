//! What a projection or a reaction must be like.

use proc_macro2::TokenStream;
use syn::{Ident, Type};

use super::items;
use super::list::{self, Listed};
use crate::errors::Errors;
use crate::syntax::{ProductSyntax, ProjectionSyntax};

pub(crate) struct Projection<'s> {
    pub(crate) syntax: &'s ProjectionSyntax<'s>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) events: Vec<Listed<'s>>,
    /// Whether several workers can share it.
    pub(crate) is_partitioned: bool,
    pub(crate) product: Product<'s>,
}

/// What comes of the events.
pub(crate) enum Product<'s> {
    View { version: u32, into: Option<&'s Type>, init: Option<&'s TokenStream> },
    SideEffects,
}

pub(crate) fn projection<'s>(
    syntax: &'s ProjectionSyntax<'s>,
    errors: &mut Errors,
) -> Option<Projection<'s>> {
    let (attribute, product) = match &syntax.product {
        ProductSyntax::View { version, into, init } => {
            let version = items::version(version.as_ref(), errors).unwrap_or(1);
            ("projection", Product::View { version, into: into.as_deref(), init: init.as_ref() })
        }
        ProductSyntax::SideEffects => ("reaction", Product::SideEffects),
    };
    list::required(syntax.input, attribute, &syntax.events, "events(AccountOpened, ..)", errors);
    let events = list::listed(&syntax.events, "AccountOpened", errors);
    let is_partitioned = is_partitioned(syntax.partition_by.as_ref(), errors);
    items::name(&syntax.name, errors);
    items::no_generics(syntax.input, attribute, errors).then_some(Projection {
        syntax,
        events,
        is_partitioned,
        product,
    })
}

/// Whether several workers can share the work. There is one way to divide it.
fn is_partitioned(by: Option<&Ident>, errors: &mut Errors) -> bool {
    let Some(by) = by else { return false };
    if by != "stream" {
        errors
            .at(by, "events are kept in order by stream, and by nothing else: write `partition_by = stream`");
    }
    true
}
