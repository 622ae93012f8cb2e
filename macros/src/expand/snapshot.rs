//! `const SNAPSHOTS`: when a snapshot is due, and of which shape.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Ident, Path};

use super::schema::fingerprint_of_state;
use crate::rules::Snapshot;

pub(super) fn snapshots(krate: &Path, snapshot: &Snapshot<'_>) -> TokenStream {
    let Snapshot { every, older_than, when, version, state, .. } = snapshot;
    let fingerprint = fingerprint_of_state(krate, state, *version);
    let every = option(every.as_ref());
    let older_than = option(older_than.as_ref());
    // Typed by itself: an error about it inside of an `Option` would mention the `Option` as well.
    let when = option(when.as_ref().map(|when| {
        quote!({
            let __when: fn(&Self) -> bool = #when;
            __when
        })
    }));
    quote! {
        const SNAPSHOTS: ::core::option::Option<#krate::Snapshots<Self>> = {
            #[allow(unused_imports)]
            use #krate::macro_support::{NoSnapshotCodec as _, NotEqual as _, NotShown as _};
            let __snapshots = #krate::Snapshots::new(
                #fingerprint,
                #krate::SnapshotPolicy::new(#every, #older_than, #when),
                #krate::macro_support::SnapshotCodec::<Self>::ENCODE,
                #krate::macro_support::SnapshotCodec::<Self>::DECODE,
            );
            ::core::option::Option::Some(__snapshots.compared_by(|__one, __other| {
                #krate::macro_support::SnapshotCodec::<Self>::IS_SAME(__one, __other)
                    && (#krate::macro_support::EqualState::<Self>::IS_EQUAL(__one, __other)
                        // A state with a number that is none is not equal to itself.
                        || !#krate::macro_support::EqualState::<Self>::IS_EQUAL(__one, __one))
                    && #krate::macro_support::ShownState::<Self>::LOOKS_SAME(__one, __other)
            }))
        };
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

/// Asserts that serde can write and read the state, which only rustc knows, with a message of ours.
pub(super) fn is_possible(krate: &Path, ident: &Ident, snapshot: &Snapshot<'_>) -> TokenStream {
    let message = format!(
        "`{ident}` can't be kept as a snapshot: derive `serde::Serialize` and `serde::Deserialize` for it, or take out \
         `snapshot(..)`"
    );
    quote_spanned! {snapshot.key.span()=>
        const _: () = {
            #[allow(unused_imports)]
            use #krate::macro_support::NoSnapshotCodec as _;
            ::core::assert!(#krate::macro_support::SnapshotCodec::<#ident>::IS_POSSIBLE, #message);
        };
    }
}
