//! A worker: its handlers, its partition, its lease, and the failures of its current event.

use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::handler::{EventHandler, Target};
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::follow::step::{FailedStep, Opening, Share, Step, StepSize};
use crate::follow::{checkpoint, step};
use crate::store::owned_event::OwnedEvent;
use crate::store::partition::Partition;

/// A target whose handlers a worker can drive, with their progress in `P`.
pub(crate) trait StepTarget<P: ProgressStore>: Target + Sized {
    /// Handles events up to the position `goal`, and saves the position reached.
    fn step<H: EventHandler<Target = Self>>(
        worker: &mut Worker<'_, H, P>,
        goal: Position,
        size: StepSize,
    ) -> Result<Step, FailedStep>;

    /// Handles the event of a dead letter again, and removes the letter; `false` if the letter is gone.
    fn retry_letter<H: EventHandler<Target = Self>>(
        handlers: &mut H,
        home: &ProgressHome<P>,
        follower: &'static str,
        letter: &StoredLetter,
        event: &OwnedEvent,
    ) -> Result<bool, FollowError>;
}

/// What the workers of a follower share.
pub(crate) struct Job<'j, P> {
    pub(crate) definition: &'j FollowerDefinition,
    pub(crate) home: &'j ProgressHome<P>,
    pub(crate) control: &'j Control,
    /// The holder of the lease, if the run needs one.
    pub(crate) lease: Option<&'j LeaseHolder>,
    /// How long one transaction may hold a file that other writers wait for.
    pub(crate) batch_time: Duration,
}

impl<P> Clone for Job<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P> Copy for Job<'_, P> {}

/// What a worker remembers while its follower is parked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkerMemory {
    failed: FailedEvent,
    lease_taken_at: Option<Instant>,
}

/// The last event that failed, and how often it has failed.
#[derive(Debug, Clone, Copy, Default)]
struct FailedEvent {
    position: Position,
    attempts: u32,
}

/// One worker: its handlers, and the partition whose events it handles.
pub(crate) struct Worker<'e, H, P> {
    job: Job<'e, P>,
    handlers: &'e mut H,
    partition: Partition,
    pub(crate) memory: WorkerMemory,
}

impl<'e, H, P: ProgressStore> Worker<'e, H, P> {
    pub(crate) fn new(job: Job<'e, P>, handlers: &'e mut H, partition: Partition) -> Self {
        Self { job, handlers, partition, memory: WorkerMemory::default() }
    }

    pub(crate) fn definition(&self) -> &'e FollowerDefinition {
        self.job.definition
    }

    pub(crate) fn home(&self) -> &'e ProgressHome<P> {
        self.job.home
    }

    pub(crate) fn control(&self) -> &'e Control {
        self.job.control
    }

    pub(crate) fn handlers(&mut self) -> &mut H {
        self.handlers
    }

    pub(crate) fn partition(&self) -> Partition {
        self.partition
    }

    /// How long one transaction may hold a file that other writers wait for.
    pub(crate) fn batch_time(&self) -> Duration {
        self.job.batch_time
    }

    /// Opens a step in the transaction of its writes.
    pub(crate) fn open(
        &mut self,
        transaction: &P::Transaction<'_>,
        goal: Position,
    ) -> Result<Opening, FollowError> {
        let (definition, own) = (self.job.definition, self.partition);
        let source = self.job.home.source.as_deref();
        let opening = step::open::<P>(transaction, definition, source, own, goal, |transaction| {
            self.take_lease(transaction)
        })?;
        match opening {
            Opening::Handle(share) if share.is_done() => {
                self.check_not_ahead(transaction, share)?;
                Ok(Opening::Over(Step::CaughtUp(share.after)))
            }
            opening => Ok(opening),
        }
    }

    /// A follower beyond its goal has seen newer events, which another runner handled, unless the store has
    /// lost events.
    fn check_not_ahead(&self, transaction: &P::Transaction<'_>, share: Share) -> Result<(), FollowError> {
        let follower = self.job.definition.name;
        if share.after > share.goal {
            let newest = self.job.home.newest_in(transaction, follower)?;
            if share.after > newest {
                return Err(FollowError::AheadOfStore { follower, seen: share.after, newest });
            }
        }
        Ok(())
    }

    /// Takes or renews the lease, in the transaction of the work that it protects; `false` if another runner
    /// has it.
    pub(crate) fn take_lease(&mut self, transaction: &P::Transaction<'_>) -> Result<bool, FollowError> {
        let Some(holder) = self.job.lease else { return Ok(true) };
        let answer =
            P::take_lease(transaction, holder).map_err(FollowError::store(self.job.definition.name))?;
        let holder = match answer {
            LeaseAnswer::Taken => None,
            LeaseAnswer::HeldBy(holder) => Some(holder),
        };
        self.memory.lease_taken_at = holder.is_none().then(Instant::now);
        let taken = holder.is_none();
        self.job.control.report_lease(holder);
        Ok(taken)
    }

    /// Renews the lease of a worker that has seen everything up to a position, for less than a step takes.
    ///
    /// `false` if a step is needed: there are events, or another runner has the lease or has moved the partition.
    pub(crate) fn renew_at(&mut self, position: Position) -> Result<bool, FollowError> {
        let Job { home, definition, lease, .. } = self.job;
        let (follower, Some(holder)) = (definition.name, lease) else { return Ok(false) };
        let renew = |transaction: &P::Transaction<'_>| {
            let positions = checkpoint::require_in::<P>(transaction, definition)?;
            if let Some(source) = home.source.as_deref() {
                positions.check(source, follower)?;
            }
            let is_there = positions.of(self.partition) == Some(position);
            let is_at_end = is_there && home.newest_in(transaction, follower)? == position;
            Ok(is_at_end && P::renew_lease(transaction, holder).map_err(FollowError::store(follower))?)
        };
        let is_renewed = home.progress.in_renewal(renew, FollowError::store(follower))?;
        if is_renewed {
            self.memory.lease_taken_at = Some(Instant::now());
        }
        Ok(is_renewed)
    }

    /// Renews the lease, if this run has it. The next step asks for it in any case.
    pub(crate) fn keep_lease(&mut self) {
        let Some(holder) = self.job.lease else { return };
        let renew = |transaction: &P::Transaction<'_>| P::renew_lease(transaction, holder);
        let _ = self.job.home.progress.in_renewal(renew, |error| error);
        self.memory.lease_taken_at = Some(Instant::now());
    }

    /// How long the lease lasts; zero if the run needs none.
    pub(crate) fn lease_lasts(&self) -> Duration {
        self.job.lease.map_or(Duration::ZERO, |holder| holder.lasts)
    }

    /// When the lease has to be renewed; `None` if the run needs none.
    pub(crate) fn lease_due(&self) -> Option<Instant> {
        let now = Instant::now();
        self.job.lease.map(|holder| self.memory.lease_taken_at.map_or(now, |taken| taken + holder.lasts / 3))
    }

    /// Whether the run needs a lease, of which a third has passed.
    pub(crate) fn lease_is_due(&self) -> bool {
        self.lease_due().is_some_and(|due| due <= Instant::now())
    }

    /// Counts another failure of the event at a position; returns the number of its attempts.
    pub(crate) fn count_failure(&mut self, position: Position) -> u32 {
        self.memory.failed = FailedEvent { position, attempts: self.failures_of(position) + 1 };
        self.memory.failed.attempts
    }

    /// How often the event at a position has failed.
    pub(crate) fn failures_of(&self, position: Position) -> u32 {
        if self.memory.failed.position == position { self.memory.failed.attempts } else { 0 }
    }

    /// Reports that this worker will try again after a failure.
    pub(crate) fn say_retry(
        &self,
        position: Option<Position>,
        error: &FollowError,
        attempts: u32,
        delay: Duration,
    ) {
        self.job.control.say_retry(self.partition.index() as usize, position, error, attempts, delay);
    }

    /// Reports the position that this worker has reached.
    pub(crate) fn report_position(&self, position: Position) {
        self.job.control.report_position(self.partition.index() as usize, position);
    }

    /// Saves the position that a partition has reached.
    pub(crate) fn save_position(
        &self,
        transaction: &P::Transaction<'_>,
        partition: Partition,
        position: Position,
    ) -> Result<(), FollowError> {
        let definition = self.job.definition;
        let seen = self.job.home.seen_in(transaction, definition.name, position)?;
        P::save_seen(transaction, definition, partition, &seen).map_err(FollowError::store(definition.name))
    }
}
