//! Dead letters of a view that does not run.

use crate::domain::position::Position;
use crate::follow::dead_letter::{DeadLetter, LISTED, ListLetters as _, RetriedLetters};
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::error::ProjectionError;
use crate::follow::projection::Projection;
use crate::follow::redelivery::LetterRequest;
use crate::follow::stored_projection::StoredProjection;
use crate::follow::view_store::{TableTarget, ViewStore};

/// Dead letters. [`RunningFollower`](crate::follow::RunningFollower) has the methods of a view that runs.
#[expect(private_bounds, reason = "which stores keep which views is said by `Keeps`")]
impl<P: Projection<Target: TableTarget<S>>, S: ViewStore> StoredProjection<P, S> {
    /// The first 1,000 events that the view has skipped, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ProjectionError> {
        self.dead_letters_after(Position::START, LISTED)
    }

    /// The events after `position` that the view has skipped, in order of position, at most `limit`.
    pub fn dead_letters_after(
        &self,
        position: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ProjectionError> {
        Ok(self.engine.letters().list(position, limit)?)
    }

    /// The dead letter at a position, with the event's payload; `None` if there is none.
    pub fn dead_letter(&self, position: Position) -> Result<Option<DeadLetter>, ProjectionError> {
        Ok(self.engine.letters().find(position)?)
    }

    /// The dead letters after `position` that were discarded, in order of position, at most `limit`.
    pub fn discarded_dead_letters(
        &self,
        position: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, ProjectionError> {
        Ok(self.engine.letters().discarded(position, limit)?)
    }

    /// Projects the dead letters again, in order of position, each in one transaction with its removal from
    /// the list. Those that still wait behind another one are left.
    ///
    /// Unless they are sequenced, the view has already seen later events. So the handlers must be able to take
    /// events out of order.
    pub fn retry_dead_letters(&mut self) -> Result<RetriedLetters, ProjectionError> {
        Ok(self.engine.redeliver(&LetterRequest::RetryAll)?)
    }

    /// Handles one dead letter again, and the letters that wait behind it.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none, and
    /// with [`FollowError::WaitsBehind`](crate::follow::FollowError::WaitsBehind) if it waits itself.
    pub fn retry_dead_letter(&mut self, position: Position) -> Result<RetriedLetters, ProjectionError> {
        Ok(self.engine.redeliver(&LetterRequest::Retry(position))?)
    }

    /// Discards a dead letter: its event is never handled. The reason is kept, and
    /// [`discarded_dead_letters`](Self::discarded_dead_letters) lists it.
    ///
    /// The letters that wait behind it are handled; the result counts these.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none.
    pub fn discard_dead_letter(
        &mut self,
        position: Position,
        reason: impl Into<String>,
    ) -> Result<RetriedLetters, ProjectionError> {
        let request = LetterRequest::Discard { position, reason: reason.into() };
        Ok(self.engine.redeliver(&request)?)
    }
}
