//! What `events.lock` has to do with generated code: shapes as data, and what only rustc can compare.

use std::path::Path;

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use crate::lock::Lock;
use crate::model::{Aggregate, Event, shape};

/// `fn shapes`: every version that this struct can tell of.
pub(super) fn shapes(event: &Event) -> TokenStream {
    let Event { krate, name, history, .. } = event;
    let previous = history.previous.as_ref().map(|previous| {
        let path = &previous.path;
        quote!(<#path as #krate::Event>::shapes(out);)
    });
    let shapes = (history.first_version()..=event.version).map(|version| {
        let fields = shape(event, version).into_iter().map(|field| {
            let (name, ty, text) = (field.name, field.ty, field.text);
            quote! {
                #krate::FieldShape {
                    name: #name,
                    ty: #text,
                    fingerprint: <#krate::private::Schema<#ty>>::FINGERPRINT,
                }
            }
        });
        let version = Literal::u32_unsuffixed(version);
        quote!(#krate::Shape { event: #name, version: #version, fields: &[#(#fields),*] })
    });
    quote! {
        fn shapes(out: &mut ::std::vec::Vec<#krate::Shape>) {
            #[allow(unused_imports)]
            use #krate::private::NoSchema as _;
            #previous
            out.extend_from_slice(&[#(#shapes),*]);
        }
    }
}

/// The build looks at the file again when it changes.
pub(super) fn tracked(path: &Path) -> TokenStream {
    let path = path.to_string_lossy();
    quote!(
        const _: &[u8] = ::core::include_bytes!(#path);
    )
}

/// Types inside an event whose own shape is recorded: their fingerprints are constants.
pub(super) fn fingerprints(event: &Event, lock: &Lock) -> TokenStream {
    let Event { krate, name, version, .. } = event;
    let (krate_path, shown, next) = (krate, name.value(), version + 1);
    let Some(recorded) = lock.events.get(&shown).and_then(|versions| versions.get(version)) else {
        return TokenStream::new();
    };
    let checked = shape(event, *version).into_iter().filter_map(|field| {
        let recorded = recorded.get(&field.name).filter(|recorded| recorded.fingerprint != 0)?;
        let (ty, fingerprint) = (field.ty, Literal::u64_unsuffixed(recorded.fingerprint));
        let message = format!(
            "`{shown}` version {version} is recorded with `{0}: {1}`, and what is inside of that type, or the type, has \
             changed: give the event version {next}, keep the old type, and write `#[event(changed(since = {next}, from \
             = ..old type.., with = ..))]` here",
            field.name, recorded.text
        );
        Some(quote_spanned! {ty.span()=>
            const _: () = {
                #[allow(unused_imports)]
                use #krate_path::private::NoSchema as _;
                ::core::assert!(<#krate_path::private::Schema<#ty>>::FINGERPRINT == #fingerprint, #message);
            };
        })
    });
    checked.collect()
}

/// What an aggregate has listed once is still listed, or retired, at the recorded version at least; and what it has
/// retired is not listed again. Names and versions of events are constants of theirs.
pub(super) fn listed(model: &Aggregate, lock: &Lock) -> TokenStream {
    let Aggregate { krate, ident, name, event_enum, .. } = model;
    let Some(recorded) = lock.aggregates.get(&name.value()) else { return TokenStream::new() };
    let event_enum = &event_enum.ident;
    let set = quote!(<#event_enum as #krate::EventSet>);
    let events = recorded.events.iter().map(|event| {
        // Under this name; what it is called now may be further.
        let newest = lock.events.get(event).and_then(|versions| versions.keys().max()).copied().unwrap_or(1);
        let missing = format!(
            "`{ident}` is recorded with the event `{event}`, and has none of that name any more: stored ones could not \
             be read; add `retired(\"{event}\")` to read them as nothing, or retire its type and write an `#[upcast]`, or \
             give the event that it is now `aliases(\"{event}\")`"
        );
        let lowered = format!(
            "`{event}` is recorded at version {newest}, and is at a lower one now: stored events of version {newest} \
             could not be read"
        );
        let newest = Literal::u32_unsuffixed(newest);
        quote_spanned! {ident.span()=>
            const _: () = ::core::assert!(
                #krate::private::knows(#set::KINDS, #event) || #krate::private::knows(#set::RETIRED, #event),
                #missing
            );
            const _: () = ::core::assert!(
                #krate::private::is_at_least(#set::KINDS, #event, #newest)
                    && #krate::private::is_at_least(#set::RETIRED, #event, #newest),
                #lowered
            );
        }
    });
    let retired = recorded.retired.iter().map(|event| {
        let message = format!(
            "`{event}` is recorded as retired by `{ident}`: an event of that name can't be listed again, since stored \
             ones would be taken for it"
        );
        quote_spanned! {ident.span()=>
            const _: () = ::core::assert!(!#krate::private::knows(#set::KINDS, #event), #message);
        }
    });
    events.chain(retired).collect()
}
