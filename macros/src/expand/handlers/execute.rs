//! `impl Execute<C>` for an `#[execute]` method.

use proc_macro2::TokenStream;
use syn::{Path, Type};

use super::named_at;
use super::output::{is_opaque, result_parts};
use crate::rules::Handler;
use crate::syntax::MethodSyntax;

pub(super) fn execute(krate: &Path, self_ty: &Type, handler: &Handler<'_>) -> TokenStream {
    let MethodSyntax { cfgs, name, arguments, output, .. } = handler.method;
    let command = handler.method.handled();
    let (services, pass_services) = match arguments.get(1) {
        None => (quote!(_), None),
        Some(argument) => {
            let passed = named_at(argument, "__services");
            (quote!(__services), Some(quote!(, #passed)))
        }
    };
    let call = quote!(Self::#name(self, __command #pass_services));
    let body = if handler.is_valid {
        decided(krate, output.as_ref(), &call)
    } else {
        quote!(::core::unreachable!())
    };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Execute<#command> for #self_ty {
            #[inline]
            fn execute(
                &self,
                __command: #command,
                #services: &#krate::macro_support::Services<Self>,
            ) -> #krate::macro_support::Execution<Self> {
                #body
            }
        }
    }
}

/// The handler's return value as that of `execute`. Its types are repeated here, so that an error about them has its caret
/// where the user wrote them.
fn decided(krate: &Path, output: Option<&Type>, call: &TokenStream) -> TokenStream {
    let Some(output) = output else {
        return quote! {
            #call;
            ::core::result::Result::Ok(::std::vec::Vec::new())
        };
    };
    if let Type::Never(_) = output {
        return call.clone();
    }
    if is_opaque(output) {
        return quote!(#krate::macro_support::decide::<Self, _, _>(#call));
    }
    match result_parts(output) {
        Some((Some(events), Some(error))) => {
            quote!(#krate::macro_support::decide_fallible::<Self, #events, #error>(#call))
        }
        Some(_) => quote!(#krate::macro_support::decide_fallible::<Self, _, _>(#call)),
        None if is_plain(output) => quote!(#krate::macro_support::decide_infallible::<Self, #output>(#call)),
        None => quote!(#krate::macro_support::decide::<Self, #output, _>(#call)),
    }
}

/// A type that is certainly not a `Result` by another name.
fn is_plain(output: &Type) -> bool {
    match output {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| ["Option", "Vec", "Events"].iter().any(|plain| last.ident == plain)),
        Type::Tuple(_) | Type::Array(_) => true,
        _ => false,
    }
}
