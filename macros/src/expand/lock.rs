//! What `events.lock` has to do with generated code: shapes as data, and what only rustc can compare.

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Path, Type};

use crate::lock::{Lock, LockedType};
use crate::model::{Aggregate, Event, ShapeField, shape, type_parts};

/// `fn shapes`: every version that this struct can tell of.
pub(super) fn shapes(event: &Event) -> TokenStream {
    let Event { krate, name, history, .. } = event;
    let previous = history.previous.as_ref().map(|previous| {
        let path = &previous.path;
        quote!(<#path as #krate::Event>::shapes(out);)
    });
    let shapes = (history.first_version()..=event.version).map(|version| {
        let fields = shape(event, version).into_iter().map(|field| {
            let (name, text, fingerprint) = (field.name, field.text, fingerprint_of(krate, field.ty));
            quote! {
                #krate::FieldShape {
                    name: #name,
                    ty: #text,
                    fingerprint: #fingerprint,
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
            const SHAPES: &[#krate::Shape] = &[#(#shapes),*];
            out.extend_from_slice(SHAPES);
        }
    }
}

/// The fingerprint of a type as it is written; `NoSchema` must be in scope.
pub(super) fn fingerprint_of(krate: &Path, ty: &Type) -> TokenStream {
    let parts = type_parts(ty);
    quote!(#krate::private::fingerprint_of(&[#(<#krate::private::Schema<#parts>>::FINGERPRINT),*]))
}

/// The build looks at the file again when it changes.
pub(super) fn tracked(path: &std::path::Path) -> TokenStream {
    let path = path.to_string_lossy();
    quote!(
        const _: &[u8] = ::core::include_bytes!(#path);
    )
}

/// Types inside an event whose own shape is recorded, at whichever version: their fingerprints are constants.
pub(super) fn fingerprints(event: &Event, lock: &Lock) -> TokenStream {
    let names = std::iter::once(&event.name).chain(&event.aliases);
    let recorded = names.filter_map(|name| lock.events.get(&name.value())).flatten();
    let ours = event.history.first_version()..=event.version;
    recorded
        .filter(|(version, _)| ours.contains(version))
        .flat_map(|(&version, recorded)| {
            shape(event, version).into_iter().filter_map(move |field| {
                let recorded = recorded.get(&field.name).filter(|recorded| recorded.fingerprint != 0)?;
                Some(fingerprint(event, version, &field, recorded))
            })
        })
        .collect()
}

fn fingerprint(event: &Event, version: u32, field: &ShapeField<'_>, recorded: &LockedType) -> TokenStream {
    let (krate, ty, next) = (&event.krate, field.ty, event.version + 1);
    let now = fingerprint_of(krate, ty);
    let fingerprint = Literal::u64_unsuffixed(recorded.fingerprint);
    let message = format!(
        "`{}` version {version} is recorded with `{1}: {2}`, and what is inside of that type, or the type, has changed: \
         keep the old type as it was, and, if `{1}` is of the new one now, give the event version {next} and write \
         `#[event(changed(since = {next}, from = ..old type.., with = ..))]` here",
        event.name.value(),
        field.name,
        recorded.text
    );
    quote_spanned! {ty.span()=>
        const _: () = {
            #[allow(unused_imports)]
            use #krate::private::NoSchema as _;
            ::core::assert!(#now == #fingerprint, #message);
        };
    }
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
