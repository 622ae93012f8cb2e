//! What runs by itself: catches up, then follows the store, in a thread of its own.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::control::Control;
use crate::projection::ProjectionError;

/// What is done with an event that a handler can't take, after all retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The runner ends with the error; what comes before the event counts. Another start tries it again.
    #[default]
    Stop,
    /// The event is set aside with its error, and the runner goes on; see `dead_letters` of what follows.
    SetAside,
}

/// What is done when a handler fails.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) retries: u32,
    first_delay: Duration,
    longest_delay: Duration,
    pub(crate) on_failure: OnFailure,
    /// Whether a file that is busy is waited for.
    pub(crate) patient: bool,
}

impl Policy {
    fn new() -> Self {
        Self {
            retries: 0,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(10),
            on_failure: OnFailure::Stop,
            patient: true,
        }
    }

    /// Whoever waits for an answer gets any error.
    pub(crate) fn impatient() -> Self {
        Self { patient: false, ..Self::new() }
    }

    /// How long to wait after so many attempts.
    pub(super) fn delay(&self, attempts: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempts.saturating_sub(1));
        self.first_delay.saturating_mul(factor).min(self.longest_delay)
    }
}

/// What can follow a store: a [`SqliteProjection`](crate::SqliteProjection) or a [`SqliteReaction`](crate::SqliteReaction).
pub trait Follower: sealed::Run + Send + Sized + 'static {}

pub(crate) mod sealed {
    use std::time::Duration;

    use super::{Control, Policy};
    use crate::following::Report;
    use crate::projection::ProjectionError;

    pub trait Run {
        const NAME: &'static str;

        /// Runs until it is stopped.
        fn run(&mut self, control: &Control, policy: &Policy, lease: Duration)
        -> Result<(), ProjectionError>;

        /// Who wants to be told of its progress.
        fn report(&mut self) -> &mut Option<Report>;
    }
}

/// How a projection or reaction follows its store: made by its `follow`, begun by [`start`](Self::start).
#[derive(Debug)]
pub struct Follow<W> {
    work: W,
    policy: Policy,
    lease: Duration,
}

/// A projection or reaction that follows its store, until it is [stopped](Self::stop) or this is dropped.
pub struct Following<W> {
    control: Arc<Control>,
    runner: Option<JoinHandle<W>>,
}

/// Why a wait for a projection ended without what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time ran out.
    #[error("`{projection}` has come to position {position} in the time given, not to {wanted}")]
    #[non_exhaustive]
    TimedOut {
        /// The projection or reaction.
        projection: &'static str,
        /// How far it has come.
        position: u64,
        /// How far it should have come.
        wanted: u64,
    },
    /// The runner has ended: [`Following::stop`] tells why.
    #[error("`{projection}` has ended at position {position}, before {wanted}")]
    #[non_exhaustive]
    Ended {
        /// The projection or reaction.
        projection: &'static str,
        /// How far it has come.
        position: u64,
        /// How far it should have come.
        wanted: u64,
    },
}

impl<W: Follower> Follow<W> {
    pub(crate) fn new(work: W) -> Self {
        Self { work, policy: Policy::new(), lease: Duration::from_secs(10) }
    }

    /// How often an event that fails is tried again, the first time after `delay`, then after twice as long each time, up to
    /// 10 seconds.
    pub fn retry(mut self, times: u32, delay: Duration) -> Self {
        (self.policy.retries, self.policy.first_delay) = (times, delay);
        self
    }

    /// What is done with an event that fails after all retries.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.policy.on_failure = on_failure;
        self
    }

    /// How long a runner that has died is waited for, before another takes its place.
    pub fn lease(mut self, lasts: Duration) -> Self {
        self.lease = lasts;
        self
    }

    /// Starts the runner, in a thread of its own.
    ///
    /// Of all runners of this projection or reaction, over all processes that have the file open, one runs; the others wait
    /// for it to end or to die.
    ///
    /// Fails if the system gives no thread.
    pub fn start(self) -> std::io::Result<Following<W>> {
        let Self { mut work, policy, lease } = self;
        let control = Arc::new(Control::new(work.report().take()));
        let theirs = Arc::clone(&control);
        let runner = thread::Builder::new().name(format!("factum: {}", W::NAME)).spawn(move || {
            let ended = Ended(theirs);
            if let Err(error) = work.run(&ended.0, &policy, lease) {
                ended.0.fail(error);
            }
            *work.report() = ended.0.take_report();
            drop(ended);
            work
        })?;
        Ok(Following { control, runner: Some(runner) })
    }
}

/// Nobody waits for a runner that has ended, however it did.
struct Ended(Arc<Control>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<W: Follower> Following<W> {
    /// The position up to which everything has been seen, as far as this runner knows.
    pub fn position(&self) -> u64 {
        self.control.position()
    }

    /// Whether the runner has ended by itself, as it does after an error; [`stop`](Self::stop) tells which.
    pub fn has_ended(&self) -> bool {
        self.control.has_ended()
    }

    /// Waits until the event at `position` has been seen, as of a command's outcome: to read one's own writes.
    ///
    /// Fails if the time runs out or the runner ends before.
    pub fn wait_for(&self, position: u64, timeout: Duration) -> Result<(), WaitError> {
        let end = self.control.wait_for(position, timeout);
        let (projection, wanted, position) = (W::NAME, position, end.position);
        match position {
            _ if position >= wanted => Ok(()),
            _ if end.ended => Err(WaitError::Ended { projection, position, wanted }),
            _ => Err(WaitError::TimedOut { projection, position, wanted }),
        }
    }

    /// Stops the runner, after the transaction or the handler that it is in, and gives what it ran back.
    ///
    /// Fails if the runner has ended by itself, with what made it end.
    pub fn stop(mut self) -> Result<W, ProjectionError> {
        let work = self.join();
        match (self.control.take_error(), work) {
            (None, Some(work)) => Ok(work),
            (Some(error), _) => Err(error),
            (None, None) => Err(ProjectionError::Panicked { projection: W::NAME }),
        }
    }
}

impl<W> Following<W> {
    fn join(&mut self) -> Option<W> {
        self.control.stop();
        self.runner.take()?.join().ok()
    }
}

impl<W> Drop for Following<W> {
    fn drop(&mut self) {
        drop(self.join());
    }
}

impl<W> fmt::Debug for Following<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("control", &self.control).finish_non_exhaustive()
    }
}
