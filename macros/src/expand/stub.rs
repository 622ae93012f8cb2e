//! Stubs for impls that can't be made: one mistake is one error, and not one more wherever the type is used.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::{Data, DeriveInput, GenericParam, Path, Token, Type};

use super::aggregate::{error_type, id, services};
use super::enums;
use super::projection::target_type;
use crate::manifest;
use crate::names::kebab;
use crate::rules::{Aggregate, Product, Projection};
use crate::syntax::{
    AggregateIdSyntax, AggregateSyntax, ApplicationSyntax, BlockAround, CommandSyntax, EventSyntax, Lacking,
    ProjectionSyntax, SchemaSyntax, Underived,
};

/// The stub of an event.
pub(crate) fn event(syntax: &EventSyntax<'_>) -> TokenStream {
    event_of((&syntax.krate, syntax.input))
}

fn event_of((krate, input): (&Path, &DeriveInput)) -> TokenStream {
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

/// The stub of a time-out.
pub(crate) fn timeout(syntax: &EventSyntax<'_>) -> TokenStream {
    timeout_of((&syntax.krate, syntax.input))
}

fn timeout_of((krate, input): (&Path, &DeriveInput)) -> TokenStream {
    if is_union(input) {
        return TokenStream::new();
    }
    let (event, head) =
        (event_of((krate, input)), head(&quote!(#krate::follow::Timeout), input, &quote!(#krate::Event)));
    quote!(#event #head {})
}

/// The stub of a command: its id is unknown.
pub(crate) fn command(syntax: &CommandSyntax<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let CommandSyntax { input, krate, name, .. } = syntax;
    command_of((krate, input), &name.value(), &quote!([(); #reported]))
}

fn command_of((krate, input): (&Path, &DeriveInput), name: &str, id: &TokenStream) -> TokenStream {
    if is_union(input) {
        return TokenStream::new();
    }
    let head = head(&quote!(#krate::Command), input, &quote!(::core::fmt::Debug));
    let ident = &input.ident;
    let sent = input.generics.params.is_empty().then(|| {
        quote! {
            #[automatically_derived]
            impl<FactumProcess: #krate::follow::Sends<Self>> #krate::follow::IntoActions<FactumProcess> for #ident {
                type Way = #krate::macro_support::BySending;
            }
        }
    });
    quote! {
        #head {
            const NAME: &'static str = #name;
            const INTERNAL: bool = true;

            type Id = #id;

            fn aggregate_id(&self) -> &Self::Id {
                ::core::unreachable!()
            }
        }
        #sent
    }
}

/// The stubs of listed types that lack their derive. The commands are for an aggregate with this id.
pub(super) fn underived(krate: &Path, underived: &[Lacking<'_>], id: &TokenStream) -> TokenStream {
    let stubs =
        underived.iter().map(|Lacking { derive, underived: Underived { item, lacks, .. }, .. }| {
            let of = (krate, item);
            let stub = match *derive {
                "Command" => command_of(of, &kebab(&item.ident.to_string()), id),
                "Timeout" => timeout_of(of),
                "AggregateId" => aggregate_id_of(of),
                _ => event_of(of),
            };
            let debug = standard(item, lacks.iter().filter(|of| **of == "Debug"));
            quote!(#stub #debug)
        });
    stubs.collect()
}

/// Stubs of traits that the item does not derive either.
pub(crate) fn standard<'l>(item: &DeriveInput, lacks: impl Iterator<Item = &'l &'static str>) -> TokenStream {
    let stubs = lacks.map(|lacks| {
        let (of, method) = match *lacks {
            "Default" => (quote!(::core::default::Default), quote!(fn default() -> Self)),
            "Clone" => (quote!(::core::clone::Clone), quote!(fn clone(&self) -> Self)),
            _ => (
                quote!(::core::fmt::Debug),
                quote!(fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result),
            ),
        };
        let head = head(&of, item, &quote!('static));
        quote!(#head { #method { ::core::unreachable!() } })
    });
    stubs.collect()
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

/// The stub of a projection or a reaction: it lists every event.
pub(crate) fn projection(model: &Projection<'_>) -> TokenStream {
    let ProjectionSyntax { input, krate, name, .. } = model.syntax;
    let head = |of: TokenStream| head(&of, input, &quote!(::core::marker::Sized));
    let handler = head(quote!(#krate::follow::EventHandler));
    let (kind, target) = match &model.product {
        Product::View { into, .. } => {
            let kind = head(quote!(#krate::follow::Projection));
            (quote!(#kind { const VERSION: u32 = 1; }), target_type(krate, into))
        }
        Product::SideEffects { .. } => {
            let kind = head(quote!(#krate::follow::Reaction));
            (quote!(#kind {}), quote!(#krate::follow::SideEffects))
        }
        // Only what needs no trait of the process: its handlers are reported by themselves.
        Product::Commands(_) => (TokenStream::new(), unknown(krate)),
    };
    let partitioned = model.is_partitioned.then(|| {
        let head = head(quote!(#krate::follow::PartitionedByStream));
        quote!(#head {})
    });
    let (ident, (_, arguments, bounds)) = (&input.ident, input.generics.split_for_impl());
    let mut generics = input.generics.clone();
    generics.params.push(syn::parse_quote!(FactumEvent));
    quote! {
        #handler {
            const NAME: &'static str = #name;
            const EVENTS: &'static [#krate::EventKind] = &[];
            type Target = #target;

            fn handle_stored(
                &mut self,
                _: &str,
                _: &#krate::store::StoredEvent<'_>,
                _: &#krate::follow::Context<'_, Self>,
            ) -> ::core::result::Result<(), #krate::follow::HandlerError> {
                ::core::unreachable!()
            }

            fn handle_typed(
                &mut self,
                _: &dyn ::core::any::Any,
                _: &#krate::Envelope<'_>,
                _: &#krate::follow::Context<'_, Self>,
            ) -> ::core::result::Result<(), #krate::follow::HandlerError> {
                ::core::unreachable!()
            }
        }

        #kind
        #partitioned

        #[automatically_derived]
        impl #generics #krate::follow::Lists<FactumEvent> for #ident #arguments #bounds {}
    }
}

/// The stub of an application: it has every aggregate, and runs every follower on every store.
pub(crate) fn application(syntax: &ApplicationSyntax<'_>, reported: Option<&TokenStream>) -> TokenStream {
    let ApplicationSyntax { input, krate, name, command_enum, .. } = syntax;
    let commands = enums::unknown(&input.vis, command_enum, reported);
    let command_enum = &command_enum.ident;
    let (ident, (_, arguments, bounds)) = (&input.ident, input.generics.split_for_impl());
    let of_any = |parameters: TokenStream, of: TokenStream| {
        let mut generics = input.generics.clone();
        let parameters: Punctuated<GenericParam, Token![,]> = syn::parse_quote!(#parameters);
        generics.params.extend(parameters);
        let (generics, ..) = generics.split_for_impl();
        let predicates = bounds.iter().flat_map(|bounds| &bounds.predicates);
        quote! {
            #[automatically_derived]
            impl #generics #krate::application::#of for #ident #arguments
            where
                Self: 'static,
                #(#predicates,)*
        }
    };
    let head = |of: TokenStream| head(&quote!(#krate::application::#of), input, &quote!('static));
    let (whole, takes_names) = (head(quote!(Application)), head(quote!(TakesNames)));
    let has_timers = head(quote!(HasTimers));
    let schedules = of_any(quote!(FactumCommand), quote!(Schedules<FactumCommand>));
    let has = of_any(quote!(FactumAggregate: #krate::Aggregate), quote!(Has<FactumAggregate>));
    let routes = of_any(
        quote!(FactumCommand: #krate::CommandFor<FactumAggregate>, FactumAggregate: #krate::Aggregate),
        quote!(Routes<FactumCommand, FactumAggregate>),
    );
    let runs = of_any(quote!(FactumFollower), quote!(Runs<FactumFollower>));
    let store = quote!(#krate::store::EventStore + ::core::clone::Clone + 'static);
    let runs_on = of_any(quote!(FactumStore: #store), quote!(RunsOn<FactumStore>));
    quote! {
        #commands

        #whole {
            const NAME: &'static str = #name;
            const MODEL: #krate::application::Model = #krate::application::Model::new(#name, &[], &[]);
            type Command = #command_enum;
            type Aggregates<FactumStore: #store> = ();
        }
        #takes_names {}
        #has_timers {
            const SCHEDULED: &'static [#krate::application::ScheduledCommand] = &[];
        }
        #schedules {
            const CODEC: #krate::follow::CommandCodec<FactumCommand> = ::core::unreachable!();
        }
        #has {
            fn repository<FactumStore: #store>(_: &()) -> &#krate::Repository<FactumAggregate, FactumStore> {
                ::core::unreachable!()
            }

            fn into_any(_: <FactumAggregate as #krate::Aggregate>::Command) -> #command_enum {
                ::core::unreachable!()
            }
        }
        #routes {
            fn route(_: FactumCommand) -> <FactumAggregate as #krate::Aggregate>::Command {
                ::core::unreachable!()
            }
        }
        #runs {
            const NAME: &'static str = "";
        }
        #runs_on {
            fn assemble(
                self,
                _: &mut #krate::application::Start<FactumStore>,
            ) -> ::core::result::Result<::std::sync::Arc<()>, #krate::application::StartError> {
                ::core::unreachable!()
            }
        }
    }
}

/// The stub of an id.
pub(crate) fn aggregate_id(syntax: &AggregateIdSyntax<'_>) -> TokenStream {
    aggregate_id_of((&syntax.krate, syntax.input))
}

fn aggregate_id_of((krate, input): (&Path, &DeriveInput)) -> TokenStream {
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

/// A type that does not exist. Beside an error of ours, rustc does not report that, nor that a type lacks a trait which is
/// implemented for this one: it might be any type.
pub(crate) fn unknown(krate: &Path) -> TokenStream {
    quote!(#krate::macro_support::Unknown)
}

/// A method whose marker has no effect, with that error in its body. Beside the error stand impls of what markers implement,
/// so that none is missing: rustc reports no unknown type in a module that has an error of a macro.
pub(crate) fn unconnected(method: TokenStream, block: &BlockAround, error: &TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = method.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop_if(|last| is_braces(last)) else {
        return quote!(#error #(#tokens)*);
    };
    let BlockAround { self_ty, krate, .. } = block;
    let krate = krate.clone().unwrap_or_else(manifest::factum);
    let statements = body.stream();
    let impls = any_handler(&krate, self_ty);
    let statements = quote! {
        mod unconnected {
            use super::*;
            #error
            #impls
        }
        #statements
    };
    let mut body_with_error = Group::new(Delimiter::Brace, statements);
    body_with_error.set_span(body.span());
    tokens.push(body_with_error.into());
    tokens.into_iter().collect()
}

/// Impls of all that markers implement, for a type that does not exist: so none is missing.
pub(super) fn any_handler(krate: &Path, self_ty: &Type) -> TokenStream {
    let unknown = unknown(krate);
    quote! {
        impl #krate::Execute<#unknown> for #self_ty {}
        impl #krate::Apply<#unknown> for #self_ty {}
        impl #krate::Upcast<#unknown> for #self_ty {}
        impl #krate::follow::Project<#unknown> for #self_ty {}
        impl #krate::follow::React<#unknown> for #self_ty {
            const WANTS_ENVELOPE: bool = false;
        }
        impl #krate::follow::Refused<#unknown> for #self_ty {}
    }
}

fn is_braces(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
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
