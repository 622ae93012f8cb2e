//! What a running follower does, for a caller that asks, and for a hook that hears of each change.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::domain::panic::{catch_panic, discard};
use crate::domain::position::Position;
use crate::domain::standard_error::report;
use crate::domain::time::Timestamp;
use crate::follow::lease::LeaseInfo;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;
use crate::store::read::Filter;
use crate::trace;

/// What a follower does at the moment: [`RunningFollower::state`](crate::follow::RunningFollower::state) returns
/// it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FollowerState {
    /// The follower's name.
    pub follower: &'static str,
    /// The position up to which the follower has seen everything, as far as this runner knows.
    pub position: Position,
    /// How far the follower is behind the store; `None` if the store can't be read, or while the runner starts
    /// or rebuilds the view.
    pub lag: Option<Lag>,
    /// What the runner does.
    pub activity: Activity,
    /// Where each partition of the streams runs, in order. A follower without [`workers`](crate::follow::StoredReaction::workers)
    /// has one.
    pub partitions: Vec<PartitionState>,
}

/// A partition of a follower's streams, as one of the programs that share it knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionState {
    /// Its number, from 0.
    pub index: u32,
    /// The position up to which its worker has seen everything.
    pub position: Position,
    /// Where it runs.
    pub place: PartitionPlace,
}

/// Where a partition of a follower runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionPlace {
    /// In this runner.
    Here,
    /// In another runner, which has its lease.
    #[non_exhaustive]
    Elsewhere {
        /// Whose lease it is, and until when.
        holder: LeaseInfo,
    },
    /// Nowhere, or this runner does not know: the partition is between two runners, or this one has just started.
    Unknown,
}

/// How far a follower is behind its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lag {
    /// How many events of the store the follower has not seen, listed or not. Of an application's timers: how many are due and
    /// not sent.
    pub events: u64,
    /// The time since the oldest of them was recorded, or since the first timer was due; zero if there are none.
    pub time: Duration,
}

/// What a runner does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// The runner has not begun yet.
    Starting,
    /// The runner handles events, or waits for new ones.
    Running,
    /// Another runner of the follower has the lease.
    #[non_exhaustive]
    WaitingForLease {
        /// Whose lease it is, and until when.
        holder: LeaseInfo,
    },
    /// An event or the store has failed, and the runner tries again.
    #[non_exhaustive]
    Retrying {
        /// The event's place in the store; `None` if no event is the reason.
        position: Option<Position>,
        /// The last error, with its causes.
        error: String,
        /// How many attempts have failed.
        attempts: u32,
        /// When the next attempt begins; in the past if it is under way.
        next: Timestamp,
    },
    /// The runner rebuilds the view. Queries see the earlier version's view until the new one is complete.
    #[non_exhaustive]
    Rebuilding {
        /// How many events are done.
        done: u64,
        /// How many events there are in total, as of the beginning of this round.
        total: u64,
        /// The version of the view that serves queries.
        serving: u32,
    },
    /// The runner has ended.
    #[non_exhaustive]
    Stopped {
        /// Why, with the causes; `None` if a caller has stopped it.
        error: Option<String>,
    },
}

/// A change of a running follower, for the hook that
/// [`on_change`](crate::follow::FollowerBuilder::on_change) sets. Its text is one line for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowerChange {
    /// An event or the store has failed, and the runner will try again.
    ///
    /// While a store is busy or can't be reached, the runner tries again within 50 milliseconds of each failure, and the hook
    /// hears of it at most each 5 seconds. A command of a process or timer that has failed so 100 times is sent each half second.
    #[non_exhaustive]
    Retrying {
        /// The follower's name.
        follower: &'static str,
        /// The event's place in the store; `None` if no event is the reason.
        position: Option<Position>,
        /// The error, with its causes.
        error: String,
        /// How many attempts have failed.
        attempts: u32,
        /// The time until the next attempt.
        delay: Duration,
    },
    /// An event was moved to the dead letters.
    #[non_exhaustive]
    DeadLetter {
        /// The follower's name.
        follower: &'static str,
        /// The event's place in the store.
        position: Position,
        /// The error of the last attempt, with its causes.
        error: String,
        /// How many attempts have failed.
        attempts: u32,
    },
    /// A timer's command was refused, or can't be read: the timer was moved to the dead letters.
    #[non_exhaustive]
    TimerFailed {
        /// The name of the timers' runner.
        follower: &'static str,
        /// The timer's key.
        key: String,
        /// The command's name.
        command: String,
        /// The refusal, or the error with its causes.
        error: String,
    },
    /// The runner has taken the lease.
    #[non_exhaustive]
    LeaseTaken {
        /// The follower's name.
        follower: &'static str,
    },
    /// Another runner has taken the lease from this one, which waits.
    #[non_exhaustive]
    LeaseLost {
        /// The follower's name.
        follower: &'static str,
        /// Whose lease it is now.
        holder: LeaseInfo,
    },
    /// Other partitions of the follower run here than before: programs share them.
    #[non_exhaustive]
    Partitions {
        /// The follower's name.
        follower: &'static str,
        /// The numbers of the partitions that run here.
        here: Vec<u32>,
        /// How many partitions there are.
        of: u32,
    },
    /// The rebuild of the view begins, or resumes.
    #[non_exhaustive]
    RebuildBegun {
        /// The follower's name.
        follower: &'static str,
        /// The version of the view that serves queries until the rebuild is done.
        from: u32,
        /// The version of the new view.
        to: u32,
    },
    /// The new view has replaced the earlier version's.
    #[non_exhaustive]
    RebuildDone {
        /// The follower's name.
        follower: &'static str,
        /// The version of the view.
        version: u32,
    },
    /// The runner has ended.
    #[non_exhaustive]
    Stopped {
        /// The follower's name.
        follower: &'static str,
        /// Why, with the causes; `None` if a caller has stopped it.
        error: Option<String>,
    },
}

impl FollowerChange {
    /// The name of the follower that has changed.
    #[must_use]
    pub fn follower(&self) -> &'static str {
        match self {
            Self::Retrying { follower, .. }
            | Self::DeadLetter { follower, .. }
            | Self::TimerFailed { follower, .. }
            | Self::LeaseTaken { follower }
            | Self::LeaseLost { follower, .. }
            | Self::Partitions { follower, .. }
            | Self::RebuildBegun { follower, .. }
            | Self::RebuildDone { follower, .. }
            | Self::Stopped { follower, .. } => follower,
        }
    }

    /// Emits the event of the feature `tracing`.
    pub(crate) fn trace(&self) {
        match self {
            Self::Retrying { follower, position, error, attempts, delay } => {
                trace::follower_retries(follower, *position, error, *attempts, *delay);
            }
            Self::DeadLetter { follower, position, error, attempts } => {
                trace::dead_letter(follower, *position, error, *attempts);
            }
            Self::TimerFailed { follower, key, command, error } => {
                trace::timer_failed(follower, key, command, error);
            }
            Self::LeaseTaken { follower } => trace::lease_taken(follower),
            Self::LeaseLost { follower, holder } => trace::lease_lost(follower, holder),
            Self::Partitions { follower, here, of } => trace::partitions(follower, here, *of),
            Self::RebuildBegun { follower, from, to } => trace::rebuild_begun(follower, *from, *to),
            Self::RebuildDone { follower, version } => trace::rebuild_done(follower, *version),
            Self::Stopped { follower, error } => trace::follower_stopped(follower, error.as_deref()),
        }
    }

    /// Whether a person should see the change where no hook is set.
    fn is_notable(&self) -> bool {
        match self {
            Self::LeaseTaken { .. }
            | Self::Partitions { .. }
            | Self::RebuildBegun { .. }
            | Self::Stopped { error: None, .. } => false,
            Self::Retrying { .. }
            | Self::DeadLetter { .. }
            | Self::TimerFailed { .. }
            | Self::LeaseLost { .. }
            | Self::RebuildDone { .. }
            | Self::Stopped { error: Some(_), .. } => true,
        }
    }
}

impl fmt::Display for FollowerChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", self.follower())?;
        match self {
            Self::Retrying { error, attempts, delay, .. } => {
                write!(f, "tries again in {delay:?}, after attempt {attempts}: {error}")
            }
            Self::DeadLetter { position, error, attempts, .. } => {
                write!(
                    f,
                    "has moved position {position} to the dead letters, after attempt {attempts}: {error}"
                )
            }
            Self::TimerFailed { key, command, error, .. } => {
                write!(f, "has moved the timer `{key}` of `{command}` to the dead letters: {error}")
            }
            Self::LeaseTaken { .. } => f.write_str("has taken the lease"),
            Self::LeaseLost { holder, .. } => write!(f, "has lost the lease to {holder}"),
            Self::Partitions { here, of, .. } => write!(f, "runs the partitions {here:?} of {of} here"),
            Self::RebuildBegun { from, to, .. } => {
                write!(f, "rebuilds its view from version {from} to {to}")
            }
            Self::RebuildDone { version, .. } => {
                write!(f, "has rebuilt its view, which is at version {version}")
            }
            Self::Stopped { error: None, .. } => f.write_str("was stopped"),
            Self::Stopped { error: Some(error), .. } => write!(f, "has ended: {error}"),
        }
    }
}

/// The hook that hears of each change.
pub(crate) struct Hook(Mutex<Option<HookFunction>>);

type HookFunction = Arc<dyn Fn(&FollowerChange) + Send + Sync>;

impl Hook {
    pub(crate) fn new(hook: impl Fn(&FollowerChange) + Send + Sync + 'static) -> Self {
        Self(Mutex::new(Some(Arc::new(hook))))
    }

    /// The hook of a run that a caller waits for.
    pub(crate) fn silent() -> Self {
        Self::new(|_| {})
    }

    /// Calls the hook, unless it has ended. Its panic ends here.
    pub(crate) fn call(&self, change: &FollowerChange) {
        let hook = lock(&self.0).clone();
        if let Err(panic) = catch_panic(|| hook.inspect(|hook| hook(change))) {
            trace::hook_panicked(change.follower(), &panic.message);
        }
    }

    /// Drops the hook, and what it has captured.
    pub(crate) fn end(&self) {
        let hook = lock(&self.0).take();
        discard(hook);
    }
}

impl Default for Hook {
    /// Writes one line to standard error for each change that a person should see.
    fn default() -> Self {
        Self::new(|change| {
            if change.is_notable() {
                report(change);
            }
        })
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl Lag {
    /// How far `position` is behind the store; `None` if the store can't be read.
    pub(crate) fn of(events: &dyn EventStore, position: Position) -> Option<Self> {
        let behind = events.position().ok()?.distance_from(position);
        let mut oldest = None;
        if behind > 0 {
            let first = Filter::new();
            events
                .read_all(first, position, 1, &mut |event| {
                    oldest = Some(event.envelope.recorded_at);
                    std::ops::ControlFlow::Break(())
                })
                .ok()?;
        }
        let now = Timestamp::now().as_micros();
        let micros = oldest.map_or(0, |oldest: Timestamp| now.saturating_sub(oldest.as_micros()));
        Some(Self { events: behind, time: Duration::from_micros(u64::try_from(micros).unwrap_or(0)) })
    }
}
