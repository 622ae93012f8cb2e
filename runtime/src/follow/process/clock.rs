//! The clock that time-outs fire by.

use std::fmt::Debug;
use std::task::Waker;

use crate::domain::time::Timestamp;

/// The clock of processes. A test replaces the system's clock with one that it moves.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now. It may go back: a time-out then fires later.
    fn now(&self) -> Timestamp;

    /// Wakes `waker` whenever the clock is moved. A clock that only passes by itself need not.
    fn watch(&self, waker: &Waker) {
        let _ = waker;
    }
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
