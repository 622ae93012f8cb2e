//! Parses an item into typed parts, with spans.
//!
//! There are no rules here. This stage and `attributes` report errors of form, `rules` reports errors of meaning.

mod aggregate;
mod application;
mod by_hand;
mod command;
mod derives;
mod enclosing;
mod event;
mod handlers;
mod history;
mod id;
mod impl_block;
mod lints;
mod module;
mod process;
mod projection;
mod schema;
mod serde;
mod signature;
mod snapshot;
mod types;

pub(crate) use self::aggregate::{AggregateSyntax, GeneratedEnum, ListedSyntax, Retired};
pub(crate) use self::application::{ApplicationSyntax, FollowerSyntax, PartSyntax, RoleSyntax};
pub(crate) use self::command::{CommandFieldSyntax, CommandSyntax};
pub(crate) use self::derives::derives_of;
pub(crate) use self::enclosing::BlockAround;
pub(crate) use self::event::EventSyntax;
pub(crate) use self::handlers::{HandlersSyntax, MethodSyntax};
pub(crate) use self::history::{
    ChangeKindSyntax, ChangeSyntax, FieldSyntax, HistorySyntax, PreviousSyntax, RemovedSyntax,
};
pub(crate) use self::id::AggregateIdSyntax;
pub(crate) use self::impl_block::ImplBlock;
pub(crate) use self::lints::allowed_lints;
pub(crate) use self::module::{Lacking, Underived, lacks_key, underived, underived_field, underived_self};
pub(crate) use self::process::{ProcessSyntax, Route, RoutedSyntax, SentSyntax};
pub(crate) use self::projection::{ProductSyntax, ProjectionSyntax};
pub(crate) use self::schema::SchemaSyntax;
pub(crate) use self::serde::{SerdeOption, serde_options};
pub(crate) use self::snapshot::SnapshotSyntax;
pub(crate) use self::types::{
    all_fields, bare_type, find_part, has_word, object_name, type_name, type_parts, type_text, ungrouped,
};
pub(crate) use crate::attributes::{Given, List};
