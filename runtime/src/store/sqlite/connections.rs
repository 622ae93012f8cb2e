//! The connections that read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::open::SqliteOptions;

/// How many connections stay open with nothing to do. More may be in use at once; they are closed when done.
const IDLE: usize = 32;

/// Where reading happens.
pub(super) enum Readers {
    /// On connections of its own.
    Pool(Pool),
    /// On the writing connection: a database in memory has no other.
    Writer,
}

pub(super) struct Pool {
    path: PathBuf,
    options: SqliteOptions,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(path: PathBuf, options: SqliteOptions) -> Self {
        Self { path, options, idle: Mutex::new(Vec::new()) }
    }

    /// Runs `read` on a connection that nobody else uses meanwhile; `failed` says what it means if there is none.
    pub(super) fn with<T, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
        failed: impl FnOnce(rusqlite::Error) -> E,
    ) -> Result<T, E> {
        let idle = self.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.options.reader(&self.path).map_err(failed)?,
        };
        // If `read` panics, the connection is closed rather than handed on.
        let result = read(&connection);
        let mut idle = self.lock();
        // One that was left inside a transaction would show its next user the past.
        if connection.is_autocommit() && idle.len() < IDLE {
            idle.push(connection);
        }
        result
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Runs `read` in a transaction, and ends that whatever becomes of it; nothing can be written meanwhile.
pub(super) fn snapshot<T>(
    connection: &Connection,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    struct ReadOnly<'c>(&'c Connection, bool);

    impl Drop for ReadOnly<'_> {
        fn drop(&mut self) {
            // Both can fail only if the connection is beyond use, and then its next user is told.
            if !self.0.is_autocommit() {
                let _ = self.0.execute_batch("ROLLBACK");
            }
            let _ = self.0.pragma_update(None, "query_only", self.1);
        }
    }

    // The writer of a store in memory may write; the readers of a file may not anyway.
    let before = connection.pragma_query_value(None, "query_only", |row| row.get(0))?;
    let read_only = ReadOnly(connection, before);
    connection.pragma_update(None, "query_only", true)?;
    connection.execute_batch("BEGIN")?;
    read(read_only.0)
}
