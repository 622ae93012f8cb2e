//! What a transaction of a view does with many events, whatever the database.

use std::time::Instant;

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::dead_letter;
use crate::follow::error::FollowError;
use crate::follow::progress_store::ProgressStore;
use crate::follow::step::{FailedStep, Share};
use crate::store::error::StoreError;
use crate::store::read::StoredEvent;

/// What a step has projected before its commit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projected {
    pub(crate) share: Share,
    pub(crate) events: usize,
    /// The position of the last of these events.
    pub(crate) last: Position,
}

/// The failure of a step, if its commit was refused: that of its event or, if it had several, of one of them.
///
/// `violated` takes the error of the database apart that says that what was written can't be committed.
pub(crate) fn refused_commit(
    failed: FailedStep,
    projected: Option<Projected>,
    violated: impl FnOnce(StoreError) -> Result<BoxError, StoreError>,
) -> FailedStep {
    let Some(Projected { share: Share { partition, after, .. }, events: events @ 1.., last }) = projected
    else {
        return failed;
    };
    match refused_at(failed.error, last, violated) {
        Ok(error) => FailedStep { handled: events / 2, partition, after, error },
        Err(error) => FailedStep { error, ..failed },
    }
}

/// The error of the event at a position, if a constraint did not hold at the commit; otherwise the error.
pub(crate) fn refused_at(
    error: FollowError,
    position: Position,
    violated: impl FnOnce(StoreError) -> Result<BoxError, StoreError>,
) -> Result<FollowError, FollowError> {
    match error {
        FollowError::Store { follower, source } => match violated(source) {
            Ok(source) => Ok(FollowError::CommitRefused { follower, position, source }),
            Err(source) => Err(FollowError::Store { follower, source }),
        },
        other => Err(other),
    }
}

/// How far a transaction goes at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The last position.
    pub(crate) until: Position,
    /// The number of events.
    pub(crate) limit: usize,
    /// When it ends, after at least one event.
    pub(crate) deadline: Option<Instant>,
}

impl Bounds {
    /// All events up to a position.
    pub(crate) fn until(until: Position) -> Self {
        Self { until, limit: usize::MAX, deadline: None }
    }
}

/// What a transaction has projected.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) events: usize,
    pub(crate) position: Position,
    /// The position of the last event.
    pub(crate) last: Position,
}

/// Whether events wait behind dead letters of their streams.
pub(crate) struct Waits<'t, P: ProgressStore> {
    transaction: &'t P::Transaction<'t>,
    follower: &'static str,
    some_wait: bool,
}

impl<'t, P: ProgressStore> Waits<'t, P> {
    pub(crate) fn of(
        transaction: &'t P::Transaction<'t>,
        follower: &'static str,
    ) -> Result<Self, FollowError> {
        let some_wait = dead_letter::some_wait::<P>(transaction, follower)?;
        Ok(Self { transaction, follower, some_wait })
    }

    /// Projects an event, unless it has to wait.
    pub(crate) fn project_unless(
        &self,
        event: &StoredEvent<'_>,
        project: impl FnOnce() -> Result<(), FollowError>,
    ) -> Result<(), FollowError> {
        let (transaction, follower) = (self.transaction, self.follower);
        if self.some_wait && dead_letter::wait_behind::<P>(transaction, follower, &event.envelope)? {
            return Ok(());
        }
        project()
    }
}
