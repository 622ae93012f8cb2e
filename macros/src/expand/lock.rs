//! Shapes as constants, and the assertions against `events.lock` that only rustc can evaluate.

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Path, Type};

use super::structure;
use super::upcast::outside_impl;
use crate::lock::{Lock, LockedType};
use crate::rules::{Aggregate, Event, ShapeField};
use crate::syntax::{AggregateSyntax, Retired, type_parts};

/// `const EVENT`: the name, and every version that the struct reads by itself, with its fields.
pub(super) fn shapes(event: &Event<'_>) -> TokenStream {
    let (krate, name) = (&event.syntax.krate, &event.syntax.name);
    let previous = event.history.previous.as_ref().map(|previous| {
        let path = previous.path;
        quote! {
            const PREVIOUS: ::core::option::Option<fn(&mut ::std::vec::Vec<#krate::Shape>)> =
                ::core::option::Option::Some(<#path as #krate::Event>::shapes);
        }
    });
    // The types of fields that may have fingerprints, each once: a field names its own by number.
    let mut typed: Vec<(String, &Type)> = Vec::new();
    let names = event.versions.values().flat_map(|version| &version.shape).map(|field| &field.name);
    let names: String = names.map(String::as_str).collect();
    let end = ['\n', '\u{1}', '\u{2}', '\u{3}'].into_iter().find(|end| !names.contains(*end)).unwrap_or('\n');
    let mut lines = Vec::new();
    for (number, version) in &event.versions {
        lines.push(number.to_string());
        lines.extend(version.shape.iter().map(|field| match number_of(field.ty, &mut typed) {
            0 => format!("{}: {}", field.name, field.text),
            typed => format!("{}: {typed} {}", field.name, field.text),
        }));
    }
    let text = lines.join(&end.to_string());
    let parts = (!typed.is_empty()).then(|| structure::parts_of_each(krate, &typed));
    quote! {
        const EVENT: #krate::macro_support::ConstEvent = (#name, ::core::option_env!("CARGO_MANIFEST_DIR"), #text);
        #parts
        #previous
    }
}

/// The number of a field's type in a list of types, from 1; 0 if it is one of Rust's own.
fn number_of<'t>(ty: &'t Type, typed: &mut Vec<(String, &'t Type)>) -> usize {
    if parts_with_fingerprints(ty).is_empty() {
        return 0;
    }
    let tokens = quote!(#ty).to_string();
    let known = typed.iter().position(|(known, _)| *known == tokens);
    let index = known.unwrap_or_else(|| {
        typed.push((tokens, ty));
        typed.len() - 1
    });
    index + 1
}

/// The fingerprint of a type as it is written; `NoFingerprint` must be in scope.
pub(super) fn fingerprint_of(krate: &Path, ty: &Type) -> TokenStream {
    fingerprint_of_parts(krate, &parts_with_fingerprints(ty))
}

/// The fingerprint of a type that is written with these types.
pub(super) fn fingerprint_of_parts(krate: &Path, parts: &[&Type]) -> TokenStream {
    quote!(#krate::macro_support::fingerprint_of(&[#(<#krate::macro_support::HasFingerprint<#parts>>::FINGERPRINT),*]))
}

/// The types that a type is written with, each of which may have a fingerprint; none, if all are Rust's own. Names decide,
/// as they do in the lock, which does not tell a user's own `String` from Rust's.
pub(super) fn parts_with_fingerprints(ty: &Type) -> Vec<&Type> {
    let parts = type_parts(ty);
    if parts.iter().all(|part| is_built_in(part)) { Vec::new() } else { parts }
}

fn is_built_in(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let [only] = &path.path.segments.iter().collect::<Vec<_>>()[..] else { return false };
    // Comparing with an identifier makes a text of it each time.
    path.qself.is_none() && BUILT_IN.contains(&only.ident.to_string().as_str())
}

const BUILT_IN: [&str; 20] = [
    "String", "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "u128", "usize", "Box", "Option", "Vec",
];

/// Makes cargo build the crate again when the file changes.
pub(super) fn tracked(path: &std::path::Path) -> TokenStream {
    let path = path.to_string_lossy();
    quote!(
        const _: &[u8] = ::core::include_bytes!(#path);
    )
}

/// Asserts the recorded fingerprints of types inside an event, at every version. Fingerprints are constants.
pub(super) fn fingerprints(event: &Event<'_>, lock: &Lock) -> TokenStream {
    let mut fingerprints = TokenStream::new();
    for (number, recorded) in event.names().filter_map(|name| lock.events.get(&name)).flatten() {
        for field in event.versions.get(number).into_iter().flat_map(|version| &version.shape) {
            let recorded = recorded.get(&field.name).filter(|recorded| recorded.fingerprint != 0);
            fingerprints.extend(recorded.map(|recorded| fingerprint(event, *number, field, recorded)));
        }
    }
    fingerprints
}

fn fingerprint(
    event: &Event<'_>,
    version: u32,
    field: &ShapeField<'_>,
    recorded: &LockedType,
) -> TokenStream {
    let (krate, ty, next) = (&event.syntax.krate, field.ty, event.next_version());
    let now = outside_impl(&fingerprint_of(krate, ty), &event.syntax.input.ident);
    let fingerprint = Literal::u64_unsuffixed(recorded.fingerprint);
    let message = format!(
        "`{}` version {version} is recorded with `{1}: {2}`, and what is inside of that type, or the type, has changed: \
         keep the old type as it was, and, if `{1}` is of the new one now, give the event version {next} and write \
         `#[event(changed(since = {next}, from = ..old type.., with = ..))]` here",
        event.syntax.name.value(),
        field.name,
        recorded.text
    );
    quote_spanned! {ty.span()=>
        const _: () = {
            #[allow(unused_imports)]
            use #krate::macro_support::NoFingerprint as _;
            ::core::assert!(#now == #fingerprint, #message);
        };
    }
}

/// `const LOWERED`: what is wrong if a later version is recorded than the struct has. An aggregate that lists the struct
/// reports it; a previous struct is right.
pub(super) fn lowered(event: &Event<'_>, lock: &Lock) -> Option<TokenStream> {
    let recorded = event.names().filter_map(|name| lock.events.get(&name)?.keys().max().copied());
    let newest = recorded.max().filter(|newest| *newest > event.version)?;
    let message = format!(
        "`{}` is recorded at version {newest}, and is at a lower one now: stored events of version {newest} could not be \
         read",
        event.syntax.name.value()
    );
    Some(quote! {
        const LOWERED: ::core::option::Option<&'static str> = ::core::option::Option::Some(#message);
    })
}

/// Asserts that each recorded event of an aggregate is still listed or retired, that no retired one is listed again, and
/// that each has its recorded version at least. Names and versions are constants of the events.
pub(super) fn listed(model: &Aggregate<'_>, lock: &Lock) -> TokenStream {
    let AggregateSyntax { input, krate, name, event_enum, .. } = model.syntax;
    let (ident, name) = (&input.ident, name.value());
    let retired_types = model.retired.iter().filter_map(|retired| match retired {
        Retired::Type(path) => Some(path),
        Retired::Name(_) => None,
    });
    // The events may be those of another crate, whose lock only their derives see.
    let lowered = model.events.iter().map(|listed| listed.path).chain(retired_types).map(|path| {
        // The caret begins at the parentheses. At `#krate` it would have no place in the source.
        quote_spanned!(path.span()=>
            (#krate::macro_support::assert_not_lowered)(<#path as #krate::macro_support::ListedEvent>::LOWERED);
        )
    });
    let lowered: TokenStream = lowered.collect();
    let lowered = quote!(const _: () = { #lowered };);
    let Some(recorded) = lock.aggregates.get(&name) else { return lowered };
    let event_enum = &event_enum.ident;
    let set = quote!(<#event_enum as #krate::EventSet>);
    let events = recorded.events.iter().map(|event| {
        let missing = format!(
            "`{ident}` is recorded with the event `{event}`, and has none of that name any more. If another aggregate of \
             this crate is called `{name}` too, give one of them another `name`. Otherwise, stored ones could not be read: \
             add `retired(\"{event}\")` to read them as nothing, or retire its type and write an `#[upcast]`, or give the \
             event that it is now `aliases(\"{event}\")`"
        );
        quote_spanned! {ident.span()=>
            const _: () = ::core::assert!(
                #krate::macro_support::knows_name(#set::KINDS, #event) || #krate::macro_support::knows_name(#set::RETIRED, #event),
                #missing
            );
        }
    });
    let retired = recorded.retired.iter().map(|event| {
        let message = format!(
            "`{event}` is recorded as retired by `{ident}`: an event of that name can't be listed again, since stored \
             ones would be taken for it"
        );
        quote_spanned! {ident.span()=>
            const _: () = ::core::assert!(!#krate::macro_support::knows_name(#set::KINDS, #event), #message);
        }
    });
    events.chain(retired).chain([lowered]).collect()
}
