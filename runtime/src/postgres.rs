//! PostgreSQL: the store in a schema of a server's database.

pub(crate) mod server;
pub(crate) mod store;

pub use self::server::error::ConnectError;
pub use self::server::options::{Durability, PostgresOptions};
pub use self::store::PostgresStore;
