//! The positions of a follower's partitions, and the next task of each worker.

use crate::domain::position::Position;
use crate::follow::error::FollowError;
use crate::follow::seen::Seen;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

/// The partitions that a follower's streams are split into, one for each worker, with the position of each.
#[derive(Debug)]
pub(crate) struct PartitionPositions {
    /// At least one.
    seen: Vec<Seen>,
}

/// What a worker has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Handle the events of a partition after its position.
    Handle { partition: Partition, position: Position },
    /// All partitions are at one position: split the streams into as many partitions as there are workers.
    Repartition { position: Position },
    /// Another worker has a task that comes first.
    Wait,
}

impl PartitionPositions {
    /// How far each partition has come, in order. Without any, there is one partition, at the start.
    pub(crate) fn new(mut seen: Vec<Seen>) -> Self {
        if seen.is_empty() {
            seen.push(Seen::START);
        }
        Self { seen }
    }

    /// How many partitions there are.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.seen.len()).unwrap_or(u32::MAX)
    }

    /// The partition `own` if it is one of these, or the first one of these.
    pub(crate) fn own_or_first(&self, own: Partition) -> Partition {
        if own.of() == self.count() { own } else { Partition::all(self.count()).next().unwrap_or_default() }
    }

    /// The position up to which all partitions have seen everything.
    pub(crate) fn position(&self) -> Position {
        self.positions().min().unwrap_or_default()
    }

    fn positions(&self) -> impl Iterator<Item = Position> {
        self.seen.iter().map(|seen| seen.position)
    }

    /// Each partition with its position.
    pub(crate) fn each(&self) -> impl Iterator<Item = (Partition, Position)> {
        Partition::all(self.count()).zip(self.positions())
    }

    /// The position of a partition, if it is one of these.
    pub(crate) fn of(&self, partition: Partition) -> Option<Position> {
        let is_one_of_these = self.seen.len() == partition.of() as usize;
        self.seen.get(partition.index() as usize).map(|seen| seen.position).filter(|_| is_one_of_these)
    }

    /// Checks that `events` is the store that all partitions have seen.
    pub(crate) fn check(&self, events: &dyn EventStore, follower: &'static str) -> Result<(), FollowError> {
        self.seen.iter().try_for_each(|seen| seen.check(events, follower))
    }

    /// The next task of the worker with the partition `own`.
    ///
    /// If the numbers of stored partitions and workers differ, the first worker brings all partitions to one
    /// position, then splits the streams again. So no event is seen twice, or out of order within its stream.
    pub(crate) fn task(&self, own: Partition) -> Task {
        if let Some(position) = self.of(own) {
            return Task::Handle { partition: own, position };
        }
        if own.index() > 0 {
            return Task::Wait;
        }
        let furthest = self.furthest();
        match self.each().find(|(_, position)| *position < furthest) {
            Some((partition, position)) => Task::Handle { partition, position },
            None => Task::Repartition { position: furthest },
        }
    }

    /// The position that a worker has to reach: with its own partition, the newest event; with another, the
    /// furthest partition.
    pub(crate) fn goal(&self, own: Partition, newest: Position) -> Position {
        match self.of(own) {
            Some(_) => newest,
            None => self.furthest(),
        }
    }

    fn furthest(&self) -> Position {
        self.positions().max().unwrap_or_default()
    }
}
