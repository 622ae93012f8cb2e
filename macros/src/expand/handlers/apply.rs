//! `impl Apply<E>` for an `#[apply]` method.

use proc_macro2::TokenStream;
use syn::{Path, Type};

use super::handled;
use crate::rules::Handler;
use crate::syntax::MethodSyntax;

pub(super) fn apply(krate: &Path, self_ty: &Type, handler: &Handler<'_>) -> TokenStream {
    let MethodSyntax { cfgs, name, .. } = handler.method;
    let event = handled(krate, handler);
    let body =
        if handler.is_valid { quote!(Self::#name(self, __event)) } else { quote!(::core::unreachable!()) };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #krate::Apply<#event> for #self_ty {
            #[inline]
            fn apply(&mut self, __event: &#event) {
                #body;
            }
        }
    }
}
