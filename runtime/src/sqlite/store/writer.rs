//! The one connection that writes, and the thread that holds it.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use rusqlite::Connection;

use crate::store::error::StoreError;
use crate::store::lock::lock;

/// The one connection that writes, behind a lock that knows its owner.
#[derive(Debug)]
pub(super) struct SharedWriter {
    connection: Mutex<Connection>,
    owner: WriterOwner,
}

impl SharedWriter {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection: Mutex::new(connection), owner: WriterOwner::default() }
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
        Writer { connection, owner: &self.owner }
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
