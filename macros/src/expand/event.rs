//! `impl Event`.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use crate::model::Event;

pub(crate) fn event(event: &Event) -> TokenStream {
    let Event { krate, ident, name, version, aliases } = event;
    let version = Literal::u32_unsuffixed(*version);
    let aliases = (!aliases.is_empty()).then(|| {
        quote! {
            const ALIASES: &'static [&'static str] = &[#(#aliases),*];
        }
    });
    quote! {
        #[automatically_derived]
        impl #krate::Event for #ident {
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            #aliases

            fn encode(
                &self,
                out: &mut ::std::vec::Vec<u8>,
            ) -> ::core::result::Result<(), #krate::EncodeError> {
                #krate::private::encode(self, out)
            }

            fn decode(
                version: u32,
                payload: &str,
            ) -> ::core::result::Result<Self, #krate::DecodeError> {
                match version {
                    #version => #krate::private::decode(version, payload),
                    _ => ::core::result::Result::Err(#krate::private::unreadable_version::<Self>(version)),
                }
            }
        }
    }
}
