//! Wakes the readers that wait for events.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use crate::store::lock::lock;

/// Counts the appends of this process, and wakes the readers that wait for the next one.
#[derive(Debug, Default)]
pub(super) struct Wakeups {
    appends: Mutex<Appends>,
    appended: Condvar,
}

#[derive(Debug, Default)]
struct Appends {
    count: u64,
    waiting: usize,
}

impl Wakeups {
    /// Counts an append, and wakes the waiting readers.
    pub(super) fn notify(&self) {
        let mut appends = lock(&self.appends);
        appends.count += 1;
        // Even a notification that wakes no thread is a system call.
        if appends.waiting > 0 {
            self.appended.notify_all();
        }
    }

    /// The number of appends so far.
    pub(super) fn count(&self) -> u64 {
        lock(&self.appends).count
    }

    /// Waits for an append after the first `seen`, at most `timeout`.
    pub(super) fn wait(&self, seen: u64, timeout: Duration) {
        let mut appends = lock(&self.appends);
        if appends.count == seen {
            appends.waiting += 1;
            let waited = self.appended.wait_timeout(appends, timeout);
            waited.unwrap_or_else(std::sync::PoisonError::into_inner).0.waiting -= 1;
        }
    }
}
