//! The rules: what an item must be like. Each says what is wrong, where, and what to write instead.
//!
//! One function for each kind of item takes its syntax and returns the checked model, with all that is derived from it
//! (versions, shapes). The model borrows the tokens of the syntax, so that errors of rustc have their caret there.

mod aggregate;
mod application;
mod command;
mod event;
mod handlers;
mod history;
mod id;
mod items;
mod json_name;
mod list;
mod process;
mod projection;
mod recorded;
mod schema;
mod shape;
mod snapshot;
mod structure;
mod underived;
mod version;
mod whole_history;

pub(crate) use self::aggregate::{Aggregate, aggregate};
pub(crate) use self::application::{Application, Follower, Kind, Letters, Member, application};
pub(crate) use self::command::{Command, IdSource, command};
pub(crate) use self::event::{Event, event};
pub(crate) use self::handlers::{Handler, Handlers, handlers};
pub(crate) use self::history::{ChangeKind, Conversion, Field};
pub(crate) use self::id::{AggregateId, aggregate_id};
pub(crate) use self::list::Listed;
pub(crate) use self::process::{Process, RoutedEvent};
pub(crate) use self::projection::{Product, Projection, Target, projection};
pub(crate) use self::schema::{Schema, event_schema};
pub(crate) use self::shape::ShapeField;
pub(crate) use self::snapshot::Snapshot;
pub(crate) use self::structure::{Form, OPTIONAL, Structure, StructureFields, Tagging, form, has};
pub(crate) use self::underived::forgotten;
pub(crate) use self::version::{FieldAt, StoredField, Version, old_type};
