//! The store in a SQLite file.

mod append;
mod connections;
mod failure;
mod open;
mod read;
mod schema;

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use self::connections::Readers;
pub(crate) use self::failure::store_error;
pub use self::open::{Durability, OpenError, SqliteOptions};
use self::read::position;
pub(crate) use self::read::read_all;
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
    /// The thread that holds the writer: if it asks once more, it would wait for itself.
    held_by: Mutex<Option<ThreadId>>,
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

    /// Runs `read` in a transaction that only reads: for the tables of projections. All that it reads is of one moment.
    ///
    /// A store in memory has one connection: there, `read` must not use the store in any other way, nor may anybody it
    /// waits for.
    ///
    /// Fails if `read` does, or writes.
    pub fn query<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, QueryError> {
        self.with_reader(
            |connection| connections::snapshot(connection, read).map_err(QueryError::Sqlite),
            QueryError::Store,
        )
    }

    fn new(writer: Connection, readers: Readers) -> Self {
        let shared = Shared {
            writer: Mutex::new(writer),
            held_by: Mutex::new(None),
            readers,
            appends: Mutex::new(0),
            appended: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The one connection that writes.
    ///
    /// A projection's handler may panic while this is held. Its transaction is rolled back as the panic passes, so
    /// what it leaves behind is whole.
    ///
    /// Fails with [`StoreError::Reentrant`] in a thread that holds it already.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        if *lock(&self.shared.held_by) == Some(thread::current().id()) {
            return Err(StoreError::Reentrant);
        }
        let connection = lock(&self.shared.writer);
        *lock(&self.shared.held_by) = Some(thread::current().id());
        Ok(Writer { connection, held_by: &self.shared.held_by })
    }

    /// Runs `read` on a connection that is not in use by anybody else.
    pub(crate) fn with_reader<T, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
        failed: impl FnOnce(StoreError) -> E,
    ) -> Result<T, E> {
        match &self.shared.readers {
            Readers::Pool(pool) => pool.with(read, |error| failed(store_error(error))),
            Readers::Writer => match self.writer() {
                Ok(writer) => read(&writer),
                Err(error) => Err(failed(error)),
            },
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
        let Some(first) = appends.first() else {
            return Ok(Appended { first_position: 0, versions: Vec::new() });
        };
        let mut writer = self.writer().map_err(|error| AppendError::store(first.stream, error))?;
        let appended = append::append(&mut writer, appends)?;
        drop(writer);
        *lock(&self.shared.appends) += 1;
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
        self.with_reader(|connection| read::stream_version(connection, stream), |error| error)
    }

    fn position(&self) -> Result<u64, StoreError> {
        self.with_reader(position, |error| error)
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        let started = Instant::now();
        loop {
            // The lock is not held while the store is looked at: appends take it. One that comes between the look and
            // the wait has moved the count.
            let appends_before = *lock(&self.shared.appends);
            let now_at = self.position()?;
            let left = timeout.saturating_sub(started.elapsed());
            if now_at >= position || left.is_zero() {
                return Ok(now_at);
            }
            let appends = lock(&self.shared.appends);
            if *appends == appends_before {
                drop(self.shared.appended.wait_timeout(appends, left.min(FOREIGN_APPENDS)));
            }
        }
    }
}

/// The connection that writes, for the time that this lives.
pub(crate) struct Writer<'s> {
    connection: MutexGuard<'s, Connection>,
    held_by: &'s Mutex<Option<ThreadId>>,
}

impl Deref for Writer<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Writer<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        *lock(self.held_by) = None;
    }
}

/// Why a query gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// What was asked failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// There was no connection to ask.
    #[error(transparent)]
    Store(StoreError),
}

/// What is behind a lock is whole whatever happened to whom held it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
