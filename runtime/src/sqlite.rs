//! SQLite: the store in a file, and views, reactions and their progress beside the events.

pub(crate) mod file;
pub(crate) mod instances;
mod keeps;
pub(crate) mod progress;
pub(crate) mod projection;
pub(crate) mod store;
mod timers;

/// The rusqlite that factum is built with, for projections' handlers and queries.
pub use rusqlite;

pub use self::file::maintenance::{BackupError, BackupProgress, WalCheckpoint};
pub use self::file::open::{Durability, OpenError, SqliteOptions};
pub use self::projection::SqliteProjection;
pub use self::projection::target::{Sqlite, SqliteTarget};
pub use self::projection::view_transaction::ViewTransaction;
pub use self::store::SqliteStore;
pub use self::store::check::Damage;
pub use self::store::query::QueryError;
use crate::follow::stored_process::StoredProcess;
use crate::follow::stored_reaction::StoredReaction;

/// A process whose instances are kept in the file of a store.
pub type SqliteProcess<P> = StoredProcess<P, SqliteStore>;

/// A reaction whose progress is kept in the file of a store.
pub type SqliteReaction<R> = StoredReaction<R, SqliteStore>;
