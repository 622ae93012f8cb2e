//! What the two generated enums have in common: the enum itself, and the conversions from and to its structs.

use proc_macro2::{Literal, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;
use syn::{Ident, Path, Visibility};

use crate::model::{GeneratedEnum, Listed};

/// `enum BankAccountEvent { AccountOpened(AccountOpened), .. }`, at the place of the aggregate.
pub(super) fn definition(
    vis: &Visibility,
    aggregate: &Ident,
    generated: &GeneratedEnum,
    listed: &[Listed],
    what: &str,
) -> TokenStream {
    let GeneratedEnum { ident, derives, serde } = generated;
    let doc = format!("The {what} of [`{aggregate}`].");
    let has_debug = derives.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == "Debug"));
    let debug = (!has_debug).then(|| quote!(#[derive(::core::fmt::Debug)]));
    let derives = (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]));
    let serde = serde.as_ref().map(|serde| quote!(#[serde(#serde)]));
    let variants = listed.iter().map(|Listed { path, variant }| {
        let shown = quote!(#path).to_string().replace(' ', "");
        let doc = format!("See [`{shown}`].");
        quote!(#[doc = #doc] #variant(#path))
    });
    quote! {
        #[doc = #doc]
        #debug
        #derives
        #serde
        #[allow(clippy::large_enum_variant)]
        #vis enum #ident {
            #(#variants,)*
        }
    }
}

/// `From` each struct, and `TryFrom` back; what is another variant comes back whole.
pub(super) fn conversions(generated: &GeneratedEnum, listed: &[Listed]) -> TokenStream {
    let ident = &generated.ident;
    let others = (listed.len() > 1).then(|| quote!(other => ::core::result::Result::Err(other),));
    listed
        .iter()
        .map(|Listed { path, variant }| {
            quote! {
                #[automatically_derived]
                impl ::core::convert::From<#path> for #ident {
                    fn from(value: #path) -> Self {
                        Self::#variant(value)
                    }
                }

                #[automatically_derived]
                impl ::core::convert::TryFrom<#ident> for #path {
                    type Error = #ident;

                    fn try_from(value: #ident) -> ::core::result::Result<Self, #ident> {
                        match value {
                            #ident::#variant(value) => ::core::result::Result::Ok(value),
                            #others
                        }
                    }
                }
            }
        })
        .collect()
}

/// No two events of a list are stored under one name. The names are constants of the events, in `kinds`, so rustc
/// compares them.
pub(super) fn distinct_names(
    krate: &Path,
    ident: &Ident,
    events: &[Listed],
    kinds: &TokenStream,
    mend: &str,
) -> TokenStream {
    let checks = events.iter().enumerate().skip(1).map(|(index, Listed { path, .. })| {
        let shown = quote!(#path).to_string().replace(' ', "");
        let index = Literal::usize_unsuffixed(index);
        let message = format!(
            "`{ident}` lists two events that are stored under one name: `{shown}` has the name, or an alias, of an \
             event listed before it; {mend}"
        );
        quote_spanned! {path.span()=>
            const _: () = ::core::assert!(#krate::private::is_new(#kinds, #index), #message);
        }
    });
    checks.collect()
}
