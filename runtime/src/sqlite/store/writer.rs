//! The one connection that writes, and the thread that holds it.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::sqlite::file::handler_sql::{Switched, own_sql};
use crate::store::error::StoreError;
use crate::store::held::Held;
use crate::store::lock::lock;

/// How long the file is left to other processes at least, in a gap between two batches of followers.
const GAP: Duration = Duration::from_micros(300);

/// How long batches follow each other without a gap, if no other process has written of late.
const LONGEST_TURN: Duration = Duration::from_millis(30);

/// For how long another process that has written counts as one that will write again.
const OF_LATE: Duration = Duration::from_secs(1);

/// The one connection that writes, behind a lock that knows its owner.
#[derive(Debug)]
pub(super) struct SharedWriter {
    connection: Mutex<Connection>,
    owner: WriterOwner,
    patience: Duration,
    turns: Mutex<Turns>,
}

/// The turns of followers' batches and of other processes.
///
/// SQLite does not say whether another process waits for the file. A gap after each batch would make catch-ups
/// a sixth slower. So the gaps are rare until another process writes.
#[derive(Debug)]
struct Turns {
    /// When the next batch may begin.
    next_batch: Instant,
    /// How long batches have held the file since the last gap.
    held: Duration,
    /// SQLite's number of the file's content, which changes when another process writes.
    data_version: Option<i64>,
    /// Until when another process is likely to write.
    others_until: Instant,
}

impl SharedWriter {
    /// `patience` is how long a transaction waits for other processes to begin.
    pub(super) fn new(connection: Connection, patience: Duration) -> Self {
        Self {
            connection: Mutex::new(connection),
            owner: WriterOwner::default(),
            patience,
            turns: Mutex::new(Turns::new()),
        }
    }

    /// Whether this thread holds the writer. A second lock would wait for itself.
    pub(super) fn is_held_by_this_thread(&self) -> bool {
        self.owner.is_this_thread()
    }

    /// Waits for the writer. Fails with [`StoreError::Reentrant`] in the thread that holds it.
    pub(super) fn lock(&self) -> Result<Writer<'_>, StoreError> {
        if self.owner.is_this_thread() {
            return Err(StoreError::Reentrant);
        }
        Ok(self.own(lock(&self.connection)))
    }

    /// Waits for the writer, for a batch of a follower: until the gap after the last batch is over.
    ///
    /// The gap lets writers of other processes take their turn, however many workers wait here.
    pub(super) fn lock_for_batch(&self) -> Result<Writer<'_>, StoreError> {
        loop {
            let writer = self.lock()?;
            let wait = lock(&self.turns).next_batch.saturating_duration_since(Instant::now());
            if wait.is_zero() {
                return Ok(writer);
            }
            drop(writer);
            thread::sleep(wait);
        }
    }

    /// Begins a gap, if one is due, after a batch that has held the file for so long. The caller still holds the
    /// writer.
    pub(super) fn end_batch(&self, held: Duration, data_version: Option<i64>) {
        lock(&self.turns).end_batch(held, data_version, Instant::now());
    }

    /// The writer, if no thread holds it.
    pub(super) fn try_lock(&self) -> Option<Writer<'_>> {
        match self.connection.try_lock() {
            Ok(connection) => Some(self.own(connection)),
            Err(TryLockError::Poisoned(poisoned)) => Some(self.own(poisoned.into_inner())),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn own<'s>(&'s self, connection: MutexGuard<'s, Connection>) -> Writer<'s> {
        self.owner.set();
        Writer {
            connection,
            owner: &self.owner,
            patience: self.patience,
            _own_sql: Switched::to_own_sql(),
            _held: Held::new(),
        }
    }
}

impl Turns {
    fn new() -> Self {
        let now = Instant::now();
        Self { next_batch: now, held: Duration::ZERO, data_version: None, others_until: now }
    }

    fn end_batch(&mut self, held: Duration, data_version: Option<i64>, now: Instant) {
        let before = mem::replace(&mut self.data_version, data_version);
        if before.is_some() && before != data_version {
            self.others_until = now + OF_LATE;
        }
        self.held = self.held.saturating_add(held);
        if now < self.others_until || self.held >= LONGEST_TURN {
            self.held = Duration::ZERO;
            self.next_batch = now + GAP.max(held / 16);
        }
    }
}

/// The number of the thread that holds the writer; 0 if none does.
#[derive(Debug, Default)]
struct WriterOwner(AtomicU64);

thread_local! {
    static THREAD: u64 = {
        static THREADS: AtomicU64 = AtomicU64::new(1);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

impl WriterOwner {
    /// Only a thread itself stores its number. If a thread finds its own number, it holds the writer,
    /// whatever other threads store.
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

/// The connection that writes, for as long as this lives.
pub(crate) struct Writer<'s> {
    connection: MutexGuard<'s, Connection>,
    owner: &'s WriterOwner,
    patience: Duration,
    /// The handler of another store may have led here.
    _own_sql: Switched,
    _held: Held,
}

impl Writer<'_> {
    /// Begins a write transaction, and waits while another process has one. Fails with `SQLITE_BUSY` after
    /// the store's busy timeout.
    ///
    /// The transaction is immediate: one that begins as a reader can't write after another process has
    /// written.
    ///
    /// SQLite's own busy handler looks at the file again after up to 100 milliseconds, and so misses the short
    /// gaps that a catch-up leaves between its transactions. This waiter does not.
    pub(crate) fn begin(&self) -> rusqlite::Result<Transaction<'_>> {
        self.begin_with(|connection| Transaction::new_unchecked(connection, TransactionBehavior::Immediate))
    }

    /// Begins a transaction as [`begin`](Self::begin) does, by a statement that is compiled once.
    pub(super) fn begin_cached(&self) -> rusqlite::Result<Begun<'_>> {
        self.begin_with(|connection| {
            connection.prepare_cached(own_sql!("BEGIN IMMEDIATE"))?.execute(())?;
            Ok(Begun(connection))
        })
    }

    /// Begins a transaction as [`begin`](Self::begin) does, by a function that takes the file's lock.
    pub(crate) fn begin_with<'w, T>(
        &'w self,
        mut take_lock: impl FnMut(&'w Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let mut waiting_since = None;
        let begun = loop {
            let error = match take_lock(&self.connection) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => error,
                begun => break begun,
            };
            let waited = waiting_since.get_or_insert_with(Instant::now).elapsed();
            if waited >= self.patience {
                break Err(error);
            }
            thread::sleep(until_next_look(waited));
        };
        self.connection.busy_timeout(self.patience)?;
        begun
    }
}

/// A transaction that has begun, and is rolled back at the end of this unless it is committed.
pub(super) struct Begun<'w>(&'w Connection);

impl Deref for Begun<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.0
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        // Fails only on a connection that is beyond use. Its next user gets the error.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// How long a waiter for the file sleeps before it looks again.
///
/// In the first second less than [`GAP`], so that it looks in each gap. Later, another program holds the file
/// for long.
fn until_next_look(waited: Duration) -> Duration {
    (waited / 1_000).clamp(GAP * 2 / 3, GAP * 20)
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
        self.owner.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is a gap after a batch of 10 milliseconds.
    fn has_gap(turns: &mut Turns, data_version: i64, now: Instant) -> bool {
        turns.next_batch = now;
        turns.end_batch(Duration::from_millis(10), Some(data_version), now);
        turns.next_batch > now
    }

    #[test]
    fn gaps_are_rare_until_another_process_writes() {
        let mut turns = Turns::new();
        let now = Instant::now();
        let alone: Vec<_> = (0..6).map(|_| has_gap(&mut turns, 7, now)).collect();
        assert_eq!(alone, [false, false, true, false, false, true]);
        // The content has changed: another process has written.
        assert!((0..3).all(|_| has_gap(&mut turns, 8, now)));
        let later = now + OF_LATE + GAP;
        assert_eq!([8, 8, 8].map(|version| has_gap(&mut turns, version, later)), [false, false, true]);
    }

    #[test]
    fn a_waiter_looks_in_each_gap() {
        for waited in [Duration::ZERO, Duration::from_millis(40), Duration::from_millis(300)] {
            assert!(until_next_look(waited) <= GAP, "{waited:?}");
        }
    }
}
