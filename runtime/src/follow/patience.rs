//! Failures of the store or the disk that may pass: a runner waits, and tries again.

use std::error::Error;
use std::time::Duration;

use crate::domain::panic::discard;
use crate::follow::control::Control;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::policy::RetryPolicy;
use crate::store::error::StoreError;

/// How long a runner waits while another process holds the file.
const WHILE_BUSY: Duration = Duration::from_millis(50);

/// After how many waits for a busy file a runner says so: every 5 seconds, beside the store's own busy timeout.
const BUSY_REPORT: u32 = 100;

/// How often the store has failed, and was busy, since it last worked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoreFailures {
    count: u32,
    busy: u32,
}

/// An error that a failure of the store or the disk may have caused.
pub(crate) trait StoreFailure: Error + Sized + 'static {
    /// Whether another process holds the file.
    fn is_busy(&self) -> bool;

    /// Whether the store or the disk has failed in a way that may pass, such as by an I/O error.
    fn may_pass(&self) -> bool;
}

impl StoreFailure for FollowError {
    fn is_busy(&self) -> bool {
        matches!(self, Self::Store { source: StoreError::Busy, .. })
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

/// How long to wait after an error, as the policy says after the store has failed so many times in a row. Fails with
/// the error if the runner has to stop.
///
/// A file that another process holds is no failure: a patient runner waits for it.
pub(crate) fn wait_after<E: StoreFailure>(
    error: E,
    failures: &mut StoreFailures,
    control: &Control,
    worker: usize,
    policy: &RetryPolicy,
) -> Result<Duration, E> {
    if error.is_busy() && policy.is_patient {
        // Not each time: the file may be busy for as long as another process likes.
        if failures.busy.is_multiple_of(BUSY_REPORT) {
            let waits = failures.busy / BUSY_REPORT + 1;
            control.say_retry(worker, None, &error, waits, WHILE_BUSY * BUSY_REPORT);
        }
        failures.busy = failures.busy.saturating_add(1);
        discard(error);
        return Ok(WHILE_BUSY);
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
