//! What generated enums have in common.

use std::collections::HashMap;

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Ident, Path, Visibility};

use crate::rules::Listed;
use crate::syntax::GeneratedEnum;

/// `AccountOpened(AccountOpened), ..`, the variants of the enum of an aggregate.
pub(super) fn variants(listed: &[Listed<'_>], docs: &HashMap<String, TokenStream>) -> TokenStream {
    let docs = listed.iter().map(|listed| {
        let shown = shown(listed.path);
        let see = format!("See [`{shown}`].");
        match docs.get(&shown).filter(|docs| !docs.is_empty()) {
            Some(docs) => quote!(#docs #[doc = ""] #[doc = #see]),
            None => quote!(#[doc = #see]),
        }
    });
    let paths = listed.iter().map(|listed| listed.path);
    let variants = listed.iter().map(|listed| &listed.variant);
    quote!(#(#docs #variants(#paths),)*)
}

/// `enum BankAccountEvent { .. }`, beside the struct that it is made for.
pub(super) fn definition(
    vis: &Visibility,
    generated: &GeneratedEnum,
    doc: &str,
    variants: &TokenStream,
    allowed: &TokenStream,
) -> TokenStream {
    let GeneratedEnum { ident, derives, serde } = generated;
    let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let serde = serde.as_ref().map(|serde| quote!(#[serde(#serde)]));
    quote! {
        #[doc = #doc]
        #derives
        #serde
        #[allow(clippy::enum_variant_names, clippy::large_enum_variant, deprecated)]
        #allowed
        #vis enum #ident {
            #variants
        }
    }
}

/// A placeholder for an enum whose variants are unknown: an error is a type that fits wherever it is used.
pub(super) fn unknown(
    vis: &Visibility,
    generated: &GeneratedEnum,
    error: Option<&TokenStream>,
) -> TokenStream {
    let ident = &generated.ident;
    quote! {
        #[doc(hidden)]
        #vis type #ident = [(); #error];
    }
}

/// Where the enum's `Debug` comes from: `derived` if the user derives it, `shown` if the runtime's macro writes it.
pub(super) fn debug(generated: &GeneratedEnum) -> Ident {
    let is_debug = |path: &Path| path.segments.last().is_some_and(|last| last.ident == "Debug");
    let by = if generated.derives.iter().any(is_debug) { "derived" } else { "shown" };
    Ident::new(by, Span::mixed_site())
}

/// A path as it is written.
pub(super) fn shown(path: &Path) -> String {
    match path.get_ident() {
        Some(ident) => ident.to_string(),
        None => quote!(#path).to_string().replace(' ', ""),
    }
}

/// Asserts that no two events of a list are stored under one name. The names are constants of the events, in `kinds`, so
/// rustc compares them. `sources` says where each event of a follower comes from.
pub(super) fn distinct_names(
    krate: &Path,
    ident: &Ident,
    events: &[&Path],
    kinds: &TokenStream,
    sources: &TokenStream,
    fix: &str,
) -> TokenStream {
    let checks = events.iter().enumerate().skip(1).map(|(index, path)| {
        let shown = shown(path);
        let index = Literal::usize_unsuffixed(index);
        let message = format!(
            "`{ident}` lists two events that are stored under one name: `{shown}` has the name, or an alias, of an \
             event listed before it; {fix}"
        );
        // The caret begins at the parentheses. At `#krate` it would have no place in the source.
        quote_spanned!(path.span()=> #index => (#krate::macro_support::report_repeated)(#message),)
    });
    let checks: TokenStream = checks.collect();
    // One constant with one `match` for all: rustc takes longer for a further constant, or a further call, than for its content.
    quote! {
        const _: () = match #krate::macro_support::repeated_name(#kinds, #sources) {
            #checks
            _ => {}
        };
    }
}
