//! One run of a follower in the background: what it keeps while it is parked.

use std::time::Duration;

use crate::follow::lease::LeaseHolder;
use crate::follow::runner::RunnerMemory;

/// What a run in the background keeps from one time that it has a thread to the next.
#[derive(Debug)]
pub struct Session {
    /// How long the lease lasts.
    pub(crate) lease: Duration,
    pub(crate) holder: LeaseHolder,
    pub(crate) has_begun: bool,
    /// `None` for a run with a thread of its own, which is never parked.
    pub(crate) memory: Option<RunnerMemory>,
}

impl Session {
    pub(crate) fn new(follower: &'static str, lease: Duration, can_park: bool) -> Self {
        let memory = can_park.then(RunnerMemory::default);
        Self { lease, holder: LeaseHolder::new(follower, lease), has_begun: false, memory }
    }
}
