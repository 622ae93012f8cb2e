//! A worker: its handlers, its partition, its lease, and the failures of its current event.

use std::time::Duration;

use crate::domain::position::Position;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, Target};
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::{KeptLease, Parked};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::follow::step;
use crate::follow::step::{FailedStep, Opening, Share, Step, StepSize};
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
    /// What renews the lease of a run in the background.
    pub(crate) kept: Option<&'j KeptLease>,
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
    /// How many events this worker has handled.
    handled: u64,
}

impl<'e, H, P: ProgressStore> Worker<'e, H, P> {
    pub(crate) fn new(job: Job<'e, P>, handlers: &'e mut H, partition: Partition) -> Self {
        Self { job, handlers, partition, memory: WorkerMemory::default(), handled: 0 }
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
        let opening = step::open::<P>(transaction, definition, source, own, goal, |partition| {
            self.take_lease(transaction, partition)
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

    /// Takes or renews the lease, in the transaction of the work that it protects, and locks the position of the partition;
    /// `false` if another runner has the lease.
    pub(crate) fn take_lease(
        &mut self,
        transaction: &P::Transaction<'_>,
        partition: Partition,
    ) -> Result<bool, FollowError> {
        let has_lease = self.has_lease(transaction)?;
        if has_lease {
            // For the partition of another worker, the streams must not be split meanwhile.
            let locked = if partition == self.partition { partition } else { Partition::WHOLE };
            let follower = self.job.definition.name;
            P::lock_positions(transaction, follower, locked).map_err(FollowError::store(follower))?;
        }
        Ok(has_lease)
    }

    fn has_lease(&self, transaction: &P::Transaction<'_>) -> Result<bool, FollowError> {
        let Some(holder) = self.job.lease else { return Ok(true) };
        let answer =
            P::take_lease(transaction, holder).map_err(FollowError::store(self.job.definition.name))?;
        let other = match answer {
            LeaseAnswer::Taken => None,
            LeaseAnswer::HeldBy(other) => Some(other),
        };
        let is_taken = other.is_none();
        holder.set_held(is_taken);
        self.job.control.report_lease(other);
        Ok(is_taken)
    }

    /// Lets the keeper of the lease look after a worker that has seen everything up to a position.
    pub(crate) fn park(&self, position: Position) {
        let Job { definition, home, control, kept, .. } = self.job;
        if let (Some(kept), Some(waker)) = (kept, control.waker()) {
            let (definition, partition, source) = (*definition, self.partition, home.source.clone());
            kept.park(Parked { definition, partition, position, source, waker, needs_step: false });
        }
    }

    /// Whether the keeper has found that the parked worker has to take a step.
    pub(crate) fn needs_step(&self) -> bool {
        self.job.kept.is_some_and(|kept| kept.needs_step(self.partition))
    }

    /// The worker is not parked any more.
    pub(crate) fn unpark(&self) {
        if let Some(kept) = self.job.kept {
            kept.unpark(self.partition);
        }
    }

    /// Counts events that the handlers have handled.
    pub(crate) fn count(&mut self, events: usize) {
        self.handled += events as u64;
        self.job.control.count(events);
    }

    /// How many events this worker has handled.
    pub(crate) fn handled(&self) -> u64 {
        self.handled
    }

    /// How long the lease lasts; zero if the run needs none.
    pub(crate) fn lease_lasts(&self) -> Duration {
        self.job.lease.map_or(Duration::ZERO, |holder| holder.lasts)
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

    /// The hooks that see the worker's events.
    pub(crate) fn watch(&self) -> Watch<'e> {
        let FailedEvent { position, attempts } = self.memory.failed;
        self.job.home.hooks.watch(position, attempts)
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
