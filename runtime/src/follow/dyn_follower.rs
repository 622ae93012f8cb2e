//! A running follower without its type, as an application has them.

use std::any::Any;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::background::{Follower, RunningFollower, WaitError};
use crate::follow::next_run::NextRun;
use crate::follow::state::FollowerState;

/// Catches a follower up until a time, on a thread that may block.
pub(crate) type CatchUp = Box<dyn FnOnce(Option<Instant>) + Send>;

/// A follower that runs, without its type.
pub trait DynFollower: Send + Sync {
    /// The follower's name.
    fn name(&self) -> &'static str;

    /// See [`RunningFollower::state`].
    fn state(&self) -> FollowerState;

    /// See [`RunningFollower::wait_for`].
    fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError>;

    /// What brings the follower to a position; `None` if its runner does, or the store has no events that it lacks.
    ///
    /// It blocks, and does not begin anything after the time that it gets.
    #[doc(hidden)]
    fn catch_up(&self, wanted: Position) -> Option<CatchUp> {
        let _ = wanted;
        None
    }

    /// When it has something to do again. An application that is closed until then misses nothing.
    fn next_run(&self) -> NextRun;

    /// Wakes a waker when the follower has moved on or has ended, until [`unwatch`](Self::unwatch).
    fn watch(&self, waker: &Waker);

    /// Ends what [`watch`](Self::watch) has begun.
    fn unwatch(&self, waker: &Waker);

    /// See [`RunningFollower::begin_stop`].
    fn begin_stop(&self);

    /// See [`RunningFollower::stop_within`].
    fn stop_within(self: Box<Self>, timeout: Duration) -> Result<(), BoxError>;

    /// The `Mutex` of a view in memory.
    fn view(&self) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
}

impl<F: Follower> DynFollower for RunningFollower<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn state(&self) -> FollowerState {
        Self::state(self)
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        Self::wait_for(self, position, timeout)
    }

    fn next_run(&self) -> NextRun {
        Self::next_run(self)
    }

    fn watch(&self, waker: &Waker) {
        self.control().watch(waker);
    }

    fn unwatch(&self, waker: &Waker) {
        self.control().unwatch(waker);
    }

    fn begin_stop(&self) {
        Self::begin_stop(self);
    }

    fn stop_within(self: Box<Self>, timeout: Duration) -> Result<(), BoxError> {
        (*self).stop_within(timeout).map(drop).map_err(Into::into)
    }
}
