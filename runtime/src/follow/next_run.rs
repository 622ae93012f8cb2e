//! When a follower has something to do again, for the caller that would like to stop it.

use crate::domain::time::Timestamp;
use crate::follow::error::FollowError;

/// When a follower has something to do again. The earlier one is the smaller one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextRun {
    /// It has something to do, or waits to try something again.
    Now,
    /// At this time of its clock: a time-out is due.
    At(Timestamp),
    /// With the next event.
    WithNextEvent,
}

/// What a follower has to do besides handling the next events.
pub trait Backlog: Send + Sync {
    /// When it has something to do again, as of the last commit.
    fn next_run(&self) -> Result<NextRun, FollowError>;
}
