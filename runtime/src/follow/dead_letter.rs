//! Dead letters: events that a follower could not handle, kept with the error for a retry.

use std::ops::ControlFlow;

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::error::FollowError;
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::store::owned_event::OwnedEvent;
use crate::store::read::Filter;

/// How many letters a list has, unless the caller says so.
pub(crate) const LISTED: usize = 1_000;

/// An event that a follower could not handle and has skipped, kept for a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The event's place among all events of the store.
    pub position: Position,
    /// The event's stream.
    pub stream: StreamName,
    /// The event's place in its stream.
    pub version: u64,
    /// The name that the event is stored under.
    pub name: String,
    /// The event as JSON, if the letter was asked for by its position. Lists have none.
    pub payload: Option<String>,
    /// The error of the last attempt, with its causes.
    pub error: String,
    /// The number of attempts; 0 if the event has only waited behind another one.
    pub attempts: u32,
    /// When the last attempt failed, or the event began to wait.
    pub failed_at: Timestamp,
    /// The dead letter of the same stream that this one waits for, with
    /// [`OnFailure::SequencedDeadLetter`](crate::follow::OnFailure::SequencedDeadLetter).
    pub behind: Option<Position>,
}

/// The result of a retry of dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetriedLetters {
    /// Events that were handled this time, and are no longer dead letters.
    pub succeeded: usize,
    /// Events that failed again.
    pub failed: usize,
}

/// The dead letters of a follower, for a caller that does not know where they are stored.
pub trait ListLetters: Send + Sync {
    /// The letters after a position, in order of position, at most `limit`.
    fn list(&self, after: Position, limit: usize) -> Result<Vec<DeadLetter>, FollowError>;

    /// The letter at a position, with its payload.
    fn find(&self, position: Position) -> Result<Option<DeadLetter>, FollowError>;

    /// The letters after a position that were discarded, in order of position, at most `limit`.
    fn discarded(&self, after: Position, limit: usize) -> Result<Vec<DiscardedLetter>, FollowError>;
}

/// The dead letters of one follower.
#[derive(Clone)]
pub(crate) struct Letters<P> {
    pub(crate) home: ProgressHome<P>,
    pub(crate) follower: &'static str,
}

impl<P: ProgressStore> ListLetters for Letters<P> {
    fn list(&self, after: Position, limit: usize) -> Result<Vec<DeadLetter>, FollowError> {
        let letters = self.home.progress.letters(self.follower, after, limit);
        let letters = letters.map_err(FollowError::store(self.follower))?;
        letters.into_iter().map(|letter| self.with_event(letter, false)).collect()
    }

    fn find(&self, position: Position) -> Result<Option<DeadLetter>, FollowError> {
        let letter = self.home.progress.letter(self.follower, position);
        letter
            .map_err(FollowError::store(self.follower))?
            .map(|letter| self.with_event(letter, true))
            .transpose()
    }

    fn discarded(&self, after: Position, limit: usize) -> Result<Vec<DiscardedLetter>, FollowError> {
        let letters = self.home.progress.discarded_letters(self.follower, after, limit);
        letters.map_err(FollowError::store(self.follower))
    }
}

impl<P: ProgressStore> Backlog for Letters<P> {
    /// Another caller may have dealt with the letter that others wait for.
    fn next_run(&self) -> Result<NextRun, FollowError> {
        let ready =
            self.home.progress.ready_letter(self.follower).map_err(FollowError::store(self.follower))?;
        Ok(if ready.is_some() { NextRun::Now } else { NextRun::WithNextEvent })
    }
}

/// The dead letters by position of a follower that has none.
pub(crate) struct NoLetters;

impl ListLetters for NoLetters {
    fn list(&self, _: Position, _: usize) -> Result<Vec<DeadLetter>, FollowError> {
        Ok(Vec::new())
    }

    fn find(&self, _: Position) -> Result<Option<DeadLetter>, FollowError> {
        Ok(None)
    }

    fn discarded(&self, _: Position, _: usize) -> Result<Vec<DiscardedLetter>, FollowError> {
        Ok(Vec::new())
    }
}

impl Backlog for NoLetters {
    fn next_run(&self) -> Result<NextRun, FollowError> {
        Ok(NextRun::WithNextEvent)
    }
}

impl<P: ProgressStore> Letters<P> {
    fn with_event(&self, letter: StoredLetter, has_payload: bool) -> Result<DeadLetter, FollowError> {
        let StoredLetter { position, error, attempts, failed_at, behind, stream: _ } = letter;
        let event = event_at(&self.home, self.follower, position)?;
        let stored = event.as_stored(position);
        Ok(DeadLetter {
            position,
            stream: stored.envelope.stream(),
            version: stored.envelope.version,
            name: stored.name.to_owned(),
            payload: has_payload.then(|| stored.payload.to_owned()),
            error,
            attempts,
            failed_at,
            behind,
        })
    }
}

/// Whether events of some streams have to wait behind dead letters.
pub(crate) fn some_wait<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    follower: &'static str,
) -> Result<bool, FollowError> {
    P::has_sequenced_letters(transaction, follower).map_err(FollowError::store(follower))
}

/// Lets an event wait, if its stream has a dead letter that later events wait for; `false` if it has none.
pub(crate) fn wait_behind<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    follower: &'static str,
    envelope: &Envelope<'_>,
) -> Result<bool, FollowError> {
    let failed = FollowError::store(follower);
    let (stream, position) = (envelope.stream(), envelope.position);
    let first = P::first_letter_in(transaction, follower, stream.as_str()).map_err(failed)?;
    // A reaction that was rewound sees events before the letter again.
    let Some(behind) = first.filter(|first| *first < position) else { return Ok(false) };
    let letter = StoredLetter {
        position,
        error: format!("waits for the dead letter at position {behind}, of the same stream"),
        attempts: 0,
        failed_at: Timestamp::now(),
        stream: Some(stream.as_str().to_owned()),
        behind: Some(behind),
    };
    P::save_letter(transaction, follower, &letter).map_err(failed)?;
    Ok(true)
}

/// The event at a position. Fails if the store no longer has it.
pub(crate) fn event_at<P: ProgressStore>(
    home: &ProgressHome<P>,
    follower: &'static str,
    position: Position,
) -> Result<OwnedEvent, FollowError> {
    let mut found = None;
    let filter = Filter::new().until(position);
    home.events()
        .read_all(filter, position.previous(), 1, &mut |event| {
            found = Some(OwnedEvent::copy(event));
            ControlFlow::Break(())
        })
        .map_err(FollowError::store(follower))?;
    match found {
        Some(event) => Ok(event),
        None => Err(FollowError::AheadOfStore { follower, seen: position, newest: home.newest(follower)? }),
    }
}
