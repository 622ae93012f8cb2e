//! What stands in for an impl that can't be made: so that one mistake is one error, and not one more wherever the type is used.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Path};

use crate::errors::Errors;
use crate::options::Options;
use crate::text::kebab;

/// An event that nothing is known of but that it wants to be one.
pub(crate) fn event(input: &DeriveInput) -> TokenStream {
    if is_union(input) {
        return TokenStream::new();
    }
    let krate = krate(input, "event");
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let predicates = bounds.iter().flat_map(|bounds| &bounds.predicates);
    let name = kebab(&ident.to_string());
    quote! {
        #[automatically_derived]
        impl #generics #krate::Event for #ident #arguments
        where
            Self: ::core::fmt::Debug + 'static,
            #(#predicates,)*
        {
            const NAME: &'static str = #name;
            const VERSION: u32 = 1;

            fn encode(&self, _: &mut #krate::private::Bytes) -> #krate::private::Encoding {
                ::core::unreachable!()
            }

            fn decode(_: u32, _: &str) -> #krate::private::Decoding<Self> {
                ::core::unreachable!()
            }
        }
    }
}

/// A command of which nobody knows whom it is for.
pub(crate) fn command(input: &DeriveInput) -> TokenStream {
    if is_union(input) {
        return TokenStream::new();
    }
    let krate = krate(input, "command");
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let predicates = bounds.iter().flat_map(|bounds| &bounds.predicates);
    quote! {
        #[automatically_derived]
        impl #generics #krate::Command for #ident #arguments
        where
            Self: ::core::fmt::Debug,
            #(#predicates,)*
        {
            type Id = ::std::string::String;

            fn aggregate_id(&self) -> &Self::Id {
                ::core::unreachable!()
            }
        }
    }
}

/// It can't derive `Debug`, which both have to be.
fn is_union(input: &DeriveInput) -> bool {
    matches!(input.data, Data::Union(_))
}

/// Where factum is; what is wrong with the options has been told.
fn krate(input: &DeriveInput, attribute: &'static str) -> Path {
    let mut errors = Errors::default();
    Options::parse(&input.attrs, attribute, &["crate"], &mut errors).krate(&mut errors)
}
