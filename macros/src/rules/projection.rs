//! What a projection, a reaction or a process must be like.

use proc_macro2::TokenStream;
use syn::{Ident, LitStr, Path, Type};

use super::items;
use super::list;
use super::process::{Process, process};
use super::underived;
use crate::errors::{Errors, shown};
use crate::syntax::{
    Given, Lacking, List, ListedSyntax, ProductSyntax, ProjectionSyntax, SentSyntax, type_name,
};

pub(crate) struct Projection<'s> {
    pub(crate) syntax: &'s ProjectionSyntax<'s>,
    /// Empty if the list is missing or has an error, which is reported.
    pub(crate) events: Vec<&'s Path>,
    /// The types of aggregates in `from(..)`. Empty, as `categories`, if the list is missing or has an error, which is reported.
    pub(crate) aggregates: Vec<&'s Path>,
    /// The categories in `from(..)` that are given as text.
    pub(crate) categories: Vec<&'s LitStr>,
    /// The listed types that lack their derive, which is reported.
    pub(crate) underived: Vec<Lacking<'s>>,
    /// Whether several workers can share it.
    pub(crate) is_partitioned: bool,
    pub(crate) product: Product<'s>,
    /// Whether its impls can be made.
    pub(crate) is_valid: bool,
}

/// What comes of the events.
pub(crate) enum Product<'s> {
    View {
        version: u32,
        into: Target<'s>,
        init: Option<&'s TokenStream>,
    },
    /// The commands that a reaction gives.
    SideEffects {
        commands: Vec<&'s SentSyntax>,
    },
    Commands(Process<'s>),
}

/// What a view is kept in.
pub(crate) enum Target<'s> {
    Memory,
    Type(&'s Type),
    /// What is written is not possible, which is reported.
    Unknown,
}

pub(crate) fn projection<'s>(syntax: &'s ProjectionSyntax<'s>, errors: &mut Errors) -> Projection<'s> {
    let (attribute, mut product) = match &syntax.product {
        ProductSyntax::View { version, into, init } => {
            let version = items::version(version.as_ref(), errors).unwrap_or(1);
            let into = target(into, errors);
            if let (Target::Memory, Some(init)) = (&into, init) {
                let message = "a view in memory has no tables: write `into = Sqlite`, or `into = Sql` for any database, or \
                               leave out `init`";
                errors.at(init, message);
            }
            ("projection", Product::View { version, into, init: init.as_ref() })
        }
        ProductSyntax::SideEffects { commands } => {
            ("reaction", Product::SideEffects { commands: given(commands, errors) })
        }
        ProductSyntax::Commands(own) => ("process", Product::Commands(process(syntax, own, errors))),
    };
    if !matches!(product, Product::Commands(_)) {
        lists_are_there(syntax, attribute, errors);
    }
    let events = list::distinct(&syntax.events, "AccountOpened", |event| &event.path, errors);
    for ListedSyntax { path, variant } in &events {
        // `as` is the only way to another name than the path's last.
        if path.segments.last().is_some_and(|last| last.ident != *variant) {
            let message = format!(
                "a {attribute} has no enum of its events, and so no variant `{variant}`: leave out `as {variant}`"
            );
            errors.at(variant, message);
        }
    }
    let mut events: Vec<_> = events.into_iter().map(|event| &event.path).collect();
    if let Product::Commands(process) = &product {
        events.extend(process.events.iter().map(|event| event.path));
    }
    let from = list::distinct(&syntax.from, "BankAccount", |source| source, errors);
    let aggregates: Vec<_> = from.iter().filter_map(|source| source.aggregate()).collect();
    let enums: Vec<_> = aggregates.iter().map(|path| format!("{}Event", shown(path))).collect();
    if list::has_generated_enum(events.iter().copied(), &enums, errors) {
        clear(&mut events, &mut product);
    }
    let categories: Vec<_> = from.iter().filter_map(|source| source.category()).collect();
    for category in &categories {
        items::name(category, errors);
    }
    let is_partitioned = is_partitioned(syntax.partition_by.as_ref(), errors);
    items::name(&syntax.name, errors);
    let is_valid = items::no_generics(syntax.input, attribute, errors);
    let mut listed: Vec<_> = events.iter().map(|event| (*event, "Event")).collect();
    if let Product::Commands(process) = &product {
        listed.extend(process.timeouts.iter().map(|timeout| (*timeout, "Timeout")));
        if let Some(Type::Path(id)) = process.id {
            listed.push((&id.path, "AggregateId"));
        }
    }
    let has_commands = !matches!(product, Product::View { .. });
    let underived = underived::underived(&syntax.input.ident, &listed, has_commands, errors);
    // Of a list with what belongs into another one, it is not known what it should have.
    if underived.iter().any(|lacking| underived::wrong_list(lacking.derive, &lacking.underived).is_some()) {
        clear(&mut events, &mut product);
    }
    Projection { syntax, events, aggregates, categories, underived, is_partitioned, product, is_valid }
}

/// Forgets the lists: a handler may be for any event.
fn clear(events: &mut Vec<&Path>, product: &mut Product<'_>) {
    events.clear();
    if let Product::Commands(process) = product {
        process.events.clear();
        process.timeouts.clear();
    }
}

/// The commands that a reaction gives.
fn given<'s>(commands: &'s Given<List<SentSyntax>>, errors: &mut Errors) -> Vec<&'s SentSyntax> {
    let commands = list::distinct(commands, "ShipOrder", |command| &command.path, errors);
    for SentSyntax { path, unrefused, .. } in &commands {
        if let Some(unrefused) = unrefused {
            let message = format!(
                "a refusal of `{}` is an error that `delivery.execute(..)` returns: leave out `unrefused`",
                shown(path)
            );
            errors.at(unrefused, message);
        }
    }
    commands
}

/// Types beside views in a program, and no targets.
const MISTAKEN_TARGETS: [&str; 11] = [
    "Connection",
    "InlineProjection",
    "MemoryProjection",
    "MemoryShards",
    "MemoryStore",
    "SqliteProjection",
    "SqliteStore",
    "SqlTransaction",
    "SqlView",
    "Transaction",
    "ViewTransaction",
];

/// What `into = ..` names.
fn target<'s>(into: &'s Given<Type>, errors: &mut Errors) -> Target<'s> {
    let ty = match into {
        Given::Missing => return Target::Memory,
        Given::Invalid => return Target::Unknown,
        Given::Value(ty) => ty,
    };
    let is_mistaken = |name: &Ident| {
        MISTAKEN_TARGETS.iter().any(|other| name == other)
            || name.to_string().starts_with(|first: char| first.is_lowercase())
    };
    if matches!(ty, Type::Path(_)) && !type_name(ty).is_some_and(is_mistaken) {
        return Target::Type(ty);
    }
    let shown = shown(ty);
    errors.at(
        ty,
        format!(
            "a view can't be kept in `{shown}`: write `into = Sqlite`, or `into = Sql` for any database, or leave it out for a \
             view in memory"
        ),
    );
    Target::Unknown
}

/// The two keys that must be there: one error for both.
fn lists_are_there(syntax: &ProjectionSyntax<'_>, attribute: &str, errors: &mut Errors) {
    let ProjectionSyntax { input, events, from, .. } = syntax;
    if from.is_missing() && events.is_missing() {
        list::required(input, attribute, from, "events(AccountOpened, ..), from(BankAccount, ..)", errors);
    } else if from.is_missing() {
        let message = format!(
            "`{}` does not say whose events it reads: write `from(BankAccount, ..)` beside `events(..)`, with the \
             aggregates that have these events",
            input.ident
        );
        errors.at(&syntax.attribute, message);
    } else {
        list::required(input, attribute, events, "events(AccountOpened, ..)", errors);
    }
}

/// Whether several workers can share the work. There is one way to divide it.
fn is_partitioned(by: Option<&Ident>, errors: &mut Errors) -> bool {
    let Some(by) = by else { return false };
    if by != "stream" {
        errors
            .at(by, "events are kept in order by stream, and by nothing else: write `partition_by = stream`");
    }
    true
}
