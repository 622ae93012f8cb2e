//! What rustc checks of a follower's lists: the events are those of its aggregates, and no two are taken for one another.

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use super::enums::{distinct_names, shown};
use super::projection::differ;
use crate::rules::Projection;

pub(super) fn checks(model: &Projection<'_>) -> TokenStream {
    let Projection { syntax, events, aggregates, categories, .. } = model;
    let (krate, ident) = (&syntax.krate, &syntax.input.ident);
    let handler = quote!(<#ident as #krate::follow::EventHandler>);
    // Events of one aggregate have names of their own: its derive sees to that.
    let is_one = aggregates.len() == 1 && categories.is_empty();
    let distinct = (!is_one).then(|| {
        let sources = if differ(model) { quote!(#handler::SOURCES) } else { quote!(&[]) };
        let fix = "name their aggregates by type in `from(..)`, which tells them apart, or make two followers of it";
        distinct_names(krate, ident, events, &quote!(#handler::EVENTS), &sources, fix)
    });
    let of_aggregates = (!aggregates.is_empty()).then(|| events_of_aggregates(model));
    let categories = one_of_each_category(model, &quote!(#handler::FROM));
    quote!(#distinct #of_aggregates #categories)
}

/// Asserts that one of the aggregates has each event.
fn events_of_aggregates(model: &Projection<'_>) -> TokenStream {
    let Projection { syntax, events, aggregates, categories, .. } = model;
    let krate = &syntax.krate;
    let names: Vec<_> = aggregates.iter().map(|aggregate| shown(aggregate)).collect();
    let is_closed = categories.is_empty();
    let checks = events.iter().map(|event| {
        let sources = aggregates.iter().zip(&names).map(|(aggregate, name)| {
            let relation = quote!(#krate::macro_support::Relation::<#aggregate, #event>);
            quote! {
                #krate::macro_support::Source {
                    name: #name,
                    aggregate: #relation::AGGREGATE,
                    has: #relation::FACTUM_HAS,
                    retires: #relation::FACTUM_RETIRES,
                    read_as: #relation::FACTUM_READ_AS,
                }
            }
        });
        let (sources, shown) = (quote!(&[#(#sources),*]), shown(event));
        let kind = quote!(&<#event as #krate::macro_support::ListedEvent>::KIND);
        // The caret begins at the parentheses. At `#krate` it would have no place in the source.
        quote_spanned!(event.span()=> (#krate::macro_support::assert_has)(#sources, #shown, #kind, #is_closed);)
    });
    let checks: TokenStream = checks.collect();
    quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #krate::macro_support::Unrelated as _;
            #checks
        };
    }
}

/// Asserts that no two aggregates have one category.
fn one_of_each_category(model: &Projection<'_>, from: &TokenStream) -> Option<TokenStream> {
    let Projection { syntax, aggregates, categories, .. } = model;
    let krate = &syntax.krate;
    if aggregates.len() + categories.len() < 2 {
        return None;
    }
    let shown_types = aggregates.iter().map(|path| (path.span(), shown(path)));
    let shown_names = categories.iter().map(|name| (name.span(), name.value()));
    let checks = shown_types.chain(shown_names).enumerate().skip(1).map(|(index, (span, shown))| {
        let index = Literal::usize_unsuffixed(index);
        let message = format!(
            "`{shown}` in `from(..)` has the category of an aggregate before it: their streams are the same, so list one \
             of them"
        );
        quote_spanned!(span=> (#krate::macro_support::assert_other_category)(#from, #index, #message);)
    });
    let checks: TokenStream = checks.collect();
    Some(quote!(const _: () = { #checks };))
}
