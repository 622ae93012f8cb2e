//! Failures that may pass, of the store, the disk, or a command: how long a runner waits before it tries again.

use std::error::Error;
use std::time::Duration;

use crate::domain::error::causes;
use crate::domain::panic::discard;
use crate::follow::control::Control;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::policy::RetryPolicy;
use crate::store::error::StoreError;

/// The longest wait while another process holds the file, or the server can't be reached. It is short: the work resumes soon after
/// the end of an outage, however long that was.
const WHILE_BUSY: Duration = Duration::from_millis(50);

/// How long to wait between two attempts to send a command after so many: the store that is away may be one that the aggregate's
/// services use, and all other commands wait as well.
const MANY_ATTEMPTS: u32 = 100;
const AFTER_MANY: Duration = Duration::from_millis(500);

/// The shortest wait for a store, and between two attempts to send a command.
const SHORTEST_DELAY: Duration = Duration::from_millis(10);

/// How often the store has failed, and was busy, since it last worked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoreFailures {
    count: u32,
    busy: u32,
}

/// An error that a failure of the store or the disk may have caused.
pub(crate) trait StoreFailure: Error + Sized + 'static {
    /// Whether another process holds the file, or the server of the store can't be reached.
    fn is_busy(&self) -> bool;

    /// Whether the store or the disk has failed in a way that may pass, such as by an I/O error.
    fn may_pass(&self) -> bool;
}

impl StoreFailure for FollowError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Store { source, .. } if is_outage(source))
    }

    fn may_pass(&self) -> bool {
        // A handler whose command has an open outcome gives it again: its idempotency key settles it.
        let may_pass = |source: &StoreError| {
            matches!(
                source,
                StoreError::Full
                    // A standby that is not promoted yet.
                    | StoreError::ReadOnly
                    | StoreError::Unreachable(_)
                    | StoreError::CommitUnknown(_)
                    | StoreError::Other(_)
            )
        };
        matches!(self, Self::Store { source, .. } if may_pass(source))
    }
}

impl StoreFailure for ProjectionError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Follow(error) if error.is_busy())
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Follow(error) => error.may_pass(),
            Self::RebuildFile { .. } => true,
            _ => false,
        }
    }
}

fn is_outage(error: &StoreError) -> bool {
    matches!(error, StoreError::Busy | StoreError::Unreachable(_))
}

/// How long to wait after a store was busy or out of reach so many times in a row.
fn delay_of_outage(attempts: u32) -> Duration {
    let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
    SHORTEST_DELAY.saturating_mul(factor).min(WHILE_BUSY)
}

/// How often a command has failed in a row that is sent until it is executed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CommandFailures {
    /// Those that no outage has caused.
    pub(crate) count: u32,
    /// Those of the present outage.
    outages: u32,
}

/// When a command is sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resend {
    pub(crate) delay: Duration,
    attempts: u32,
    is_outage: bool,
}

impl CommandFailures {
    /// Counts another failure. Those of an outage leave the policy's delays as they are: these would go on after its end.
    pub(crate) fn add(&mut self, error: &(dyn Error + 'static), policy: &RetryPolicy) -> Resend {
        let is_outage = causes(error).any(|cause| cause.downcast_ref().is_some_and(is_outage));
        let (attempts, delay) = if is_outage {
            self.outages = self.outages.saturating_add(1);
            let is_long = self.outages > MANY_ATTEMPTS;
            (self.outages, if is_long { AFTER_MANY } else { delay_of_outage(self.outages) })
        } else {
            (self.count, self.outages) = (self.count.saturating_add(1), 0);
            (self.count, policy.delay(self.count).max(SHORTEST_DELAY))
        };
        Resend { delay, attempts, is_outage }
    }
}

impl Resend {
    /// Reports the failure.
    pub(crate) fn say(self, control: &Control, error: &FollowError) {
        let Self { delay, attempts, is_outage } = self;
        if is_outage {
            control.say_outage(0, error, attempts, delay);
        } else {
            control.say_retry(0, None, error, attempts, delay);
        }
    }
}

/// How long to wait after an error, as the policy says after the store has failed so many times in a row. Fails with
/// the error if the runner has to stop.
///
/// A file that another process holds is no failure, and neither is a server that fails over: a patient runner waits for it.
pub(crate) fn wait_after<E: StoreFailure>(
    error: E,
    failures: &mut StoreFailures,
    control: &Control,
    worker: usize,
    policy: &RetryPolicy,
) -> Result<Duration, E> {
    if error.is_busy() && policy.is_patient {
        failures.busy = failures.busy.saturating_add(1);
        let delay = delay_of_outage(failures.busy);
        control.say_outage(worker, &error, failures.busy, delay);
        discard(error);
        return Ok(delay);
    }
    failures.count = failures.count.saturating_add(1);
    match policy.delay_after_store_failure(failures.count) {
        Some(delay) if error.may_pass() => {
            control.say_retry(worker, None, &error, failures.count, delay);
            discard(error);
            Ok(delay)
        }
        _ => Err(error),
    }
}

/// Repeats `work` after failures that may pass, until the runner has to stop.
pub(crate) fn retry<T: Default, E: StoreFailure>(
    control: &Control,
    policy: &RetryPolicy,
    mut work: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut failures = StoreFailures::default();
    while !control.is_stopping() {
        match work() {
            Err(error) => control.pause(wait_after(error, &mut failures, control, 0, policy)?),
            done => return done,
        }
    }
    Ok(T::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_an_outage_leave_the_delays_of_the_policy_as_they_are() {
        let (policy, mut failures) = (RetryPolicy::new(), CommandFailures::default());
        let mut fail = |error: StoreError| {
            let error = FollowError::Store { follower: "orders", source: error };
            let Resend { delay, attempts, .. } = failures.add(&error, &policy);
            (attempts, delay.as_millis())
        };
        let unreachable = || StoreError::Unreachable("nobody answers".into());
        let other = || StoreError::Other("no".into());
        assert_eq!([other(), other()].map(&mut fail), [(1, 100), (2, 200)]);
        let outage = [(); 5].map(|()| fail(unreachable()));
        assert_eq!(outage, [(1, 10), (2, 20), (3, 40), (4, 50), (5, 50)]);
        assert_eq!([other(), unreachable(), StoreError::Busy].map(&mut fail), [(3, 400), (1, 10), (2, 20)]);
        let long = [(); 99].map(|()| fail(unreachable()));
        assert_eq!((long[97], long[98]), ((100, 50), (101, 500)));
    }
}
