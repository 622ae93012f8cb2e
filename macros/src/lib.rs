//! The macros of `factum`. Use them through the `factum` crate, which re-exports them and documents what they make.
//!
//! Each macro goes the same way: attributes become options with spans (`options`), options and item become a model
//! (`model`), rules are checked and their errors collected (`check`, `errors`), the model becomes code (`expand`). A
//! wrong item still gets its impls where they can be made, so that one mistake is one error.

mod check;
mod docs;
mod errors;
mod expand;
mod lock;
mod model;
mod options;
#[cfg(test)]
mod snapshot;
mod text;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct an event; see the trait `factum::Event`.
#[proc_macro_derive(Event, attributes(event))]
pub fn derive_event(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| {
        let model = model::Event::parse(&input, errors);
        Some(model.map_or_else(|| expand::stub::event(&input), |model| expand::event(&model)))
    })
    .into()
}

/// Makes a struct a command; see the trait `factum::Command`.
#[proc_macro_derive(Command, attributes(command))]
pub fn derive_command(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| {
        let model = model::Command::parse(&input, errors);
        Some(model.map_or_else(|| expand::stub::command(&input), |model| expand::command(&model)))
    })
    .into()
}

/// Makes a struct or enum the state of an aggregate; see the trait `factum::Aggregate`.
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn derive_aggregate(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| Some(expand::aggregate(&model::Aggregate::parse(&input, errors)))).into()
}

/// Makes a newtype the id of aggregates; see the trait `factum::AggregateId`.
#[proc_macro_derive(AggregateId, attributes(aggregate_id))]
pub fn derive_aggregate_id(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| {
        let model = model::AggregateId::parse(&input, errors);
        Some(model.map_or_else(|| expand::stub::aggregate_id(&input), |model| expand::aggregate_id(&model)))
    })
    .into()
}

/// Makes the shape of a type part of the shape of every event that has it; see the trait `factum::EventSchema`.
#[proc_macro_derive(EventSchema, attributes(event_schema))]
pub fn derive_event_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| {
        let model = model::Schema::parse(&input, errors);
        Some(model.map_or_else(|| expand::stub::event_schema(&input), |model| expand::event_schema(&model)))
    })
    .into()
}

/// Makes a struct a projection; see the trait `factum::Projection`.
#[proc_macro_derive(Projection, attributes(projection))]
pub fn derive_projection(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| model::Projection::parse(&input, errors).map(|model| expand::projection(&model)))
        .into()
}

/// Makes a struct a reaction; see the trait `factum::Reaction`.
#[proc_macro_derive(Reaction, attributes(reaction))]
pub fn derive_reaction(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    errors::collect(|errors| {
        model::Projection::parse_reaction(&input, errors).map(|model| expand::projection(&model))
    })
    .into()
}

/// Connects marked methods of an `impl` block: `#[execute]`, `#[apply]`, `#[upcast]`, `#[project]` and `#[react]`.
///
/// The block stays as it is, its methods ordinary methods; for each marked one an impl of `factum::Execute<C>`,
/// `factum::Apply<E>`, `factum::Upcast<E>`, `factum::Project<E>` or `factum::React<E>` is added that calls it. A type may
/// have several such blocks, in several files. The markers need no import of their own.
///
/// | marker | method |
/// |---|---|
/// | `#[execute]` | `fn name(&self, command: C) -> T` or `-> Result<T, Error>`; with services, `(&self, command: C, services: &S)` |
/// | `#[apply]` | `fn name(&mut self, event: &E)` |
/// | `#[upcast]` | `fn name(event: E) -> T` or `-> Result<T, _>`, without `self`: what a retired event has become |
/// | `#[project]` | `fn name(&mut self, event: &E)`, then if wanted `envelope: &Envelope<'_>`, or `key: &str` for the text of the aggregate's id alone, then if wanted the writer, as `&Transaction<'_>`; returns nothing or a `Result<(), _>` |
/// | `#[react]` | `fn name(&self, event: &E)`, then if wanted `envelope: &Envelope<'_>` or `key: &str`, then if wanted `delivery: &Delivery`; returns nothing or a `Result<(), _>` |
#[proc_macro_attribute]
pub fn handlers(arguments: TokenStream, item: TokenStream) -> TokenStream {
    errors::collect_beside(item.into(), |item, errors| {
        model::Handlers::parse(arguments.into(), item, errors).map(|model| expand::handlers(&model))
    })
    .into()
}

/// Marks a method in a `#[handlers]` block that decides on a command.
#[proc_macro_attribute]
pub fn execute(_: TokenStream, item: TokenStream) -> TokenStream {
    errors::outside_handlers("execute", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that changes an aggregate's state as an event says.
#[proc_macro_attribute]
pub fn apply(_: TokenStream, item: TokenStream) -> TokenStream {
    errors::outside_handlers("apply", item.into()).into()
}

/// Marks a function in a `#[handlers]` block that says what a retired event has become.
#[proc_macro_attribute]
pub fn upcast(_: TokenStream, item: TokenStream) -> TokenStream {
    errors::outside_handlers("upcast", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that changes a view as an event says.
#[proc_macro_attribute]
pub fn project(_: TokenStream, item: TokenStream) -> TokenStream {
    errors::outside_handlers("project", item.into()).into()
}

/// Marks a method in a `#[handlers]` block that does what there is to do after an event.
#[proc_macro_attribute]
pub fn react(_: TokenStream, item: TokenStream) -> TokenStream {
    errors::outside_handlers("react", item.into()).into()
}
