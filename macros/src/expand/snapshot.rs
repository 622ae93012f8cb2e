//! `const SNAPSHOTS`: when a snapshot is due, and of which shape.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Path;

use super::schema::fingerprint;
use crate::model::Snapshot;

pub(super) fn snapshots(krate: &Path, snapshot: &Snapshot) -> TokenStream {
    let Snapshot { key, every, older_than, when, version, state } = snapshot;
    let fingerprint = fingerprint(krate, state, Some(*version));
    let every = option(every.as_ref());
    let older_than = option(older_than.as_ref());
    let when = option(when.as_ref());
    // Whether serde can write and read the state is rustc's to say, at the word that asks for it.
    let make = quote_spanned!(key.span()=> #krate::private::snapshots::<Self>);
    quote! {
        const SNAPSHOTS: ::core::option::Option<#krate::Snapshots<Self>> = ::core::option::Option::Some(#make(
            #fingerprint,
            #krate::SnapshotPolicy { every: #every, older_than: #older_than, when: #when },
        ));
    }
}

fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
