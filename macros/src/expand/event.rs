//! `impl DerivedEvent` for a struct, from which `Event` follows.

use proc_macro2::{Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use super::{allowing, lock, structure, upcast};
use crate::rules::Event;
use crate::syntax::{EventSyntax, allowed_lints};

pub(crate) fn event(event: &Event<'_>) -> TokenStream {
    let Event { syntax, version, history, .. } = event;
    let EventSyntax { input, krate, aliases, .. } = syntax;
    let ident = &input.ident;
    let current = (*version != 1).then(|| {
        let current = Literal::u32_unsuffixed(*version);
        quote!(const VERSION: u32 = #current;)
    });
    let aliases = (!aliases.is_empty()).then(|| {
        quote! {
            const ALIASES: &'static [&'static str] = &[#(#aliases),*];
        }
    });
    let previous = history.previous.as_ref().map(|previous| {
        let path = previous.path;
        let before = Literal::u32_unsuffixed(previous.since - 1);
        // rustc reports at the path that there is no conversion.
        let span = path.span().resolved_at(Span::mixed_site());
        let decoded = quote_spanned! {span=>
            (#krate::macro_support::decode_previous::<Self, #path>)(__version, __payload)
        };
        // No previous struct has version 0: the pattern then matches nothing, which is an error at run time.
        quote!(1..=#before => #decoded,)
    });
    let old_versions = event.versions.iter().rev().skip(1);
    let mut older = old_versions.map(|(&number, version)| upcast::arm(event, number, version)).peekable();
    let older = (previous.is_some() || older.peek().is_some()).then(|| {
        quote! {
            fn read_older(__version: u32, __payload: &str) -> #krate::macro_support::Decoding<Self> {
                match __version {
                    #(#older)*
                    #previous
                    _ => #krate::macro_support::unreadable(__version),
                }
            }
        }
    });
    let previous_fits = previous_fits(event);
    let shapes = lock::shapes(event);
    let structure = structure::of_event(event);
    let locked = event.lock.as_ref().map(|file| {
        let (tracked, fingerprints) = (lock::tracked(&file.path), lock::fingerprints(event, &file.lock));
        quote!(#tracked #fingerprints)
    });
    let lowered = event.lock.as_ref().and_then(|file| lock::lowered(event, &file.lock));
    // No code reads these fields. rustc still checks that their types exist.
    let removed = history.removed.iter().map(|removed| {
        let ty = upcast::outside_impl(removed.ty, ident);
        quote!(const _: ::core::marker::PhantomData<#ty> = ::core::marker::PhantomData;)
    });
    let made = quote! {
        #[automatically_derived]
        impl #krate::macro_support::DerivedEvent for #ident {
            #shapes
            #current
            #aliases
            #structure
            #lowered
            #older
        }

        #previous_fits
        #locked
        #(#removed)*
    };
    // A struct that is another's past may be deprecated.
    let of_the_past = history.previous.as_ref().map(|_| quote!(#[allow(deprecated)]));
    let allowed = allowed_lints(&input.attrs);
    allowing(&quote!(#of_the_past #allowed), made)
}

/// A time-out is stored as an event is.
pub(crate) fn timeout(timeout: &Event<'_>) -> TokenStream {
    let EventSyntax { input, krate, .. } = timeout.syntax;
    let (event, ident) = (event(timeout), &input.ident);
    quote! {
        #event

        #[automatically_derived]
        impl #krate::follow::Timeout for #ident {}
    }
}

/// Asserts that the previous struct is this event, one version below. Both are constants of it, so rustc compares.
fn previous_fits(event: &Event<'_>) -> Option<TokenStream> {
    let (krate, ident) = (&event.syntax.krate, &event.syntax.input.ident);
    let previous = event.history.previous.as_ref()?;
    let path = previous.path;
    let shown = quote!(#path).to_string().replace(' ', "");
    let before = previous.since - 1;
    let version_message = format!(
        "the previous struct of `{ident}` is the event one version below: `{shown}` should have `version = {before}`"
    );
    let name_message =
        format!("the previous struct of `{ident}` is the same event: `{shown}` should have the same `name`");
    let before = Literal::u32_unsuffixed(before);
    Some(quote_spanned! {path.span()=>
        const _: () = {
            ::core::assert!(<#path as #krate::Event>::VERSION == #before, #version_message);
            ::core::assert!(
                #krate::macro_support::same_name(<#path as #krate::Event>::NAME, <#ident as #krate::Event>::NAME),
                #name_message
            );
        };
    })
}
