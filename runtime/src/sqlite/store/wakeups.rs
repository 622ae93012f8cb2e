//! Wakes the readers that wait for events.

use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::sqlite::store::watched_file::{Look, WatchedFile};
use crate::sqlite::store::watcher;
use crate::store::error::StoreError;
use crate::store::lock::lock;
use crate::store::wakers::Wakers;

/// The readers of a store that wait for events, and the appends that wake them.
#[derive(Debug)]
pub(super) struct Wakeups {
    state: Mutex<State>,
    appended: Condvar,
    wakers: Wakers,
    /// `None` for a store in memory, which no other process writes.
    file: Option<WatchedFile>,
}

#[derive(Debug, Default)]
struct State {
    /// The appends so far, and what may have been one of another process.
    count: u64,
    /// The threads that wait, or are about to.
    readers: usize,
    /// The threads that sleep.
    sleeping: usize,
    /// The newest position that readers were woken for.
    newest: Position,
    /// Whether the watcher looks for appends of other processes.
    is_watched: bool,
}

impl Wakeups {
    pub(super) fn new(file: Option<WatchedFile>) -> Self {
        Self { state: Mutex::default(), appended: Condvar::new(), wakers: Wakers::default(), file }
    }

    /// Counts an append that ends at a position, and wakes the waiting readers.
    pub(super) fn notify(&self, newest: Option<Position>) {
        let mut state = lock(&self.state);
        state.count += 1;
        state.newest = newest.map_or(state.newest, |newest| newest.max(state.newest));
        // Even a notification that wakes no thread is a system call.
        if state.sleeping > 0 {
            self.appended.notify_all();
        }
        drop(state);
        self.wakers.wake();
    }

    /// The number of appends so far.
    pub(super) fn count(&self) -> u64 {
        lock(&self.state).count
    }

    /// Begins a wait. A caller that reads the position after this call misses no append.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Waiting<'_>, StoreError> {
        lock(&self.state).readers += 1;
        let waiting = Waiting(self);
        self.ensure_watched()?;
        Ok(waiting)
    }

    /// Wakes `waker` from now on.
    pub(super) fn add(self: &Arc<Self>, waker: &Waker) -> Result<(), StoreError> {
        self.wakers.add(waker);
        self.ensure_watched()
    }

    pub(super) fn remove(&self, waker: &Waker) {
        self.wakers.remove(waker);
    }

    /// Ends all looks at the file. Its connections are about to be closed.
    pub(super) fn close(&self) {
        if let Some(file) = &self.file {
            file.close();
        }
    }

    /// Runs `commit`, which commits once without events, under the file's write lock. It wakes no reader.
    pub(super) fn pass_over<T>(&self, commit: impl FnOnce() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        match &self.file {
            Some(file) => file.pass_over(commit),
            None => commit(),
        }
    }

    fn ensure_watched(self: &Arc<Self>) -> Result<(), StoreError> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut state = lock(&self.state);
        if !state.is_watched {
            file.begin();
            watcher::add(self).map_err(|error| StoreError::Other(Box::new(error)))?;
            state.is_watched = true;
        }
        Ok(())
    }

    /// The look of a watcher of so many stores: wakes the readers if another process may have appended. Returns the
    /// time until the next look; `None` if none is needed, as the store is closed.
    pub(super) fn look(&self, now: Instant, stores: usize) -> Option<Duration> {
        let file = self.file.as_ref()?;
        let (look, until_next) = file.look(now, || lock(&self.state).newest, stores);
        match look {
            Look::Closed => return None,
            Look::Nothing => {}
            Look::Foreign(newest) => {
                lock(&self.state).newest = newest;
                self.notify(None);
            }
            // The readers get the error.
            Look::Failed => self.notify(None),
        }
        Some(until_next)
    }

    /// Ends the watch, if no reader waits. Returns whether it has ended.
    pub(super) fn end_unless_used(&self) -> bool {
        let mut state = lock(&self.state);
        let is_used = state.readers > 0 || !self.wakers.is_empty();
        state.is_watched &= is_used;
        !is_used
    }

    /// Whether a reader waits.
    pub(super) fn is_used(&self) -> bool {
        lock(&self.state).readers > 0 || !self.wakers.is_empty()
    }
}

/// A thread that waits, for as long as this lives.
pub(super) struct Waiting<'w>(&'w Wakeups);

impl Waiting<'_> {
    /// Sleeps until there is an append after the first `seen`, at most `timeout`.
    pub(super) fn sleep(&self, seen: u64, timeout: Duration) {
        let mut state = lock(&self.0.state);
        if state.count == seen {
            state.sleeping += 1;
            let woken = self.0.appended.wait_timeout(state, timeout);
            woken.unwrap_or_else(std::sync::PoisonError::into_inner).0.sleeping -= 1;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).readers -= 1;
    }
}
