//! The macros of `factum`. Use them through the `factum` crate, which re-exports them and documents what they generate.
//!
//! Each macro is the same pipeline: attributes with spans (`attributes`) and the item are parsed (`syntax`), the rules
//! make a checked model of it (`rules`), and the model becomes code (`expand`). All errors are collected on the way
//! (`errors`). An invalid item gets stubs of its impls, so that one mistake is one error.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod attributes;
mod errors;
mod expand;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod layers;
mod lengths;
mod lock;
mod manifest;
mod markers;
mod names;
mod rules;
mod syntax;

use proc_macro::TokenStream;
use proc_macro2::{Span, TokenStream as Tokens};
use syn::DeriveInput;

use crate::errors::{Errors, shown};

/// A derive: parses its item, checks it, and expands it or a stub. The code stands beside the errors.
type Recipe = fn(&DeriveInput, &mut Errors) -> Tokens;

fn derive(item: TokenStream, recipe: Recipe) -> TokenStream {
    errors::collect(|errors| {
        let item = errors.ok(lengths::parse_item(item.into()));
        item.map(|item| recipe(&item, errors)).unwrap_or_default()
    })
    .into()
}

/// Makes a struct an event; see the trait `factum::Event`.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(item: TokenStream) -> TokenStream {
    derive(item, event)
}

fn event(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::EventSyntax::parse(item, errors);
    match rules::event(&syntax, errors) {
        Some(event) => expand::event(&event),
        None => expand::stub::event(&syntax),
    }
}

/// Makes a struct a command; see the trait `factum::Command`.
#[proc_macro_derive(Command, attributes(command, validate))]
pub fn derive_command(item: TokenStream) -> TokenStream {
    derive(item, command)
}

fn command(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::CommandSyntax::parse(item, errors);
    match rules::command(&syntax, errors) {
        Some(command) => expand::command(&command),
        None => expand::stub::command(&syntax, errors.first().as_ref()),
    }
}

/// Makes a struct or enum the state of an aggregate; see the trait `factum::Aggregate`.
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn derive_aggregate(item: TokenStream) -> TokenStream {
    derive(item, aggregate)
}

fn aggregate(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::AggregateSyntax::parse(item, errors);
    let aggregate = rules::aggregate(&syntax, errors);
    let reported = errors.first();
    if aggregate.is_valid {
        expand::aggregate(&aggregate, reported.as_ref())
    } else {
        expand::stub::aggregate(&aggregate, reported.as_ref())
    }
}

/// Makes a newtype the id of aggregates; see the trait `factum::AggregateId`.
#[proc_macro_derive(AggregateId, attributes(aggregate_id))]
pub fn derive_aggregate_id(item: TokenStream) -> TokenStream {
    derive(item, aggregate_id)
}

fn aggregate_id(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::AggregateIdSyntax::parse(item, errors);
    match rules::aggregate_id(&syntax, errors) {
        Some(id) => expand::aggregate_id(&id),
        None => expand::stub::aggregate_id(&syntax),
    }
}

/// Makes the shape of a type part of the shape of every event that has it; see the trait `factum::EventSchema`.
#[proc_macro_derive(EventSchema, attributes(event_schema))]
pub fn derive_event_schema(item: TokenStream) -> TokenStream {
    derive(item, event_schema)
}

fn event_schema(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::SchemaSyntax::parse(item, errors);
    match rules::event_schema(&syntax, errors) {
        Some(schema) => expand::event_schema(&schema),
        None => expand::stub::event_schema(&syntax),
    }
}

/// Makes a struct a projection; see the trait `factum::Projection`.
#[proc_macro_derive(Projection, attributes(projection))]
pub fn derive_projection(item: TokenStream) -> TokenStream {
    derive(item, projection)
}

fn projection(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::ProjectionSyntax::parse(item, errors);
    follower(&syntax, errors)
}

fn follower(syntax: &syntax::ProjectionSyntax<'_>, errors: &mut Errors) -> Tokens {
    let follower = rules::projection(syntax, errors);
    if follower.is_valid { expand::projection(&follower) } else { expand::stub::projection(&follower) }
}

/// Makes a struct a reaction; see the trait `factum::Reaction`.
#[proc_macro_derive(Reaction, attributes(reaction))]
pub fn derive_reaction(item: TokenStream) -> TokenStream {
    derive(item, reaction)
}

fn reaction(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::ProjectionSyntax::parse_reaction(item, errors);
    follower(&syntax, errors)
}

/// Makes a struct an application; see the trait `factum::application::Application`.
#[proc_macro_derive(
    Application,
    attributes(application, services, projection, reaction, process, store, hook)
)]
pub fn derive_application(item: TokenStream) -> TokenStream {
    derive(item, application)
}

fn application(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::ApplicationSyntax::parse(item, errors);
    match rules::application(&syntax, errors) {
        Some(application) => expand::application(&application),
        None => expand::stub::application(&syntax, errors.first().as_ref()),
    }
}

/// Makes a struct a process; see the trait `factum::follow::Process`.
#[proc_macro_derive(Process, attributes(process))]
pub fn derive_process(item: TokenStream) -> TokenStream {
    derive(item, process)
}

fn process(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::ProjectionSyntax::parse_process(item, errors);
    follower(&syntax, errors)
}

/// Makes a struct a time-out of processes; see the trait `factum::follow::Timeout`.
#[proc_macro_derive(Timeout, attributes(timeout))]
pub fn derive_timeout(item: TokenStream) -> TokenStream {
    derive(item, timeout)
}

fn timeout(item: &DeriveInput, errors: &mut Errors) -> Tokens {
    let syntax = syntax::EventSyntax::parse_timeout(item, errors);
    match rules::event(&syntax, errors) {
        Some(timeout) => expand::timeout(&timeout),
        None => expand::stub::timeout(&syntax),
    }
}

/// Connects marked methods of an `impl` block: `#[execute]`, `#[apply]`, `#[upcast]`, `#[project]`, `#[react]` and `#[refused]`.
///
/// The block stays as it is, and its methods are ordinary methods. For each marked method, the macro adds an impl of
/// `factum::Execute<C>`, `factum::Apply<E>`, `factum::Upcast<E>`, `factum::Project<E>`, `factum::React<E>` or
/// `factum::Refused<C>` that calls it.
/// A type may have several such blocks, in several files. The markers need no import of their own.
///
/// | marker | method |
/// |---|---|
/// | `#[execute]` | `fn name(&self, command: C) -> T` or `-> Result<T, Error>`; with services, `(&self, command: C, services: &S)` |
/// | `#[apply]` | `fn name(&mut self, event: &E)` |
/// | `#[upcast]` | `fn name(event: E) -> T` or `-> Result<T, _>`, without `self`: what a retired event has become |
/// | `#[project]` | `fn name(&mut self, event: &E)`, then if wanted `envelope: &Envelope<'_>`, the aggregate's id, as `id: &AccountId` or as text, `key: &str`, and the writer, as `&Transaction<'_>`; returns nothing or a `Result<(), _>` |
/// | `#[react]` | `fn name(&self, event: &E)`, then if wanted `envelope: &Envelope<'_>`, the aggregate's id, as `id: &AccountId` or `key: &str`, and `delivery: &Delivery`, or `&Delivery<Self>` if it gives commands; returns nothing or a `Result<(), _>`. With the feature `tokio`, it may be an `async fn`. In a process, the id is the instance's, and the method returns commands and time-outs |
/// | `#[refused]` | `fn name(&self, command: &C, refusal: &Error)`, then if wanted the instance's `id: &OrderId`; returns commands and time-outs |
#[proc_macro_attribute]
pub fn handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    connect_handlers(arguments.into(), item.into()).into()
}

fn connect_handlers(arguments: Tokens, item: Tokens) -> Tokens {
    errors::collect_beside(item, |item, errors| {
        let syntax = syntax::HandlersSyntax::parse(arguments, item, errors)?;
        let derived = derive_forgotten(&syntax, errors);
        let handlers = expand::handlers(&rules::handlers(&syntax, errors));
        Some(quote::quote!(#handlers #derived))
    })
}

/// What the derive of the block's type would have generated, if that is missing. So it is one error, and not one more for
/// each handler, and wherever the type is used.
fn derive_forgotten(syntax: &syntax::HandlersSyntax, errors: &mut Errors) -> Option<Tokens> {
    let forgotten = rules::forgotten(syntax, errors)?;
    let item = &forgotten.underived.item;
    let recipe: Recipe = match forgotten.derive {
        "Projection" => projection,
        "Reaction" => reaction,
        "Process" => process,
        _ => aggregate,
    };
    let mut others = forgotten.reported;
    let derived = recipe(item, &mut others);
    let standard = expand::stub::standard(item, forgotten.underived.lacks.iter());
    Some(quote::quote!(#derived #standard))
}

/// Marks a method in a `#[handlers]` block that decides on a command.
#[proc_macro_attribute]
pub fn execute(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("execute", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that changes an aggregate's state as an event says.
#[proc_macro_attribute]
pub fn apply(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("apply", item.into()).into()
}

/// Marks a function in a `#[handlers]` block that turns a retired event into other events.
#[proc_macro_attribute]
pub fn upcast(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("upcast", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that changes a view as an event says.
#[proc_macro_attribute]
pub fn project(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("project", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that acts after an event.
#[proc_macro_attribute]
pub fn react(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("react", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that decides on the refusal of a process's command.
#[proc_macro_attribute]
pub fn refused(_: TokenStream, item: TokenStream) -> TokenStream {
    outside_handlers("refused", item.into()).into()
}

/// The item of a marker that no `#[handlers]` has taken away, with an error. A block that lacks `#[handlers]` gets one error.
fn outside_handlers(name: &str, item: Tokens) -> Tokens {
    let error = |message| syn::Error::new(Span::call_site(), message).into_compile_error();
    let alone = || {
        error(format!(
            "`#[{name}]` works in an `impl` block with `#[handlers]` on it only, and stands there as it is, not in a \
             `cfg_attr`"
        ))
    };
    match syntax::BlockAround::method(name, &item) {
        Some(block) if block.has_handlers => expand::stub::unconnected(item, &block, &alone()),
        Some(block) if !block.is_first => item,
        Some(block) => {
            let krate = block.krate.as_ref().map(|krate| format!("(crate = {})", shown(krate)));
            let message = format!(
                "write `#[handlers{}]` above `impl {}`: without it, the markers in the block have no effect",
                krate.unwrap_or_default(),
                shown(&block.self_ty)
            );
            expand::stub::unconnected(item, &block, &error(message))
        }
        None => {
            let error = alone();
            quote::quote!(#error #item)
        }
    }
}
