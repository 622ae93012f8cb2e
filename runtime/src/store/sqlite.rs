//! The store in a SQLite file.

mod append;
mod connections;
mod failure;
mod group;
mod maintenance;
mod names;
mod open;
mod read;
mod schema;
mod scratch;
mod snapshots;

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use self::connections::Readers;
pub(crate) use self::failure::{database_error, store_error};
use self::group::Group;
pub use self::maintenance::{BackupError, BackupProgress, Checkpoint, Damage};
pub use self::open::{Durability, OpenError, SqliteOptions};
pub(crate) use self::read::{position, read_all};
use self::scratch::Scratch;
pub(crate) use self::scratch::remove_database;
use self::snapshots::Pending;
use super::{
    Append, Appended, EventStore, Filter, Outcome, ReplayedEvent, StoredSnapshot, Visit, VisitReplayed,
    VisitSnapshot, check_appends,
};
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;
use crate::projection::{Inline, ProjectionError};
use crate::time::Timestamp;

/// How often [`SqliteStore::wait_for`](EventStore::wait_for) looks for what other processes have appended.
const FOREIGN_APPENDS: Duration = Duration::from_millis(20);

/// A store in one SQLite file, for any number of threads and processes at once.
///
/// An append is, by default, on the disk before it returns: the write-ahead log is synchronized at each commit
/// (`synchronous = FULL`). [`SqliteOptions`] can relax that. Appends of several threads share a commit: whoever gets to
/// write commits for all who wait, and each gets an answer of its own. Reading uses connections of its own, so readers
/// never wait for a writer nor a writer for readers.
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

struct Shared {
    writer: Mutex<Connection>,
    /// Those who want to append.
    group: Group,
    /// Snapshots that the next append takes along.
    pending: Pending,
    /// Projections that are part of each append. Locked by who holds the writer.
    inline: Inlines,
    /// The thread that holds the writer: if it asks once more, it would wait for itself.
    held_by: Holder,
    readers: Readers,
    /// Databases in files that are of no use without this one.
    scratch: Scratch,
    /// For those who wait for events; behind `appended`.
    appends: Mutex<Appends>,
    appended: Condvar,
}

/// The thread that holds the writer, by a number of its own; 0 if none does.
#[derive(Debug, Default)]
struct Holder(AtomicU64);

thread_local! {
    static THREAD: u64 = {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl Holder {
    /// Only a thread itself stores its number, so what it finds of its own is true, whatever others store.
    fn is_this_thread(&self) -> bool {
        self.0.load(Ordering::Relaxed) == THREAD.with(|thread| *thread)
    }

    fn set(&self) {
        self.0.store(THREAD.with(|thread| *thread), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// Projections that are part of each append.
#[derive(Default)]
struct Inlines(Mutex<Vec<Box<dyn Inline>>>);

/// Locks nothing, as a handler may want to print its store; and shows no data.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("readers", &self.readers).finish_non_exhaustive()
    }
}

/// What this process has appended, and who waits for it.
#[derive(Debug, Default)]
struct Appends {
    count: u64,
    waiting: usize,
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

    /// The store in a database that the program has opened, with tables of its own;
    /// see [`SqliteOptions::from_connection`].
    pub fn from_connection(connection: Connection) -> Result<Self, OpenError> {
        SqliteOptions::new().from_connection(connection)
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

    /// Where the store's file is; `None` if it is in memory.
    pub fn path(&self) -> Option<&Path> {
        match &self.shared.readers {
            Readers::Pool(pool) => Some(pool.path()),
            Readers::Writer => None,
        }
    }

    /// Has a database that is of no use without this store go with its last clone.
    pub(crate) fn goes_along(&self, path: PathBuf) {
        self.shared.scratch.add(path);
    }

    fn new(writer: Connection, readers: Readers) -> Self {
        let shared = Shared {
            writer: Mutex::new(writer),
            group: Group::default(),
            pending: Pending::default(),
            inline: Inlines::default(),
            held_by: Holder::default(),
            readers,
            scratch: Scratch::default(),
            appends: Mutex::default(),
            appended: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The one connection that writes.
    ///
    /// Code of the user's that runs while this is held may panic. Its transaction is rolled back as the panic passes, so
    /// what it leaves behind is whole.
    ///
    /// Fails with [`StoreError::Reentrant`] in a thread that holds it already.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        if self.shared.held_by.is_this_thread() {
            return Err(StoreError::Reentrant);
        }
        let connection = lock(&self.shared.writer);
        self.shared.held_by.set();
        Ok(Writer { connection, held_by: &self.shared.held_by })
    }

    /// Makes a projection part of each append, after it has seen everything.
    pub(crate) fn add_inline(&self, mut inline: Box<dyn Inline>) -> Result<(), ProjectionError> {
        let projection = inline.name();
        let failed = |source| ProjectionError::Store { projection, source };
        let writer = self.writer().map_err(failed)?;
        let mut inlines = lock(&self.shared.inline.0);
        if inlines.iter().any(|other| other.name() == projection) {
            return Err(ProjectionError::Registered { projection });
        }
        let sqlite = |error| failed(store_error(error));
        let transaction =
            Transaction::new_unchecked(&writer, TransactionBehavior::Immediate).map_err(sqlite)?;
        inline.project(&transaction)?;
        transaction.commit().map_err(sqlite)?;
        inlines.push(inline);
        Ok(())
    }

    /// The same, if nobody has it, and nobody is about to commit with it.
    fn idle_writer(&self) -> Option<Writer<'_>> {
        if self.shared.group.is_busy() {
            return None;
        }
        let connection = match self.shared.writer.try_lock() {
            Ok(connection) => connection,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        self.shared.held_by.set();
        Some(Writer { connection, held_by: &self.shared.held_by })
    }

    /// Whether a stream certainly has nothing after a version; asked where it costs least.
    ///
    /// The connection that writes has the newest pages in its cache; a reader's cache is void after each append.
    fn ends_at(&self, stream: &StreamId, after: u64) -> bool {
        self.idle_writer().is_some_and(|writer| read::ends_at(&writer, stream, after).unwrap_or(false))
    }

    /// Writes the snapshots that wait, in a transaction of their own. They may be lost: whoever needs one takes it again.
    fn write_snapshots(&self) -> Result<(), StoreError> {
        let writer = self.writer()?;
        self.shared.write_snapshots(&writer).map_err(store_error)
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
        if self.shared.held_by.is_this_thread() {
            return Err(AppendError::store(first.stream, StoreError::Reentrant));
        }
        let answer = self.shared.group.append(appends, |requests| match self.writer() {
            Ok(writer) => {
                let mut inline = lock(&self.shared.inline.0);
                append::commit(&writer, requests, &self.shared.pending.take(), &mut inline)
            }
            Err(_) => unreachable!("asked above: this thread does not have it"),
        });
        if answer.is_ok() {
            let mut appends = lock(&self.shared.appends);
            appends.count += 1;
            // To wake nobody is a system call all the same.
            if appends.waiting > 0 {
                self.shared.appended.notify_all();
            }
        }
        answer
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

    fn replay(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<(), StoreError> {
        if limit == 0 || self.ends_at(stream, after) {
            return Ok(());
        }
        match &self.shared.readers {
            Readers::Pool(pool) => {
                pool.with(|connection| read::replay(connection, stream, after, limit, visit), store_error)
            }
            Readers::Writer => {
                self.read_stream(stream, after, limit, &mut |event| visit(&ReplayedEvent::from(event)))
            }
        }
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
        match self.idle_writer() {
            Some(writer) => read::stream_version(&writer, stream),
            None => self.with_reader(|connection| read::stream_version(connection, stream), |error| error),
        }
    }

    fn position(&self) -> Result<u64, StoreError> {
        self.with_reader(position, |error| error)
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        let started = Instant::now();
        loop {
            // The lock is not held while the store is looked at: appends take it. One that comes between the look and
            // the wait has moved the count.
            let appends_before = lock(&self.shared.appends).count;
            let now_at = self.position()?;
            let left = timeout.saturating_sub(started.elapsed());
            if now_at >= position || left.is_zero() {
                return Ok(now_at);
            }
            let mut appends = lock(&self.shared.appends);
            if appends.count == appends_before {
                appends.waiting += 1;
                let waited = self.shared.appended.wait_timeout(appends, left.min(FOREIGN_APPENDS));
                waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
            }
        }
    }

    fn identity(&self) -> Option<usize> {
        Some(Arc::as_ptr(&self.shared).addr())
    }

    fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError> {
        self.with_reader(|connection| append::outcome(connection, stream, key), |error| error)
    }

    fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError> {
        let forgotten = self
            .writer()?
            .execute("DELETE FROM factum_keys WHERE recorded_at < ?1", [time.as_micros()])
            .map_err(store_error)?;
        Ok(forgotten as u64)
    }

    fn read_snapshot(&self, stream: &StreamId, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        if let Some(pending) = self.shared.pending.find(stream) {
            visit(&pending.lend());
            return Ok(());
        }
        match &self.shared.readers {
            Readers::Pool(pool) => {
                pool.with(|connection| snapshots::read(connection, stream, visit), store_error)
            }
            Readers::Writer => {
                // The visitor may want to use the store: it gets a copy, and the writer is free meanwhile.
                let copies = Pending::default();
                snapshots::read(&*self.writer()?, stream, &mut |snapshot| {
                    let _ = copies.add(stream, snapshot);
                })?;
                copies.take().iter().for_each(|copy| visit(&copy.lend()));
                Ok(())
            }
        }
    }

    /// Kept in memory until the next append takes it along, or many have come together, or the store is closed: no caller
    /// waits for a snapshot to be on the disk.
    fn save_snapshot(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        match self.shared.pending.add(stream, snapshot) {
            Some(false) => Ok(()),
            Some(true) => self.write_snapshots(),
            None => Err(StoreError::Busy),
        }
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let writer = self.writer()?;
        // Those that wait first, so that each stream's counts once. If they can't be written they are gone all the same.
        let _ = self.shared.write_snapshots(&writer);
        let dropped = snapshots::drop_all(&writer, category).map_err(store_error)?;
        Ok(dropped as u64)
    }
}

impl Shared {
    fn write_snapshots(&self, writer: &Connection) -> rusqlite::Result<()> {
        let pending = self.pending.take();
        if pending.is_empty() {
            return Ok(());
        }
        let transaction = append::begin(writer)?;
        pending.iter().try_for_each(|snapshot| snapshot.write(writer))?;
        transaction.commit()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // What can't be written at once is taken again.
        let writer = lock(&self.writer);
        let _ = writer.busy_timeout(Duration::ZERO);
        let _ = self.write_snapshots(&writer);
    }
}

/// The connection that writes, for the time that this lives.
pub(crate) struct Writer<'s> {
    connection: MutexGuard<'s, Connection>,
    held_by: &'s Holder,
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
        self.held_by.clear();
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
