//! TUTORIAL PLACEHOLDER

#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate self as factum;

mod aggregate;
mod command;
mod encode;
mod error;
mod event;
mod events;
mod id;
mod metadata;
mod options;
#[doc(hidden)]
pub mod private;
mod projection;
mod replay;
mod repository;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod time;
mod unit_of_work;

pub use factum_macros::{
    Aggregate, AggregateId, Command, Event, Projection, apply, execute, handlers, project,
};

pub use self::aggregate::{Aggregate, Apply, Emits, Execute};
pub use self::command::{Accepts, Command};
pub use self::error::{AppendError, BoxError, Conflict, ExecuteError, LoadError, ReadError, StoreError};
pub use self::event::{DecodeError, EncodeError, Event, EventKind, EventSet};
pub use self::events::{Events, IntoEvents};
pub use self::id::{AggregateId, InvalidId, StreamId};
pub use self::metadata::{Cause, Envelope, Metadata, Recorded};
pub use self::options::{Attempts, ExecuteOptions, Once, Retry};
pub use self::projection::{
    CaughtUp, Follows, Memory, MemoryProjection, Project, ProjectError, Projection, ProjectionError, Target,
    Writer,
};
#[cfg(feature = "sqlite")]
pub use self::projection::{Sqlite, SqliteProjection};
pub use self::repository::{BatchError, Executed, History, Loaded, Repository};
#[cfg(feature = "sqlite")]
pub use self::store::SqliteStore;
pub use self::store::{
    Append, Appended, EventStore, ExpectedVersion, Filter, MemoryStore, NewEvent, StoredEvent, Visit,
    check_appends,
};
pub use self::time::{InvalidTimestamp, Moment, Timestamp};
pub use self::unit_of_work::{Committed, UnitOfWork};
/// Ids of events, correlations and causations.
pub use uuid::Uuid;

/// The SQLite store and its options.
#[cfg(feature = "sqlite")]
pub mod sqlite {
    pub use crate::store::SqliteStore;
    pub use crate::store::sqlite::{Durability, OpenError, SqliteOptions};
    /// The rusqlite that factum is built with, for projections' handlers and queries.
    pub use rusqlite;
}

/// What most files of a domain need: `use factum::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Aggregate, AggregateId, Apply, BoxError, Command, Envelope, Event, EventStore, Events, Execute,
        MemoryProjection, MemoryStore, Project, Projection, Repository, Timestamp, apply, execute, handlers,
        project,
    };
    #[cfg(feature = "sqlite")]
    pub use crate::{Sqlite, SqliteProjection, SqliteStore};
}
