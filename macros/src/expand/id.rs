//! `impl AggregateId` for a newtype.

use proc_macro2::TokenStream;
use syn::Member;

use super::{beside, operand};
use crate::rules::AggregateId;

pub(crate) fn aggregate_id(id: &AggregateId<'_>) -> TokenStream {
    let AggregateId { syntax, member, ty } = id;
    let ty = operand(ty);
    let (krate, ident) = (&syntax.krate, &syntax.input.ident);
    let made = match member {
        Member::Named(name) => quote!(Self { #name: __inner }),
        Member::Unnamed(_) => quote!(Self(__inner)),
    };
    let made = quote! {
        #[automatically_derived]
        impl #krate::AggregateId for #ident {
            fn to_text(&self) -> ::std::borrow::Cow<'_, str> {
                <#ty as #krate::AggregateId>::to_text(&self.#member)
            }

            fn from_text(
                __text: &str,
            ) -> ::core::result::Result<Self, #krate::InvalidId> {
                match <#ty as #krate::AggregateId>::from_text(__text) {
                    ::core::result::Result::Ok(__inner) => ::core::result::Result::Ok(#made),
                    ::core::result::Result::Err(_) => {
                        ::core::result::Result::Err(#krate::InvalidId::new::<Self>(__text))
                    }
                }
            }
        }
    };
    beside(syntax.input, made)
}
