//! A clock that a test moves.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use crate::domain::time::Timestamp;
use crate::follow::process::clock::Clock;
use crate::store::lock::lock;

/// A clock for processes that a test moves. It passes as the system's does, and is ahead of it or behind.
///
/// Clones are one clock. A process that runs wakes when the clock is moved.
///
/// ```
/// use std::time::Duration;
/// use factum::follow::Clock;
/// use factum::testing::TestClock;
///
/// let clock = TestClock::default();
/// let before = clock.now();
/// clock.forward(Duration::from_secs(3_600));
/// assert!(clock.now().as_micros() - before.as_micros() >= 3_600_000_000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct TestClock {
    /// How far it is ahead of the system's clock, in microseconds.
    ahead: Arc<AtomicI64>,
    wakers: Arc<Mutex<Vec<Waker>>>,
}

impl TestClock {
    /// Moves the clock forward.
    pub fn forward(&self, by: Duration) {
        self.add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX));
    }

    /// Moves the clock back.
    pub fn back(&self, by: Duration) {
        self.add(i64::try_from(by.as_micros()).map_or(i64::MIN, std::ops::Neg::neg));
    }

    fn add(&self, micros: i64) {
        self.ahead.fetch_add(micros, Ordering::SeqCst);
        lock(&self.wakers).iter().for_each(Waker::wake_by_ref);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now().as_micros();
        Timestamp::from_micros(now.saturating_add(self.ahead.load(Ordering::SeqCst)))
    }

    fn watch(&self, waker: &Waker) {
        lock(&self.wakers).push(waker.clone());
    }
}
