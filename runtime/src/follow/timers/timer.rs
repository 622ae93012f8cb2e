//! The timers of a store, for callers: which wait, which have failed.

use std::fmt;
use std::sync::Arc;

use crate::domain::codec_error::EncodeError;
use crate::domain::time::Timestamp;
use crate::follow::dead_letter::LISTED;
use crate::follow::process::clock::Clock;
use crate::follow::timers::timer_store::TimerStore;
use crate::store::error::StoreError;

/// A timer: a command that is sent at a time, or could not be sent then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timer {
    /// The timer's number in its store. A timer that is set again gets another one.
    pub number: i64,
    /// The key.
    pub key: String,
    /// When the command is sent.
    pub due: Timestamp,
    /// The command's name.
    pub command: String,
    /// The command as JSON text.
    pub content: String,
    /// Why the command could not be sent, if it is a dead letter.
    pub failure: Option<TimerFailure>,
}

/// Why a timer is a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimerFailure {
    /// The refusal of the aggregate, or the error with its causes.
    pub error: String,
    /// When it failed, by the application's clock.
    pub at: Timestamp,
}

impl TimerFailure {
    pub(crate) const fn new(error: String, at: Timestamp) -> Self {
        Self { error, at }
    }
}

/// A dead letter of the timers that was discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscardedTimer {
    /// The timer.
    pub timer: Timer,
    /// Why it was discarded.
    pub reason: String,
    /// When it was discarded, by the application's clock.
    pub at: Timestamp,
}

impl DiscardedTimer {
    pub(crate) const fn new(timer: Timer, reason: String, at: Timestamp) -> Self {
        Self { timer, reason, at }
    }
}

/// Why a timer was not set, cancelled or listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimerError {
    /// The command can't be written as JSON.
    #[error("the timer was not set")]
    Encode(#[from] EncodeError),
    /// The store failed.
    #[error("the store of the timers failed")]
    Store(#[from] StoreError),
}

/// The timers of a store: those that wait, and the dead letters.
///
/// [`Running::timers`](crate::application::Running::timers) returns it. It reads and changes the store. An application that
/// runs, in this program or in another, sees what it changes.
#[derive(Clone)]
pub struct Timers {
    desk: Arc<dyn TimerDesk>,
    clock: Arc<dyn Clock>,
}

impl Timers {
    pub(crate) fn new(store: impl TimerStore, clock: Arc<dyn Clock>) -> Self {
        Self { desk: Arc::new(store), clock }
    }

    /// The first 1,000 timers whose commands are not sent yet, in order of their times.
    pub fn waiting(&self) -> Result<Vec<Timer>, TimerError> {
        Ok(self.desk.waiting(START, LISTED)?)
    }

    /// The timers that wait after one of these, in order of their times, at most `limit`.
    pub fn waiting_after(&self, timer: &Timer, limit: usize) -> Result<Vec<Timer>, TimerError> {
        Ok(self.desk.waiting((timer.due, timer.number), limit)?)
    }

    /// The first 1,000 dead letters, in order of their times: commands that an aggregate has refused, on which it has panicked
    /// 6 times, or that can't be read.
    ///
    /// If a program was suspended for longer than its lease while it sent a command, the command may happen although another
    /// program has recorded its refusal. It happens once at most.
    pub fn dead_letters(&self) -> Result<Vec<Timer>, TimerError> {
        Ok(self.desk.failed(START, LISTED)?)
    }

    /// The dead letters after one of these, in order of their times, at most `limit`.
    pub fn dead_letters_after(&self, timer: &Timer, limit: usize) -> Result<Vec<Timer>, TimerError> {
        Ok(self.desk.failed((timer.due, timer.number), limit)?)
    }

    /// The first 1,000 dead letters that were discarded, in order of their times.
    pub fn discarded(&self) -> Result<Vec<DiscardedTimer>, TimerError> {
        Ok(self.desk.discarded(START, LISTED)?)
    }

    /// Sends the command of the dead letter with this number again. Returns whether there is such a letter.
    ///
    /// An application that runs does so at once, one in another program within a second.
    pub fn retry(&self, number: i64) -> Result<bool, TimerError> {
        Ok(self.desk.retry(number)?)
    }

    /// Discards the dead letter with this number: its command is never sent. The reason is kept. Returns whether there is
    /// such a letter.
    pub fn discard(&self, number: i64, reason: &str) -> Result<bool, TimerError> {
        Ok(self.desk.discard(number, reason, self.clock.now())?)
    }
}

impl fmt::Debug for Timers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Before all timers.
const START: (Timestamp, i64) = (Timestamp::from_micros(i64::MIN), i64::MIN);

/// What [`Timers`] does, without the type of the store.
trait TimerDesk: Send + Sync {
    fn waiting(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError>;
    fn failed(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError>;
    fn discarded(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<DiscardedTimer>, StoreError>;
    fn retry(&self, number: i64) -> Result<bool, StoreError>;
    fn discard(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError>;
}

impl<S: TimerStore> TimerDesk for S {
    fn waiting(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.waiting_timers(after, limit)
    }

    fn failed(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError> {
        self.failed_timers(after, limit)
    }

    fn discarded(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<DiscardedTimer>, StoreError> {
        self.discarded_timers(after, limit)
    }

    fn retry(&self, number: i64) -> Result<bool, StoreError> {
        self.retry_timer(number)
    }

    fn discard(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError> {
        self.discard_timer(number, reason, at)
    }
}
