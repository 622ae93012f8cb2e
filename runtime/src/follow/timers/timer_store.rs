//! The port that keeps timers, with one implementation per database.

use std::io;
use std::task::Waker;

use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseHolder, LeaseInfo};
use crate::follow::lease_keeper::KeptLease;
use crate::follow::timers::timer::{DiscardedTimer, Timer};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::timer::TimerChange;

/// A timer whose command is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct DueTimer {
    pub(crate) number: i64,
    pub(crate) key: String,
    pub(crate) command: String,
    /// What is sent; the reason if the stored row does not say.
    pub(crate) sent: Result<DueCommand, String>,
}

/// What a timer sends, as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct DueCommand {
    pub(crate) id: Uuid,
    pub(crate) version: u32,
    pub(crate) content: String,
    pub(crate) cause: Cause,
}

/// What has become of the command of a timer.
#[derive(Debug)]
pub(crate) enum TimerResult {
    Sent,
    /// It can't be executed, for this reason: the timer is a dead letter.
    Failed(String),
}

/// What one transaction of a runner does.
pub(crate) struct TimerStep<'s> {
    pub(crate) results: &'s [(i64, TimerResult)],
    /// Timers that are due by then are taken.
    pub(crate) now: Timestamp,
    /// How many timers are taken, and how many are returned.
    pub(crate) limit: usize,
    /// Which timers that were taken before are sent now.
    pub(crate) is_ready: &'s dyn Fn(i64) -> bool,
    /// Whether the runner has others that it sends later.
    pub(crate) has_later: bool,
}

/// What a step has found.
#[derive(Debug)]
pub(crate) enum TimerTurn {
    /// Another runner has the lease. Nothing was done.
    HeldBy(LeaseInfo),
    /// The timers whose commands are to be sent, in order of their times. Without any, and without later ones, the lease is
    /// released.
    Taken(Vec<DueTimer>),
}

/// What a look at the timers finds, as of the last commit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TimerLook {
    /// How many timers are taken, and not sent yet.
    pub(crate) taken: usize,
    /// When the first timer that waits is due.
    pub(crate) first: Option<Timestamp>,
}

/// A database that keeps timers.
///
/// A timer waits, then a runner takes it and sends its command. So one that was cancelled is not sent, and one that is being
/// sent can't be cancelled.
pub(crate) trait TimerStore: EventStore + Clone + 'static {
    /// Sets or cancels a timer. Returns whether one with its key was waiting.
    fn change_timer(&self, change: &TimerChange) -> Result<bool, StoreError>;

    /// Records results, and takes timers that are due, in one transaction under the lease.
    fn timer_step(&self, holder: &LeaseHolder, step: &TimerStep<'_>) -> Result<TimerTurn, StoreError>;

    fn look_at_timers(&self) -> Result<TimerLook, StoreError>;

    /// How many timers are due at a time and not sent, and since when the first of them is.
    fn late_timers(&self, now: Timestamp) -> Result<(u64, Option<Timestamp>), StoreError>;

    /// The timers that wait or are being sent, by time and number, after one, at most `limit`.
    fn waiting_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError>;

    /// The dead letters in the same order.
    fn failed_timers(&self, after: (Timestamp, i64), limit: usize) -> Result<Vec<Timer>, StoreError>;

    fn discarded_timers(
        &self,
        after: (Timestamp, i64),
        limit: usize,
    ) -> Result<Vec<DiscardedTimer>, StoreError>;

    /// Lets the command of a dead letter be sent again. Returns whether there is one.
    fn retry_timer(&self, number: i64) -> Result<bool, StoreError>;

    /// Discards a dead letter. Returns whether there is one.
    fn discard_timer(&self, number: i64, reason: &str, at: Timestamp) -> Result<bool, StoreError>;

    fn release_timers(&self, holder: &LeaseHolder) -> Result<(), StoreError>;

    /// Renews the runner's lease from now on, however busy it is; `None` if the lease needs no renewal.
    ///
    /// Fails if the system can't start a thread.
    fn keep_timers(&self, holder: &LeaseHolder) -> io::Result<Option<KeptLease>>;

    /// Wakes `waker` after each change of a timer by this process.
    fn watch_timers(&self, waker: &Waker);

    fn unwatch_timers(&self, waker: &Waker);
}
