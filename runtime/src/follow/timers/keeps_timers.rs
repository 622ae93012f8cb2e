//! A store that can keep the timers of an application, and how an application runs them.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::background::{RunningFollower, WaitError};
use crate::follow::dyn_follower::DynFollower;
use crate::follow::keeps::{FollowerOptions, Started};
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::policy::OnFailure;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::state::{Activity, FollowerState, Lag};
use crate::follow::timers::ScheduledCommand;
use crate::follow::timers::runner::{NAME, TimerBacklog, TimerRunner};
use crate::follow::timers::timer::Timers;
use crate::follow::timers::timer_store::TimerStore;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::timer::TimerChange;

/// The store can keep timers: a `SqliteStore` in its file, a `PostgresStore` in its schema, a `MemoryStore` for as long as it lives.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep timers",
    label = "not in this store",
    note = "an application with `schedules(..)` needs a `SqliteStore` or a `PostgresStore`, or in a test a `MemoryStore`"
)]
pub trait KeepsTimers: EventStore + Clone + 'static {
    /// The timers that this store keeps.
    #[doc(hidden)]
    fn timers(&self, clock: Arc<dyn Clock>) -> Timers;

    /// Sets or cancels a timer. Returns whether one with its key was waiting.
    #[doc(hidden)]
    fn change(&self, change: &TimerChange) -> Result<bool, StoreError>;

    /// Starts to send the commands of the timers of this store.
    #[doc(hidden)]
    fn run_timers(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        kinds: &'static [ScheduledCommand],
    ) -> Started;
}

#[diagnostic::do_not_recommend]
impl<S: TimerStore> KeepsTimers for S {
    fn timers(&self, clock: Arc<dyn Clock>) -> Timers {
        Timers::new(self.clone(), clock)
    }

    fn change(&self, change: &TimerChange) -> Result<bool, StoreError> {
        self.change_timer(change)
    }

    fn run_timers(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        kinds: &'static [ScheduledCommand],
    ) -> Started {
        let runner = TimerRunner::new(self.clone(), commands, Arc::clone(&clock), kinds);
        // Timers belong to no event that could become a dead letter: the runner waits for a store that fails.
        let options = FollowerOptions::new().on_failure(OnFailure::DeadLetter);
        Ok(Box::new(RunningTimers { running: options.prepare(runner).start()?, store: self.clone(), clock }))
    }
}

/// Timers that run.
struct RunningTimers<S: TimerStore> {
    running: RunningFollower<TimerRunner<S>>,
    store: S,
    clock: Arc<dyn Clock>,
}

impl<S: TimerStore> DynFollower for RunningTimers<S> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn state(&self) -> FollowerState {
        let now = self.clock.now();
        let late = |(events, first): (u64, Option<Timestamp>)| Lag {
            events,
            time: first.map_or(Duration::ZERO, |first| first.until(now)),
        };
        FollowerState {
            position: self.store.position().unwrap_or_default(),
            lag: self.store.late_timers(now).ok().map(late),
            ..self.running.state()
        }
    }

    /// Timers follow no events: there is nothing to wait for.
    fn wait_for(&self, _: Position, _: Duration) -> Result<(), WaitError> {
        Ok(())
    }

    fn next_run(&self) -> NextRun {
        let backlog = TimerBacklog { store: self.store.clone(), clock: Arc::clone(&self.clock) };
        match self.running.state().activity {
            Activity::Stopped { .. } => NextRun::WithNextEvent,
            Activity::Running => backlog.next_run().unwrap_or(NextRun::Now),
            _ => NextRun::Now,
        }
    }

    fn watch(&self, waker: &Waker) {
        self.running.control().watch(waker);
    }

    fn unwatch(&self, waker: &Waker) {
        self.running.control().unwatch(waker);
    }

    fn begin_stop(&self) {
        self.running.begin_stop();
    }

    fn stop_within(self: Box<Self>, timeout: Duration) -> Result<(), BoxError> {
        self.running.stop_within(timeout).map(drop).map_err(Into::into)
    }
}
