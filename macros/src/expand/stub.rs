//! What stands in for an impl that can't be made: so that one mistake is one error, and not one more wherever the type is used.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput, Generics, Ident, Path};

use super::enums;
use crate::errors::Errors;
use crate::model::Aggregate;
use crate::options::Options;
use crate::text::kebab;

/// An event that nothing is known of but that it wants to be one.
pub(crate) fn event(input: &DeriveInput) -> TokenStream {
    if is_union(input) {
        return TokenStream::new();
    }
    let krate = krate(input, "event");
    let name = kebab(&input.ident.to_string());
    let head =
        head(&quote!(#krate::Event), &input.ident, &input.generics, &quote!(::core::fmt::Debug + 'static));
    quote! {
        #head {
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
    let head = head(&quote!(#krate::Command), &input.ident, &input.generics, &quote!(::core::fmt::Debug));
    quote! {
        #head {
            type Id = ::std::string::String;

            fn aggregate_id(&self) -> &Self::Id {
                ::core::unreachable!()
            }
        }
    }
}

/// An aggregate of which neither commands nor events are known, as its enums are errors.
pub(super) fn aggregate(model: &Aggregate, told: &TokenStream, generics: &Generics) -> TokenStream {
    let Aggregate { krate, ident, vis, name, id, error, services, command_enum, event_enum, .. } = model;
    let commands = enums::unknown(vis, command_enum, told);
    let events = enums::unknown(vis, event_enum, told);
    let (command_enum, event_enum) = (&command_enum.ident, &event_enum.ident);
    let head = head(&quote!(#krate::Aggregate), ident, generics, &quote!('static));
    quote! {
        #commands
        #events

        #head {
            const NAME: &'static str = #name;

            type Id = #id;
            type Command = #command_enum;
            type Event = #event_enum;
            type Error = #error;
            type Services = #services;

            fn initial() -> Self {
                ::core::unreachable!()
            }

            fn duplicate(&self) -> Self {
                ::core::unreachable!()
            }

            fn execute(&self, _: #command_enum, _: &Self::Services) -> #krate::private::Execution<Self> {
                ::core::unreachable!()
            }

            fn apply(&mut self, _: &#event_enum) {}
        }
    }
}

/// An id that no text is.
pub(crate) fn aggregate_id(input: &DeriveInput) -> TokenStream {
    let krate = krate(input, "aggregate_id");
    let head = head(&quote!(#krate::AggregateId), &input.ident, &input.generics, &quote!('static));
    quote! {
        #head {
            fn to_text(&self) -> ::std::borrow::Cow<'_, str> {
                ::core::unreachable!()
            }

            fn from_text(_: &str) -> ::core::result::Result<Self, #krate::InvalidId> {
                ::core::unreachable!()
            }
        }
    }
}

/// A type whose shape nobody knows.
pub(crate) fn event_schema(input: &DeriveInput) -> TokenStream {
    let krate = krate(input, "event_schema");
    let head =
        head(&quote!(#krate::EventSchema), &input.ident, &input.generics, &quote!(::core::marker::Sized));
    quote! {
        #head {
            const FINGERPRINT: u64 = 1;
        }
    }
}

/// `impl .. for` a type with all the parameters that it should not have, if it has what is `asked`: to lack that is a mistake of
/// its own.
fn head(of: &TokenStream, ident: &Ident, generics: &Generics, asked: &TokenStream) -> TokenStream {
    let (generics, arguments, bounds) = generics.split_for_impl();
    let predicates = bounds.iter().flat_map(|bounds| &bounds.predicates);
    quote! {
        #[automatically_derived]
        impl #generics #of for #ident #arguments
        where
            Self: #asked,
            #(#predicates,)*
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
