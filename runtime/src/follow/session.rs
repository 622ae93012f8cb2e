//! One run of a follower in the background: what it keeps while it is parked.

use std::time::{Duration, Instant};

use crate::domain::panic::discard;
use crate::follow::control::Control;
use crate::follow::lease::LeaseHolder;
use crate::follow::lease_keeper::KeptLease;
use crate::follow::partition_leases::PartitionLeases;
use crate::follow::patience;
use crate::follow::patience::{StoreFailure, StoreFailures};
use crate::follow::policy::RetryPolicy;
use crate::follow::runner::RunnerMemory;

/// What a run in the background keeps from one time that it has a thread to the next.
#[derive(Debug)]
pub struct Session {
    /// How long the lease lasts.
    pub(crate) lease: Duration,
    pub(crate) holder: LeaseHolder,
    /// Renews the lease of a run that has begun, if it has one for the whole follower.
    pub(crate) kept: Option<KeptLease>,
    /// The leases of the partitions of a run that has begun.
    pub(crate) leases: Option<PartitionLeases>,
    pub(crate) has_begun: bool,
    /// How often the store has failed since the run was started.
    failures: StoreFailures,
    /// `None` for a run with a thread of its own, which is never parked.
    pub(crate) memory: Option<Vec<RunnerMemory>>,
}

impl Session {
    pub(crate) fn new(follower: &'static str, lease: Duration, can_park: bool) -> Self {
        let memory = can_park.then(Vec::new);
        Self {
            lease,
            holder: LeaseHolder::new(follower, lease),
            kept: None,
            leases: None,
            has_begun: false,
            failures: StoreFailures::default(),
            memory,
        }
    }

    /// When a run that has not begun yet tries again, after a failure of the store. Fails with the error if the run
    /// has to end.
    pub(crate) fn begin_later<E: StoreFailure>(
        &mut self,
        error: E,
        control: &Control,
        policy: &RetryPolicy,
    ) -> Result<Option<Instant>, E> {
        if control.is_stopping() {
            discard(error);
            return Ok(None);
        }
        let delay = patience::wait_after(error, &mut self.failures, control, 0, policy)?;
        Ok(Some(Instant::now() + delay))
    }
}
