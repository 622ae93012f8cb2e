//! The store in a SQLite file.

mod append;
mod connections;
mod failure;
mod open;
mod read;
mod schema;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use self::connections::Readers;
pub(crate) use self::failure::store_error;
pub use self::open::{Durability, OpenError, SqliteOptions};
pub(crate) use self::read::{position, read_all};
use super::{Append, Appended, EventStore, Filter, Visit, check_appends};
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;

/// How often [`SqliteStore::wait_for`](EventStore::wait_for) looks for what other processes have appended.
const FOREIGN_APPENDS: Duration = Duration::from_millis(20);

/// A store in one SQLite file, for any number of threads and processes at once.
///
/// An append is one transaction and, by default, on the disk before it returns: the write-ahead log is synchronized at
/// each commit (`synchronous = FULL`). [`SqliteOptions`] can relax that. Reading uses connections of its own, so
/// readers never wait for a writer nor a writer for readers.
///
/// Clones share one store.
///
/// ```
/// use factum::prelude::*;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("bank.db");
/// let store = SqliteStore::open(&path)?;
/// assert_eq!(store.position()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    writer: Mutex<Connection>,
    readers: Readers,
    /// Counts this process's appends; behind `appended`, for those who wait.
    appends: Mutex<u64>,
    appended: Condvar,
}

impl SqliteStore {
    /// Opens the store in this file, and makes the file if there is none.
    ///
    /// Fails, with nothing changed, if the file is not a database, is another program's, was written by a newer
    /// factum, or can't be written to; see [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::new().open(path)
    }

    /// A store in memory, gone with its last clone.
    pub fn in_memory() -> Result<Self, OpenError> {
        SqliteOptions::new().in_memory()
    }

    /// Runs `read` on a connection that only reads: for the tables of projections.
    ///
    /// What is read in one call is of one moment only if `read` begins a transaction.
    pub fn query<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        match &self.shared.readers {
            Readers::Pool(pool) => pool.with(read, |error| error),
            Readers::Writer => read(&self.writer()),
        }
    }

    fn new(writer: Connection, readers: Readers) -> Self {
        let shared =
            Shared { writer: Mutex::new(writer), readers, appends: Mutex::new(0), appended: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// The one connection that writes.
    ///
    /// A projection's handler may panic while this is held. Its transaction is rolled back as the panic passes, so
    /// what it leaves behind is whole.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Connection> {
        self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `read` on a connection that is not in use by anybody else.
    fn with_reader<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match &self.shared.readers {
            Readers::Pool(pool) => pool.with(read, store_error),
            Readers::Writer => read(&self.writer()),
        }
    }

    fn read_pages(
        &self,
        pages: impl read::Pages,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        match &self.shared.readers {
            Readers::Pool(pool) => {
                pool.with(|connection| read::lend(connection, pages, limit, visit), store_error)
            }
            // The visitor may want to append: it gets copies, and the writer is free meanwhile.
            Readers::Writer => read::copy(|| self.writer(), pages, limit, visit),
        }
    }
}

impl EventStore for SqliteStore {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        check_appends(appends)?;
        let appended = append::append(&mut self.writer(), appends)?;
        *self.shared.appends.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.shared.appended.notify_all();
        Ok(appended)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.read_pages(read::StreamPages::new(stream, after), limit, visit)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.read_pages(read::AllPages::new(filter, after), limit, visit)
    }

    fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
        self.with_reader(|connection| read::stream_version(connection, stream))
    }

    fn position(&self) -> Result<u64, StoreError> {
        self.with_reader(position)
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        let started = Instant::now();
        // Held from the look at the store to the wait: an append between the two can't go unnoticed.
        let mut appends = self.shared.appends.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now_at = self.position()?;
            let left = timeout.saturating_sub(started.elapsed());
            if now_at >= position || left.is_zero() {
                return Ok(now_at);
            }
            let waited = self.shared.appended.wait_timeout(appends, left.min(FOREIGN_APPENDS));
            appends = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
