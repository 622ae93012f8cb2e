//! `impl Refused<C>` for a `#[refused]` method.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Ident, Path, Type};

use super::follow::{reacted, sends};
use super::output::placed_at;
use super::{handled, named_at, stub};
use crate::rules::Handler;
use crate::syntax::{MethodSyntax, ungrouped};

pub(super) fn refused(krate: &Path, self_ty: &Ident, handler: &Handler<'_>) -> TokenStream {
    let MethodSyntax { cfgs, name, arguments, .. } = handler.method;
    let command = handled(krate, handler);
    let mut arguments = arguments.iter().skip(1).map(ungrouped);
    let error = match arguments.next() {
        Some(Type::Reference(reference)) => {
            let error = &reference.elem;
            quote!(#error)
        }
        _ => stub::unknown(krate),
    };
    let mut pass = TokenStream::new();
    for argument in arguments {
        let Type::Reference(reference) = argument else { continue };
        let (beside, passed, span) = (&reference.elem, named_at(argument, "__beside"), placed_at(argument));
        pass.extend(quote_spanned!(span=> , #krate::macro_support::lent::<Self, #beside>(#passed)));
    }
    let body = reacted(krate, handler, &quote!(Self::#name(self, __command, __refusal #pass)));
    let sends = sends(krate, handler);
    // The aggregate is known before its error is compared: else rustc reports the mismatch in words of its own.
    let is_error = handler.is_valid.then(|| {
        quote! {
            #(#cfgs)*
            const _: () = #krate::macro_support::refusal_of::<#command, _>().is::<#error>();
        }
    });
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::follow::Refused<#command> for #self_ty {
            type Refusal = #error;
            #sends

            #[inline]
            fn refused(
                &mut self,
                __command: &#command,
                __refusal: &#error,
                #[allow(unused_variables)] __beside: &#krate::follow::ReactContext<Self>,
            ) -> ::core::result::Result<#krate::follow::Actions, #krate::BoxError> {
                #body
            }
        }
        #is_error
    }
}
