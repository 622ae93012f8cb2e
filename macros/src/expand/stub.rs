//! Stubs for impls that can't be made: one mistake is one error, and not one more wherever the type is used.

use proc_macro2::TokenStream;
use syn::{Data, DeriveInput};

use super::aggregate::{error_type, id, services};
use super::enums;
use crate::names::kebab;
use crate::rules::Aggregate;
use crate::syntax::{AggregateIdSyntax, AggregateSyntax, CommandSyntax, EventSyntax, SchemaSyntax};

/// The stub of an event.
pub(crate) fn event(syntax: &EventSyntax<'_>) -> TokenStream {
    let EventSyntax { input, krate, .. } = syntax;
    if is_union(input) {
        return TokenStream::new();
    }
    let name = kebab(&input.ident.to_string());
    let head = head(&quote!(#krate::Event), input, &quote!(::core::fmt::Debug + 'static));
    quote! {
        #head {
            const NAME: &'static str = #name;
            const VERSION: u32 = 1;

            fn encode(&self, _: &mut #krate::macro_support::Bytes) -> #krate::macro_support::Encoding {
                ::core::unreachable!()
            }

            fn decode(_: u32, _: &str) -> #krate::macro_support::Decoding<Self> {
                ::core::unreachable!()
            }
        }
    }
}

/// The stub of a command: its aggregate is unknown.
pub(crate) fn command(syntax: &CommandSyntax<'_>) -> TokenStream {
    let CommandSyntax { input, krate, .. } = syntax;
    if is_union(input) {
        return TokenStream::new();
    }
    let head = head(&quote!(#krate::Command), input, &quote!(::core::fmt::Debug));
    quote! {
        #head {
            type Id = ::std::string::String;

            fn aggregate_id(&self) -> &Self::Id {
                ::core::unreachable!()
            }
        }
    }
}

/// The stub of an aggregate: its enums are placeholders.
pub(crate) fn aggregate(model: &Aggregate<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let AggregateSyntax { input, krate, name, command_enum, event_enum, .. } = model.syntax;
    let commands = enums::unknown(&input.vis, command_enum, reported);
    let events = enums::unknown(&input.vis, event_enum, reported);
    let (id, error, services) = (id(model, reported), error_type(model, reported), services(model, reported));
    let (command_enum, event_enum) = (&command_enum.ident, &event_enum.ident);
    let head = head(&quote!(#krate::Aggregate), input, &quote!('static));
    quote! {
        #commands
        #events

        #head {
            const CATEGORY: &'static str = #name;

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

            fn execute(&self, _: #command_enum, _: &Self::Services) -> #krate::macro_support::Execution<Self> {
                ::core::unreachable!()
            }

            fn apply(&mut self, _: &#event_enum) {}
        }
    }
}

/// The stub of an id.
pub(crate) fn aggregate_id(syntax: &AggregateIdSyntax<'_>) -> TokenStream {
    let AggregateIdSyntax { input, krate } = syntax;
    let head = head(&quote!(#krate::AggregateId), input, &quote!('static));
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

/// The stub of a type inside events: its shape is unknown.
pub(crate) fn event_schema(syntax: &SchemaSyntax<'_>) -> TokenStream {
    let SchemaSyntax { input, krate } = syntax;
    let head = head(&quote!(#krate::EventSchema), input, &quote!(::core::marker::Sized));
    quote! {
        #head {
            const FINGERPRINT: u64 = 1;
        }
    }
}

/// `impl .. for` the type, with the parameters that it should not have. Its bound is what the trait asks for: a type that
/// lacks it has another mistake, which rustc reports.
fn head(of: &TokenStream, input: &DeriveInput, bound: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    let predicates = bounds.iter().flat_map(|bounds| &bounds.predicates);
    quote! {
        #[automatically_derived]
        impl #generics #of for #ident #arguments
        where
            Self: #bound,
            #(#predicates,)*
    }
}

/// A union can't derive `Debug`, which events and commands need.
fn is_union(input: &DeriveInput) -> bool {
    matches!(input.data, Data::Union(_))
}
