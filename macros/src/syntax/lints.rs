//! The lints that an item allows: what is generated for it allows them too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Meta};

/// `#[allow(..)]` for each lint that the attributes allow, or expect: a deprecated item may name itself.
pub(crate) fn allowed_lints<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> TokenStream {
    let mut allowed = TokenStream::new();
    for attribute in attributes {
        let path = attribute.path();
        if path.is_ident("deprecated") {
            allowed.extend(quote!(#[allow(deprecated)]));
        } else if (path.is_ident("allow") || path.is_ident("expect"))
            && let Meta::List(list) = &attribute.meta
        {
            let lints = &list.tokens;
            allowed.extend(quote!(#[allow(#lints)]));
        }
    }
    allowed
}
