//! What the macros know of an item: its options and parts, typed, with spans.

mod aggregate;
mod command;
mod event;
mod handlers;
mod history;
mod id;
mod past;
mod projection;
mod schema;
pub(crate) mod serde;
mod shape;
mod snapshot;

pub(crate) use self::aggregate::{Aggregate, GeneratedEnum, Listed, Retired};
pub(crate) use self::command::{Command, Which};
pub(crate) use self::event::Event;
pub(crate) use self::handlers::{Handler, Handlers, Marker, Receiver};
pub(crate) use self::history::{Change, ChangeKind, Conversion, Field, History, Removed};
pub(crate) use self::id::AggregateId;
pub(crate) use self::past::{Past, old_type};
pub(crate) use self::projection::{Makes, Projection};
pub(crate) use self::schema::Schema;
pub(crate) use self::shape::{ShapeField, shape, type_parts, type_text};
pub(crate) use self::snapshot::Snapshot;
