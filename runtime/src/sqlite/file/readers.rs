//! The connections that read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;

use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::open::SqliteOptions;
use crate::sqlite::file::opened::OpenedFile;
use crate::store::error::StoreError;
use crate::store::lock::lock;

/// How many idle connections stay open. More may be in use at once; the rest are closed after use.
const MOST_IDLE: usize = 32;

/// The connections that a store reads on.
pub(crate) enum Readers {
    /// Connections that only read.
    Pool(Arc<Pool>),
    /// The connection that writes: a database in memory has no other.
    Writer,
}

pub(crate) struct Pool {
    path: PathBuf,
    file: Arc<OpenedFile>,
    options: SqliteOptions,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(crate) fn new(path: PathBuf, file: Arc<OpenedFile>, options: SqliteOptions) -> Self {
        Self { path, file, options, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` on a connection that no other thread uses. If none can be opened, `failed` makes the
    /// error.
    pub(crate) fn with<T, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
        failed: impl FnOnce(StoreError) -> E,
    ) -> Result<T, E> {
        match self.take() {
            Ok(connection) => self.lend(connection, read),
            Err(error) => Err(failed(error)),
        }
    }

    /// A connection to the file at the store's path, which is the file of all the others.
    fn take(&self) -> Result<Connection, StoreError> {
        self.file.check_process()?;
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                self.file.check()?;
                self.options.reader(&self.path).map_err(store_error)?
            }
        };
        // A connection that was opened just now could have another file.
        self.file.check()?;
        Ok(connection)
    }

    fn lend<T, E>(
        &self,
        connection: Connection,
        read: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        // If `read` panics, the connection is closed instead of reused.
        let result = read(&connection);
        let mut idle = lock(&self.idle);
        // A connection that is still in a transaction would show its next user an old state.
        if connection.is_autocommit() && idle.len() < MOST_IDLE {
            idle.push(connection);
        }
        result
    }

    /// The longest time between two looks for appends of other processes.
    pub(crate) fn longest_look(&self) -> Duration {
        self.options.longest_look()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(pool) => pool.path.fmt(f),
            Self::Writer => f.write_str("in memory"),
        }
    }
}

/// Runs `read` in a transaction that can't write, and ends the transaction in every case.
pub(crate) fn in_read_transaction<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    struct ReadOnly<'c>(&'c Connection, bool);

    impl Drop for ReadOnly<'_> {
        fn drop(&mut self) {
            // Both fail only on a connection that is beyond use. Its next user gets the error.
            if !self.0.is_autocommit() {
                let _ = self.0.execute_batch("ROLLBACK");
            }
            let _ = self.0.pragma_update(None, "query_only", self.1);
        }
    }

    // The connection of a store in memory has to write again later. The readers of a file never write.
    let before = connection.pragma_query_value(None, "query_only", |row| row.get(0))?;
    let read_only = ReadOnly(connection, before);
    connection.pragma_update(None, "query_only", true)?;
    connection.execute_batch("BEGIN")?;
    read(read_only.0)
}
