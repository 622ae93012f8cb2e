//! A running follower without its type, as an application has them.

use std::any::Any;
use std::task::Waker;
use std::time::Duration;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::background::{Follower, RunningFollower, WaitError};
use crate::follow::next_run::NextRun;
use crate::follow::state::FollowerState;

/// A follower that runs, without its type.
pub trait DynFollower: Send + Sync {
    /// The follower's name.
    fn name(&self) -> &'static str;

    /// See [`RunningFollower::state`].
    fn state(&self) -> FollowerState;

    /// See [`RunningFollower::wait_for`].
    fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError>;

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
