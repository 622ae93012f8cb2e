//! One step of a worker: how it begins, and its result.

use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::partitions::Task;
use crate::follow::progress_store::{ProgressStore, seen_in};
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

/// The result of a step, with the position up to which this worker has seen everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// There is nothing left to handle.
    CaughtUp(Position),
    /// There are more events to handle.
    More(Position),
    /// Another runner has the lease.
    NoLease(Position),
    /// Another worker has a task that comes first.
    Wait(Position),
}

impl Step {
    pub(crate) fn position(self) -> Position {
        let (Self::CaughtUp(position)
        | Self::More(position)
        | Self::NoLease(position)
        | Self::Wait(position)) = self;
        position
    }
}

/// How many events a step handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepSize {
    /// As many as one transaction may handle.
    Batch,
    /// Those before an event that has failed, however long they take: the failure is dealt with after them.
    Before {
        /// Their number.
        events: usize,
    },
}

impl StepSize {
    /// The number of events, at most `batch`.
    pub(crate) fn at_most(self, batch: usize) -> usize {
        match self {
            Self::Batch => batch,
            Self::Before { events } => events.min(batch),
        }
    }

    /// When the step has to end, if it begins now and `time` is the time of a batch.
    pub(crate) fn deadline(self, time: Duration) -> Option<Instant> {
        match self {
            Self::Batch => Instant::now().checked_add(time),
            Self::Before { .. } => None,
        }
    }
}

/// Why a step was rolled back.
#[derive(Debug)]
pub(crate) struct FailedStep {
    /// How many events the step had handled before the failure. If the commit was refused, half of the step's.
    pub(crate) handled: usize,
    /// The partition of the step.
    pub(crate) partition: Partition,
    /// The position of the last event before the failure that the step had handled or, without one, where the
    /// partition was.
    pub(crate) after: Position,
    pub(crate) error: FollowError,
}

impl FailedStep {
    /// Whether the commit was refused, for one of several events.
    pub(crate) fn is_commit(&self) -> bool {
        self.handled > 0 && matches!(self.error, FollowError::CommitRefused { .. })
    }
}

impl From<FollowError> for FailedStep {
    /// An error before the first event.
    fn from(error: FollowError) -> Self {
        Self { handled: 0, partition: Partition::WHOLE, after: Position::START, error }
    }
}

/// How a step begins.
#[derive(Debug)]
pub(crate) enum Opening {
    /// There is nothing to handle now.
    Over(Step),
    /// The step handles these events.
    Handle(Share),
}

/// The events that a step handles: those of a partition between two positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) partition: Partition,
    pub(crate) after: Position,
    pub(crate) goal: Position,
    /// Whether this is the worker's own partition, not one that it brings to the position of the others.
    is_own: bool,
    /// The position of the slowest partition.
    slowest: Position,
}

impl Share {
    /// The last position to read, so that the step covers at most `window` positions, from that of the `next`
    /// event on.
    pub(crate) fn until(&self, window: u64, next: Option<Position>) -> Position {
        let begin = next.map_or(self.goal, Position::previous).max(self.after);
        self.goal.min(begin.forward(window))
    }

    /// The result of the step after it has handled all events up to `reached`.
    pub(crate) fn reached(&self, reached: Position) -> Step {
        match self.is_own {
            true if reached >= self.goal => Step::CaughtUp(reached),
            true => Step::More(reached),
            false => Step::More(self.slowest),
        }
    }

    /// Whether the worker's own partition has nothing left to handle.
    pub(crate) fn is_done(&self) -> bool {
        self.is_own && self.after >= self.goal
    }
}

/// Opens a step of the worker with the partition `own`, on its way to `goal`, in the transaction of its
/// writes.
///
/// Looks up the checkpoint, and finds the next task. `take_lease` takes the lease of a partition and locks its position. For a
/// partition of other ones than the workers have, it does so with all of these. Leases come before positions: a transaction that
/// waits for a lease holds no position, or two programs could wait for each other. `is_split` is whether a single worker knows that
/// the streams are split into several partitions. If the events are in another database, `source`,
/// checks that its events are still those that the follower has seen: a transaction does not cover both.
pub(crate) fn open<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    definition: &FollowerDefinition,
    source: Option<&dyn EventStore>,
    (own, is_split): (Partition, bool),
    goal: Position,
    take_lease: impl Fn(Partition) -> Result<bool, FollowError>,
) -> Result<Opening, FollowError> {
    // Of several workers, the first one also has the tasks that concern all partitions.
    let is_first = own.index() == 0 && (own != Partition::WHOLE || is_split);
    let expected =
        if is_first { checkpoint::require_in::<P>(transaction, definition)?.own_or_first(own) } else { own };
    // The lease first: it keeps others from moving the checkpoint.
    let mut has_lease = take_lease(expected)?;
    let positions = checkpoint::require_in::<P>(transaction, definition)?;
    if let Some(source) = source {
        positions.check(source, definition.name)?;
    }
    let slowest = positions.position();
    let found = positions.own_or_first(own);
    if has_lease && !is_first && own == Partition::WHOLE && found != own {
        // With leases, the worker hears of the partitions, and takes none of these in this step.
        has_lease = take_lease(found)?;
    }
    if !has_lease {
        return Ok(Opening::Over(Step::NoLease(slowest)));
    }
    if is_first && found != own && found != expected {
        // Another program has split the streams in between.
        return Ok(Opening::Over(Step::Wait(slowest)));
    }
    Ok(match positions.task(own) {
        Task::Wait => Opening::Over(Step::Wait(slowest)),
        Task::Repartition { position } => {
            seen_in::<P>(source, transaction, position)
                .and_then(|seen| P::repartition(transaction, definition, own.of(), &seen))
                .map_err(FollowError::store(definition.name))?;
            Opening::Over(Step::More(position))
        }
        Task::Handle { partition, position } => Opening::Handle(Share {
            partition,
            after: position,
            goal: positions.goal(own, goal),
            is_own: partition == own,
            slowest,
        }),
    })
}
