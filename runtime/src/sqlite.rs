//! SQLite: the store in a file, and views, reactions and their progress beside the events.

pub(crate) mod file;
mod keeps;
pub(crate) mod process;
pub(crate) mod progress;
pub(crate) mod projection;
pub(crate) mod reaction;
pub(crate) mod store;
mod timers;

/// The rusqlite that factum is built with, for projections' handlers and queries.
pub use rusqlite;

pub use self::file::maintenance::{BackupError, BackupProgress, WalCheckpoint};
pub use self::file::open::{Durability, OpenError, SqliteOptions};
pub use self::process::SqliteProcess;
pub use self::projection::SqliteProjection;
pub use self::projection::inline::OnNewerVersion;
pub use self::projection::serving::ServingView;
pub use self::projection::target::Sqlite;
pub use self::projection::view_transaction::ViewTransaction;
pub use self::reaction::SqliteReaction;
pub use self::store::SqliteStore;
pub use self::store::check::Damage;
pub use self::store::hooks::InlineView;
pub use self::store::query::QueryError;
