//! `impl Upcast<E>` for an `#[upcast]` function.

use proc_macro2::TokenStream;
use syn::{Path, Type};

use super::output::{is_opaque, result_parts};
use crate::rules::Handler;
use crate::syntax::MethodSyntax;

pub(super) fn upcast(krate: &Path, self_ty: &Type, handler: &Handler<'_>) -> TokenStream {
    let MethodSyntax { cfgs, name, output, .. } = handler.method;
    let event = handler.method.handled();
    let call = quote!(Self::#name(event));
    let body = match output {
        _ if !handler.is_valid => quote!(::core::unreachable!()),
        Some(output) if result_parts(output).is_some() => {
            quote!(#krate::macro_support::upcast_fallible::<Self, _, _>(#call))
        }
        Some(output) if !is_opaque(output) => {
            quote!(::core::result::Result::Ok(#krate::macro_support::upcast::<Self, #output>(#call)))
        }
        _ => quote!(::core::result::Result::Ok(#krate::macro_support::upcast::<Self, _>(#call))),
    };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Upcast<#event> for #self_ty {
            #[inline]
            fn upcast(
                event: #event,
            ) -> ::core::result::Result<
                ::std::vec::Vec<<Self as #krate::Aggregate>::Event>,
                #krate::BoxError,
            > {
                #body
            }
        }
    }
}
