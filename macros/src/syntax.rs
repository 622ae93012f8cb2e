//! What the macros read of an item: its options and parts, typed, with spans. No rules: what is wrong in form is
//! reported here or in `attributes`, what is wrong in meaning in `rules`.

mod aggregate;
mod command;
mod event;
mod handlers;
mod history;
mod id;
mod impl_block;
mod projection;
mod schema;
mod serde;
mod signature;
mod snapshot;
mod types;

pub(crate) use self::aggregate::{AggregateSyntax, GeneratedEnum, ListedSyntax, Retired};
pub(crate) use self::command::{CommandFieldSyntax, CommandSyntax};
pub(crate) use self::event::EventSyntax;
pub(crate) use self::handlers::{HandlersSyntax, MethodSyntax};
pub(crate) use self::history::{
    ChangeKindSyntax, ChangeSyntax, FieldSyntax, HistorySyntax, PreviousSyntax, RemovedSyntax,
};
pub(crate) use self::id::AggregateIdSyntax;
pub(crate) use self::impl_block::ImplBlock;
pub(crate) use self::projection::{ProductSyntax, ProjectionSyntax};
pub(crate) use self::schema::SchemaSyntax;
pub(crate) use self::serde::SerdeOption;
pub(crate) use self::snapshot::SnapshotSyntax;
pub(crate) use self::types::{type_parts, type_text};
pub(crate) use crate::attributes::{Given, List};
