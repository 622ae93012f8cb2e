//! PostgreSQL: the store in a schema of a server's database.

pub(crate) mod server;
pub(crate) mod store;
mod transaction;

/// The client of the server that factum is built with, for statements of the program's own.
pub use tokio_postgres;

pub use self::server::error::ConnectError;
pub use self::server::options::{Durability, PostgresOptions};
pub use self::store::PostgresStore;
pub use self::transaction::PostgresTransaction;
