//! The store in a SQLite file.

mod all_keys;
mod append;
pub(crate) mod check;
pub(crate) mod checksum;
mod commits;
mod events;
pub(crate) mod hook_batches;
pub(crate) mod hooks;
mod hot_append;
mod keys;
mod known_streams;
pub(crate) mod outbox;
mod packed;
pub(crate) mod query;
pub(crate) mod read;
mod remembered;
mod rows;
mod snapshots;
mod stream_names;
pub(crate) mod timers;
mod wakeups;
mod watched_file;
mod watcher;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use std::{fmt, mem};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::domain::stream_name::StreamName;
use crate::follow::error::FollowError;
use crate::follow::inline::{self, Trouble};
use crate::follow::inline_view::InlineView;
use crate::follow::lease_keeper::LeaseKeeper;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::open::{OpenError, SqliteOptions};
use crate::sqlite::file::opened::OpenedFile;
use crate::sqlite::file::readers::Readers;
use crate::sqlite::file::temporary_files::TemporaryFiles;
use crate::sqlite::store::checksum::{Checksums, StreamHash};
use crate::sqlite::store::hook_batches::BatchTime;
use crate::sqlite::store::hooks::AppendHook;
use crate::sqlite::store::known_streams::KnownStreams;
use crate::sqlite::store::remembered::Remembered;
use crate::sqlite::store::snapshots::SnapshotQueue;
use crate::sqlite::store::wakeups::Wakeups;
use crate::sqlite::store::watched_file::WatchedFile;
use crate::sqlite::store::writer::{SharedWriter, Writer};
use crate::store::error::StoreError;
use crate::store::group_commit::GroupCommit;
use crate::store::lock::lock;
use crate::store::read::Visit;
use crate::store::wakers::Wakers;

/// A store in one SQLite file, for any number of threads and processes at once.
///
/// By default, an append is on the disk before it returns: each commit synchronizes the write-ahead log
/// (`synchronous = FULL`). [`SqliteOptions`] can relax that. Appends of several threads share a commit: one
/// thread commits for all that wait, and each gets a result of its own. Reads use connections of their own,
/// so readers never wait for a writer, nor a writer for readers.
///
/// Clones share one store.
///
/// A store belongs to one file and one process. After a fork, every call in the new process fails with
/// [`StoreError::Forked`], and dropping the store there leaves the file alone. If the file is deleted, moved, replaced
/// or emptied while it is open, calls fail with [`StoreError::Moved`], and nothing is acknowledged. A log that was
/// replaced, or an index of the log that was deleted, is noticed after 10 milliseconds at most.
///
/// The file has one name. With a second one (a hard link), it is refused ([`OpenError::SeveralNames`]): each name would have
/// a write-ahead log of its own. A container gets the folder of the file, not the file alone, for the same reason.
///
/// # Failures of the disk
///
/// * An I/O error of a read, or of an append before its commit, changes nothing.
/// * An I/O error of the commit itself leaves open whether the events are stored: [`StoreError::CommitUnknown`].
/// * After a crash, SQLite reads the write-ahead log up to the first damaged page, by checksums of its own. A
///   bit that has changed in the log takes the commits from there on, although they were acknowledged. Commits
///   before it stay, and no commit is taken in part. [`check`](Self::check) finds what was lost only if
///   something in the file refers to it. Call [`checkpoint_wal`](Self::checkpoint_wal) to keep the log short.
///
/// # Checksums
///
/// Each event is stored with a checksum over its stream's name, position, version, name, event version, payload
/// and metadata. Each read of an event checks it, so a bit that has changed on the disk is a
/// [`StoreError::DamagedEvent`]. A replay checks all but the metadata, which it does not read. Events that
/// a factum without checksums has written have none, until [`vacuum`](Self::vacuum) adds them.
/// [`SqliteOptions::ignore_checksums`] reads without them.
///
/// ```
/// use factum::prelude::*;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("bank.db");
/// let store = SqliteStore::open(&path)?;
/// assert_eq!(store.position()?, factum::Position::START);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    file: Arc<OpenedFile>,
    writer: SharedWriter,
    /// The appends that wait for a commit.
    group: GroupCommit,
    /// What the last commits have shown.
    remembered: Mutex<Remembered>,
    /// Snapshots that the next append writes.
    snapshots: SnapshotQueue,
    /// Code that runs in each append.
    hooks: Mutex<Vec<Box<dyn AppendHook>>>,
    readers: Readers,
    checksums: Checksums,
    /// Renews the leases of followers.
    leases: Arc<LeaseKeeper>,
    /// Wakes the runner of the timers.
    timers: Wakers,
    /// Databases that are removed together with this store.
    temporary: TemporaryFiles,
    /// The streams that the file may have; `None` for a store in memory. Like the last field, it may keep a file open
    /// for as long as SQLite does.
    known_streams: Option<Arc<KnownStreams>>,
    /// Wakes the readers that wait for events. The last field: it may keep a file open for as long as SQLite does.
    wakeups: Arc<Wakeups>,
}

/// Takes no lock, as a handler may print its store. Shows no data.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("readers", &self.readers).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store in this file, and creates the file if there is none.
    ///
    /// Fails if the file is not a database, is another program's, was written by a newer factum, or can't be
    /// written to; see [`OpenError`]. The file is unchanged then.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        SqliteOptions::new().open(path)
    }

    /// A store in memory, which ends with its last clone.
    pub fn in_memory() -> Result<Self, OpenError> {
        SqliteOptions::new().in_memory()
    }

    /// Makes a store from a connection that the program has opened, to a database with tables of its own; see
    /// [`SqliteOptions::from_connection`].
    pub fn from_connection(connection: Connection) -> Result<Self, OpenError> {
        SqliteOptions::new().from_connection(connection)
    }

    /// The path of the store's file; `None` if the store is in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.shared.readers {
            Readers::Pool(pool) => Some(pool.path()),
            Readers::Writer => None,
        }
    }

    /// The inline views of this store and its clones, and whether each is current.
    ///
    /// An append may be stored without an inline view, such as after a newer program has written an event that
    /// this one can't read; see [`SqliteProjection::inline`](crate::sqlite::SqliteProjection::inline).
    ///
    /// Fails with [`StoreError::Reentrant`] in a handler that holds the store, and if the store can't be read.
    pub fn inline_views(&self) -> Result<Vec<InlineView>, StoreError> {
        inline::views(self)
    }

    /// The hooks of appends, each with the reason why it is behind.
    pub(crate) fn hook_troubles(&self) -> Result<Vec<Trouble>, StoreError> {
        if self.shared.writer.is_held_by_this_thread() {
            return Err(StoreError::Reentrant);
        }
        // A thread of another process may hold the lock.
        self.shared.file.check_process()?;
        Ok(self.append_hooks().iter().map(|hook| (hook.name(), hook.trouble())).collect())
    }

    /// Takes the hook with this name out of later appends. In a hook of an append, and after a fork, nothing happens.
    pub(crate) fn remove_hook(&self, name: &str) {
        if self.shared.writer.is_held_by_this_thread() || self.shared.file.check_process().is_err() {
            return;
        }
        let mut hooks = self.append_hooks();
        let removed = hooks.iter().position(|hook| hook.name() == name).map(|index| hooks.remove(index));
        // The user's code may run as it is dropped.
        drop(hooks);
        drop(removed);
    }

    /// Removes the database at `path` when the last clone of the store is dropped.
    pub(crate) fn remove_on_drop(&self, path: PathBuf) {
        self.shared.temporary.add(path);
    }

    pub(super) fn new(
        writer: Connection,
        file: Arc<OpenedFile>,
        readers: Readers,
        patience: Duration,
        checksums: Checksums,
    ) -> Self {
        let watched = match &readers {
            Readers::Pool(pool) => {
                let reader = Arc::clone(pool);
                let position = Box::new(move || reader.with(read::position, |error| error));
                Some(WatchedFile::new(pool.path(), pool.longest_look(), position))
            }
            Readers::Writer => None,
        };
        let known_streams = match &readers {
            Readers::Pool(pool) => Some(Arc::new(KnownStreams::new(pool.path()))),
            Readers::Writer => None,
        };
        let shared = Shared {
            file,
            writer: SharedWriter::new(writer, patience),
            group: GroupCommit::default(),
            remembered: Mutex::new(Remembered::new(known_streams.clone())),
            known_streams,
            snapshots: SnapshotQueue::default(),
            hooks: Mutex::default(),
            wakeups: Arc::new(Wakeups::new(watched)),
            readers,
            checksums,
            leases: Arc::default(),
            timers: Wakers::default(),
            temporary: TemporaryFiles::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The one connection that writes.
    ///
    /// User code may panic while the writer is held. The panic rolls the transaction back, so the database
    /// stays consistent.
    ///
    /// Fails with [`StoreError::Reentrant`] in a thread that already holds the writer, and if the store no
    /// longer has its file.
    pub(crate) fn writer(&self) -> Result<Writer<'_>, StoreError> {
        self.shared.file.check()?;
        self.shared.writer.lock()
    }

    /// Runs a batch of a follower in a write transaction, which an error or a panic rolls back.
    ///
    /// Between batches, writers of other processes get the file.
    pub(crate) fn in_batch<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        let sqlite_failed = |error| failed(store_error(error));
        self.shared.file.check().map_err(&failed)?;
        let writer = self.shared.writer.lock_for_batch().map_err(&failed)?;
        let transaction = writer.begin().map_err(sqlite_failed)?;
        let begun = Instant::now();
        let data_version = transaction
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row((), |row| row.get(0)));
        let result = work(&transaction).and_then(|result| {
            transaction.commit().map_err(sqlite_failed)?;
            if let Some(known_streams) = &self.shared.known_streams {
                known_streams.passed();
            }
            self.shared.file.check().map_err(&failed)?;
            Ok(result)
        });
        self.shared.writer.end_batch(begun.elapsed(), data_version.ok());
        result
    }

    /// Runs `work` while no other thread of this process writes, in a transaction that only reads: another process may
    /// hold the file meanwhile.
    pub(crate) fn beside_other_processes<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        let writer = self.writer().map_err(&failed)?;
        let transaction = Transaction::new_unchecked(&writer, TransactionBehavior::Deferred);
        work(&transaction.map_err(|error| failed(store_error(error)))?)
    }

    /// Lets the hooks catch up with other writers, in batches. No batch begins after a time.
    pub(super) fn catch_hooks_up(
        &self,
        time: &mut BatchTime,
        until: Option<Instant>,
    ) -> Result<(), StoreError> {
        hook_batches::catch_up(
            time,
            until,
            || self.append_hooks(),
            |work| self.in_batch(|transaction| work(transaction), FollowError::store("a hook")),
        )
    }

    /// The wakers of the timers' runner.
    pub(crate) fn timer_wakers(&self) -> &Wakers {
        &self.shared.timers
    }

    pub(crate) fn keeper_of_leases(&self) -> &Arc<LeaseKeeper> {
        &self.shared.leases
    }

    /// Commits a transaction that has written no events. It wakes no reader.
    pub(crate) fn commit_quietly(&self, transaction: Transaction<'_>) -> rusqlite::Result<()> {
        self.shared.wakeups.pass_over(|| transaction.commit())
    }

    /// The code that runs in each append. A thread that needs both locks takes the writer first.
    pub(crate) fn append_hooks(&self) -> MutexGuard<'_, Vec<Box<dyn AppendHook>>> {
        lock(&self.shared.hooks)
    }

    /// The one connection that writes, if no thread holds it or is about to commit with it.
    fn idle_writer(&self) -> Option<Writer<'_>> {
        // The other way to read reports the error of the check.
        let usable = !self.shared.group.is_busy() && self.shared.file.check().is_ok();
        if usable { self.shared.writer.try_lock() } else { None }
    }

    /// Whether a stream certainly has no event after a version; `false` if the answer would be expensive.
    ///
    /// The connection that writes has the newest pages in its cache; each append invalidates a reader's
    /// cache.
    fn ends_at(&self, stream: &StreamName, after: u64) -> bool {
        self.idle_writer().is_some_and(|writer| {
            let ends = read::ends_at(&writer, stream, after).unwrap_or(false);
            if ends && after == 0 {
                self.shared.found_no_stream();
            }
            ends
        })
    }

    /// Whether the store certainly has no such stream. Reads no page of the file.
    fn lacks(&self, stream: &StreamName) -> Result<bool, StoreError> {
        let known_streams = self.shared.known_streams.as_ref();
        if !known_streams.is_some_and(|known_streams| known_streams.lack(StreamHash::of(stream))) {
            return Ok(false);
        }
        // What is known may be of a file that is no longer at its path.
        self.shared.file.check()?;
        Ok(true)
    }

    /// Writes the queued snapshots, in a transaction of their own. If a snapshot is lost, it is taken again.
    fn write_snapshots(&self) -> Result<(), StoreError> {
        let writer = self.writer()?;
        self.shared.write_snapshots(&writer).map_err(store_error)
    }

    /// Runs `read` on a connection that no other thread uses.
    pub(crate) fn with_reader<T, E>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, E>,
        failed: impl FnOnce(StoreError) -> E,
    ) -> Result<T, E> {
        match &self.shared.readers {
            Readers::Pool(pool) => pool.with(read, failed),
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
                pool.with(|connection| read::lend(connection, pages, limit, visit), |error| error)
            }
            // The visitor may append, so it gets copies while the writer is free.
            Readers::Writer => read::copy(|| self.writer(), pages, limit, visit),
        }
    }
}

impl Shared {
    /// A read has found no events of a stream.
    fn found_no_stream(&self) {
        if let Some(known_streams) = &self.known_streams {
            known_streams.looked_in_vain();
        }
    }

    fn write_snapshots(&self, writer: &Connection) -> rusqlite::Result<()> {
        let pending = self.snapshots.take();
        if pending.is_empty() {
            return Ok(());
        }
        let transaction = Transaction::new_unchecked(writer, TransactionBehavior::Immediate)?;
        pending.iter().try_for_each(|snapshot| snapshot.write(&transaction))?;
        transaction.commit()
    }
}

/// In a forked process, the connections are leaked: closing them would change the file and free the locks of
/// the process that opened it.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        if self.shared.file.is_forked() {
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.wakeups.close();
        if self.file.check().is_err() {
            return;
        }
        // Do not wait for other processes: a snapshot that can't be written is taken again.
        let Ok(writer) = self.writer.lock() else { return };
        let _ = writer.busy_timeout(Duration::ZERO);
        let _ = self.write_snapshots(&writer);
    }
}
