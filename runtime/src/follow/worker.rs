//! A worker: its handlers, its partition, its lease, and the failures of its current event.

use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, Target};
use crate::follow::lease::LeaseHolder;
use crate::follow::lease_keeper::Parked;
use crate::follow::partition_leases::PartitionLeases;
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::follow::step::{FailedStep, Opening, Share, Step, StepSize};
use crate::follow::{checkpoint, step};
use crate::store::error::{StoreError, taken_over};
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
    /// What a step needs to handle events, if the run needs anything.
    pub(crate) lease: Option<Lease<'j>>,
    /// How long one transaction may hold a file that other writers wait for.
    pub(crate) batch_time: Duration,
}

/// What a step needs to handle events.
#[derive(Clone, Copy)]
pub(crate) enum Lease<'j> {
    /// The lease of the follower, which has one partition.
    OfFollower(&'j LeaseHolder),
    /// The lease of the partition, or those of all.
    OfPartitions(&'j PartitionLeases),
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
    /// How often another server had taken over when the worker asked for the newest position.
    pub(crate) takeovers: u64,
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

    /// The position of the newest event. The way there counts only if no other server takes over meanwhile.
    pub(crate) fn newest(&mut self) -> Result<Position, FollowError> {
        self.memory.takeovers = self.job.home.events().takeovers();
        self.job.home.newest(self.job.definition.name)
    }

    /// Fails if another server has taken over, which may lack the events that the worker has heard of or read.
    pub(crate) fn confirm(&self) -> Result<(), FollowError> {
        let Job { home, definition, .. } = self.job;
        if home.events().takeovers() == self.memory.takeovers {
            return Ok(());
        }
        Err(FollowError::store(definition.name)(taken_over()))
    }

    /// Opens a step in the transaction of its writes.
    pub(crate) fn open(
        &mut self,
        transaction: &P::Transaction<'_>,
        goal: Position,
    ) -> Result<Opening, FollowError> {
        self.confirm()?;
        let (definition, own) = (self.job.definition, self.partition);
        let source = self.job.home.source.as_deref();
        let is_split = self.leases().is_some_and(PartitionLeases::are_several);
        let opening = step::open::<P>(transaction, definition, source, (own, is_split), goal, |partition| {
            self.take_lease(transaction, partition)
        })?;
        match opening {
            Opening::Over(Step::Wait(_)) if let Some(leases) = self.leases() => {
                leases.look_soon();
                Ok(opening)
            }
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

    /// Takes or renews the lease of a partition, in the transaction of the work that it protects, and locks the position of the
    /// partition; `false` if another runner has the lease. The partition of another worker takes the leases of all.
    pub(crate) fn take_lease(
        &self,
        transaction: &P::Transaction<'_>,
        partition: Partition,
    ) -> Result<bool, FollowError> {
        let follower = self.job.definition.name;
        let is_own = partition == self.partition;
        if !self.has_lease(transaction, partition, is_own).map_err(FollowError::store(follower))? {
            return Ok(false);
        }
        // For the partition of another worker, the streams must not be split meanwhile.
        let locked = if is_own { partition } else { Partition::WHOLE };
        P::lock_positions(transaction, follower, locked).map_err(FollowError::store(follower))?;
        Ok(true)
    }

    fn has_lease(
        &self,
        transaction: &P::Transaction<'_>,
        partition: Partition,
        is_own: bool,
    ) -> Result<bool, StoreError> {
        let other = match self.job.lease {
            None => return Ok(true),
            Some(Lease::OfFollower(holder)) => holder.take::<P>(transaction)?,
            Some(Lease::OfPartitions(leases)) if is_own => leases.take::<P>(transaction, partition)?,
            Some(Lease::OfPartitions(leases)) if !leases.has_all(partition.of()) => return Ok(false),
            Some(Lease::OfPartitions(leases)) => leases.take_all::<P>(transaction, partition.of())?,
        };
        let is_taken = other.is_none();
        self.job.control.report_lease(self.partition.index() as usize, other);
        Ok(is_taken)
    }

    fn leases(&self) -> Option<&'e PartitionLeases> {
        match self.job.lease {
            Some(Lease::OfPartitions(leases)) => Some(leases),
            Some(Lease::OfFollower(_)) | None => None,
        }
    }

    /// Finds out which partitions run here, if it is time for that.
    pub(crate) fn look(&self) -> Result<(), FollowError> {
        let Job { definition, home, control, .. } = self.job;
        if let Some(leases) = self.leases()
            && let Some(places) = leases.look(&home.progress, definition)?
        {
            control.report_places(&places);
            control.say(None);
        }
        Ok(())
    }

    /// When a worker has to look again which partitions run here.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.leases().and_then(PartitionLeases::next_look)
    }

    /// Whether the worker may take a step. If not, another runner has its partition, or is to have it.
    pub(crate) fn may_run(&self) -> bool {
        self.leases().is_none_or(|leases| leases.may_run(self.partition))
    }

    /// Whether the worker has a lease that was waited for, as far as it knows.
    pub(crate) fn was_given_lease(&self) -> bool {
        self.leases().is_some_and(|leases| leases.are_shared() && leases.may_run(self.partition))
    }

    /// Lets another program have the partition, if it is to have it.
    pub(crate) fn leave(&self) -> Result<(), FollowError> {
        let Job { home, control, .. } = self.job;
        if let Some(leases) = self.leases()
            && leases.leave(&home.progress, self.partition)?
        {
            control.forget_lease(self.partition.index() as usize);
        }
        Ok(())
    }

    /// The worker takes no step any more, and lets other programs have its partition.
    pub(crate) fn end(&self) {
        let Job { home, control, .. } = self.job;
        if let Some(leases) = self.leases() {
            leases.end(&home.progress, self.partition);
            if leases.are_shared() {
                control.forget_lease(self.partition.index() as usize);
            }
        }
    }

    /// How far the partition is while another runner has it.
    pub(crate) fn stored_position(&self) -> Result<Position, FollowError> {
        let Job { definition, home, .. } = self.job;
        match self.leases() {
            Some(leases) => leases.stored_position(&home.progress, definition, self.partition),
            None => Ok(checkpoint::require(&home.progress, definition)?.position()),
        }
    }

    /// Lets the keeper of the lease look after a worker that has seen everything up to a position.
    pub(crate) fn park(&self, position: Position) {
        let Job { definition, home, control, .. } = self.job;
        if let (Some(leases), Some(waker)) = (self.leases(), control.waker()) {
            let (definition, partition, source) = (*definition, self.partition, home.source.clone());
            let parked = Parked { definition, partition, position, source, waker, needs_step: false };
            leases.with_kept(partition, |kept| kept.park(parked));
        }
    }

    /// Whether the keeper has found that the parked worker has to take a step.
    pub(crate) fn needs_step(&self) -> bool {
        let needs_step = |leases: &PartitionLeases| {
            leases.with_kept(self.partition, |kept| kept.needs_step(self.partition))
        };
        self.leases().and_then(needs_step).unwrap_or(false)
    }

    /// The worker is not parked any more.
    pub(crate) fn unpark(&self) {
        if let Some(leases) = self.leases() {
            leases.with_kept(self.partition, |kept| kept.unpark(self.partition));
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

    /// What asks for the lease, if the run needs one.
    pub(crate) fn lease_holder(&self) -> Option<&'e LeaseHolder> {
        self.job.lease.map(|lease| match lease {
            Lease::OfFollower(holder) => holder,
            Lease::OfPartitions(leases) => leases.holder(),
        })
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
        self.confirm()?;
        let seen = self.job.home.seen_in(transaction, definition.name, position)?;
        P::save_seen(transaction, definition, partition, &seen).map_err(FollowError::store(definition.name))
    }
}
