//! `impl Upcast<E>` for an `#[upcast]` function.

use proc_macro2::TokenStream;
use syn::{Ident, Path, Type};

use super::handled;
use super::output::{inferred_at, is_opaque, result_parts};
use crate::rules::Handler;
use crate::syntax::{MethodSyntax, type_text};

pub(super) fn upcast(krate: &Path, self_ty: &Ident, handler: &Handler<'_>) -> TokenStream {
    let MethodSyntax { cfgs, name, output, .. } = handler.method;
    let event = handled(krate, handler);
    let call = quote!(Self::#name(__event));
    let body = match output {
        _ if !handler.is_valid => quote!(::core::unreachable!()),
        Some(Type::Never(_)) => call,
        Some(output) if let Some(parts) = result_parts(output) => match parts {
            (Some(events), Some(error)) => {
                quote!(#krate::macro_support::upcast_fallible::<Self, #events, #error>(#call))
            }
            (events, _) => {
                let (events, error) = (inferred_at(events.unwrap_or(output)), inferred_at(output));
                quote!(#krate::macro_support::upcast_fallible::<Self, #events, #error>(#call))
            }
        },
        Some(output) if !is_opaque(output) => {
            quote!(::core::result::Result::Ok(#krate::macro_support::upcast::<Self, #output>(#call)))
        }
        _ => quote!(::core::result::Result::Ok(#krate::macro_support::upcast::<Self, _>(#call))),
    };
    let read_as = output.as_ref().map(|output| {
        let events = result_parts(output).and_then(|(events, _)| events).unwrap_or(output);
        let read_as = format!("`{}`", type_text(events).replace(',', ", "));
        quote!(const READ_AS: &'static str = #read_as;)
    });
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Upcast<#event> for #self_ty {
            #read_as

            #[inline]
            fn upcast(
                __event: #event,
            ) -> ::core::result::Result<
                ::std::vec::Vec<<Self as #krate::Aggregate>::Event>,
                #krate::BoxError,
            > {
                #body
            }
        }
    }
}
