//! Dead letters: events that a follower could not handle, kept with the error for a retry.

use std::ops::ControlFlow;

use crate::domain::error::with_causes;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::follow::error::FollowError;
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::store::owned_event::OwnedEvent;
use crate::store::read::Filter;

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
    /// The error of the last attempt, with its causes.
    pub error: String,
    /// The number of attempts.
    pub attempts: u32,
    /// When the last attempt failed.
    pub failed_at: Timestamp,
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

/// Moves the event at a position to the dead letters.
pub(crate) fn save<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    follower: &'static str,
    position: Position,
    error: &FollowError,
    attempts: u32,
) -> Result<(), FollowError> {
    let letter = StoredLetter { position, error: with_causes(error), attempts, failed_at: Timestamp::now() };
    P::save_letter(transaction, follower, &letter).map_err(FollowError::store(follower))
}

/// Removes a dead letter; `false` if another process has removed it first.
pub(crate) fn remove<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    follower: &'static str,
    position: Position,
) -> Result<bool, FollowError> {
    P::remove_letter(transaction, follower, position).map_err(FollowError::store(follower))
}

/// The dead letters of a follower, in order of position.
pub(crate) fn list<P: ProgressStore>(
    home: &ProgressHome<P>,
    follower: &'static str,
) -> Result<Vec<DeadLetter>, FollowError> {
    Ok(with_events(home, follower)?.into_iter().map(|(letter, _)| letter).collect())
}

/// The dead letters of a follower, in order of position, each with its event.
pub(crate) fn with_events<P: ProgressStore>(
    home: &ProgressHome<P>,
    follower: &'static str,
) -> Result<Vec<(DeadLetter, OwnedEvent)>, FollowError> {
    let letters = home.progress.letters(follower).map_err(FollowError::store(follower))?;
    let with_event = |StoredLetter { position, error, attempts, failed_at }| {
        let event = event_at(home, follower, position)?;
        let stored = event.as_stored(position);
        let letter = DeadLetter {
            position,
            stream: stored.envelope.stream(),
            version: stored.envelope.version,
            name: stored.name.to_owned(),
            error,
            attempts,
            failed_at,
        };
        Ok((letter, event))
    };
    letters.into_iter().map(with_event).collect()
}

/// The event at a position. Fails if the store no longer has it.
fn event_at<P: ProgressStore>(
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
