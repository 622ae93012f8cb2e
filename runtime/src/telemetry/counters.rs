//! The counters of the process, and what a caller reads of them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::telemetry::histogram::{Durations, Histogram, Sizes};

/// A number that grows.
pub(super) struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The difference of two counts. The earlier one may be that of a process before a restart.
trait Since {
    fn since(&self, earlier: &Self) -> Self;
}

impl Since for u64 {
    fn since(&self, earlier: &Self) -> Self {
        self.saturating_sub(*earlier)
    }
}

/// A struct of counters, and the struct of their values.
macro_rules! counters {
    ($(#[$docs:meta])* $values:ident, $counters:ident {
        $($(#[$of_field:meta])* $field:ident: $counter:ty => $value:ty,)*
    }) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub struct $values {
            $($(#[$of_field])* pub $field: $value,)*
        }

        // Threads that count different things do not share a line of the processor's cache.
        #[repr(align(128))]
        pub(super) struct $counters {
            $(pub(super) $field: $counter,)*
        }

        impl $counters {
            const fn new() -> Self {
                Self { $($field: <$counter>::new(),)* }
            }

            fn read(&self) -> $values {
                $values { $($field: self.$field.read(),)* }
            }
        }

        impl $values {
            /// What was counted after `earlier`.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self { $($field: self.$field.since(&earlier.$field),)* }
            }
        }
    };
}

counters! {
    /// Commands of repositories and applications. A command that is tried again after a conflict counts once.
    CommandStatistics, CommandCounters {
        /// Commands whose events were stored.
        done: Counter => u64,
        /// Commands that led to no events.
        unchanged: Counter => u64,
        /// Commands that had been carried out before, by their idempotency keys.
        repeated: Counter => u64,
        /// Commands that were invalid, that a hook denied, or that the aggregate refused.
        refused: Counter => u64,
        /// Commands that ended with a conflict.
        conflict: Counter => u64,
        /// Commands that failed otherwise, or whose handler panicked.
        failed: Counter => u64,
        /// How often a command was decided again: after a conflict, or as it had been decided on a state that was not
        /// stored.
        decided_again: Counter => u64,
        /// The time of each command, from the call to its answer.
        durations: Durations => Histogram,
    }
}

counters! {
    /// Commits of units of work and of batches. Their commands do not count as commands.
    UnitStatistics, UnitCounters {
        /// Units that were committed.
        done: Counter => u64,
        /// Commits that were conflicts.
        conflict: Counter => u64,
        /// Commits that failed otherwise.
        failed: Counter => u64,
        /// The time of each commit.
        durations: Durations => Histogram,
    }
}

counters! {
    /// Appends to stores of this crate, in groups: one commit for all callers that wait.
    AppendStatistics, AppendCounters {
        /// Requests that were not stored, such as conflicts.
        failed: Counter => u64,
        /// Events that were stored.
        events: Counter => u64,
        /// How many requests each group had. The sum is the number of requests.
        groups: Sizes => Histogram,
        /// The time of each group. Appends to a store in memory are not timed.
        durations: Durations => Histogram,
    }
}

counters! {
    /// Loads of aggregates, for commands and for callers.
    LoadStatistics, LoadCounters {
        /// Loads that began at a state in memory.
        from_memory: Counter => u64,
        /// Loads that began at a snapshot.
        from_snapshot: Counter => u64,
        /// Loads that began at the first event, or found none.
        from_start: Counter => u64,
        /// Loads that failed.
        failed: Counter => u64,
        /// Stored events that were replayed.
        events: Counter => u64,
        /// The time of each load that has read. A state in memory that was current needs no read.
        durations: Durations => Histogram,
    }
}

counters! {
    /// Steps of followers that have handled an event. Inline views have none: their time is that of the appends.
    StepStatistics, StepCounters {
        /// Steps that ended with a failure. The events before it count as handled.
        failed: Counter => u64,
        /// Events that were handled.
        events: Counter => u64,
        /// The time of each step that has not failed. The count is the number of these.
        durations: Durations => Histogram,
    }
}

/// What this process has done since it began, over all stores, as [`statistics`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Statistics {
    /// Commands.
    pub commands: CommandStatistics,
    /// Units of work, and batches.
    pub units: UnitStatistics,
    /// Appends.
    pub appends: AppendStatistics,
    /// Loads of aggregates.
    pub loads: LoadStatistics,
    /// Steps of followers.
    pub steps: StepStatistics,
}

impl Statistics {
    /// What was counted after `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            commands: self.commands.since(&earlier.commands),
            units: self.units.since(&earlier.units),
            appends: self.appends.since(&earlier.appends),
            loads: self.loads.since(&earlier.loads),
            steps: self.steps.since(&earlier.steps),
        }
    }
}

pub(super) struct Counters {
    pub(super) commands: CommandCounters,
    pub(super) units: UnitCounters,
    pub(super) appends: AppendCounters,
    pub(super) loads: LoadCounters,
    pub(super) steps: StepCounters,
}

pub(super) static COUNTERS: Counters = Counters {
    commands: CommandCounters::new(),
    units: UnitCounters::new(),
    appends: AppendCounters::new(),
    loads: LoadCounters::new(),
    steps: StepCounters::new(),
};

/// What this process has done since it began.
///
/// The counters are not read at one moment: while other threads work, one number may be a moment ahead of another.
///
/// ```
/// use factum::prelude::*;
/// use factum::telemetry::statistics;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// let before = statistics();
/// let accounts = MemoryStore::new().repository::<BankAccount>();
/// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 50 })?;
///
/// let now = statistics().since(&before);
/// assert_eq!((now.commands.done, now.appends.events), (1, 1));
/// assert_eq!(now.commands.durations.count(), 1);
/// # Ok::<(), BoxError>(())
/// ```
#[must_use]
pub fn statistics() -> Statistics {
    let Counters { commands, units, appends, loads, steps } = &COUNTERS;
    Statistics {
        commands: commands.read(),
        units: units.read(),
        appends: appends.read(),
        loads: loads.read(),
        steps: steps.read(),
    }
}
