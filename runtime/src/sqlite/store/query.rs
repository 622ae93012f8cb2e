//! Queries of the program, on one state of the file.

use rusqlite::Connection;

use crate::sqlite::file::readers::in_read_transaction;
use crate::sqlite::store::SqliteStore;
use crate::store::error::StoreError;

impl SqliteStore {
    /// Runs `read` in a transaction that only reads, such as queries on the tables of projections. All reads
    /// see one state.
    ///
    /// A store in memory has one connection: there, `read` must not use the store in any other way, nor wait
    /// for a thread that does.
    ///
    /// Fails if `read` fails, or tries to write.
    pub fn query<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, QueryError> {
        self.with_reader(
            |connection| in_read_transaction(connection, read).map_err(QueryError::Sqlite),
            QueryError::Store,
        )
    }
}

/// Why a query failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// SQLite's error in the query.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The store has no connection for the query.
    #[error(transparent)]
    Store(StoreError),
}
