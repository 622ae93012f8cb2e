//! PostgreSQL: the store in a schema of a server's database.

mod instances;
mod progress;
pub(crate) mod projection;
pub(crate) mod server;
mod sql;
pub(crate) mod store;
mod timers;
mod transaction;

/// The client of the server that factum is built with, for statements of the program's own.
pub use tokio_postgres;

pub use self::projection::PostgresProjection;
pub use self::projection::target::{Postgres, PostgresTarget};
pub use self::projection::view_transaction::ViewTransaction;
pub use self::server::error::ConnectError;
pub use self::server::options::{Durability, PostgresOptions};
pub use self::store::PostgresStore;
pub use self::transaction::PostgresTransaction;
use crate::follow::stored_process::StoredProcess;
use crate::follow::stored_reaction::StoredReaction;

/// A process whose instances are kept in the schema of a store.
pub type PostgresProcess<P> = StoredProcess<P, PostgresStore>;

/// A reaction whose progress is kept in the schema of a store.
pub type PostgresReaction<R> = StoredReaction<R, PostgresStore>;
