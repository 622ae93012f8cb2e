//! What a runner does when a handler fails.

use std::time::Duration;

/// How long a runner waits at least between two of many attempts.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// What a runner does with an event that still fails after all retries.
///
/// A server that can't be reached, as in a failover, is not the fault of an event: a runner waits for it in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The runner stops with the error. The events before it count; the next start tries the event again.
    #[default]
    Stop,
    /// The event is moved to the dead letters with its error, and the runner continues with the next one.
    ///
    /// If not an event but the store or the disk fails, the runner tries again for as long as it takes, with the
    /// longest delay in the end.
    DeadLetter,
    /// The event is moved to the dead letters, and later events of its stream wait behind it there. The runner
    /// continues with other streams.
    ///
    /// When the letter is retried with success, or discarded, the events behind it follow in order. They wait for
    /// it in every run of the follower, also after a restart with another setting, and in other processes.
    SequencedDeadLetter,
}

/// How often and when a runner retries an event that fails, and what it does after that.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    pub(crate) retries: u32,
    pub(crate) first_delay: Duration,
    longest_delay: Duration,
    pub(crate) on_failure: OnFailure,
    /// Whether the runner waits for a file that is busy.
    pub(crate) is_patient: bool,
}

impl RetryPolicy {
    pub(crate) fn new() -> Self {
        Self {
            retries: 0,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(10),
            on_failure: OnFailure::Stop,
            is_patient: true,
        }
    }

    /// The policy of a run whose caller waits for the result: any error ends it.
    pub(crate) fn impatient() -> Self {
        Self { is_patient: false, ..Self::new() }
    }

    /// How long to wait after the store or the disk has failed so many times in a row; `None` if the runner has
    /// to stop.
    ///
    /// No event is the reason, so none can become a dead letter. A runner that must not stop tries again for as
    /// long as it takes.
    pub(crate) fn delay_after_store_failure(&self, attempts: u32) -> Option<Duration> {
        match self.on_failure {
            _ if !self.is_patient => None,
            _ if attempts <= self.retries => Some(self.delay(attempts)),
            OnFailure::Stop => None,
            OnFailure::DeadLetter | OnFailure::SequencedDeadLetter => {
                Some(self.delay(attempts).max(SHORTEST_WAIT))
            }
        }
    }

    /// How long to wait after this many attempts: each delay is twice the one before.
    pub(crate) fn delay(&self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.first_delay.saturating_mul(factor).min(self.longest_delay)
    }
}
