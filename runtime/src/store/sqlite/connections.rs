//! The connections that read.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use super::open::SqliteOptions;

/// How many connections stay open with nothing to do. More may be in use at once; they are closed when done.
const IDLE: usize = 8;

/// Where reading happens.
#[derive(Debug)]
pub(super) enum Readers {
    /// On connections of its own.
    Pool(Pool),
    /// On the writing connection: a database in memory has no other.
    Writer,
}

#[derive(Debug)]
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
        if idle.len() < IDLE {
            idle.push(connection);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
