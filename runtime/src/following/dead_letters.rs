//! Events that a handler could not take: set aside with the reason, listed, and tried again.

use std::ops::ControlFlow;

use rusqlite::Transaction;

use super::view::View;
use crate::id::StreamId;
use crate::projection::{Projection, ProjectionError};
use crate::store::sqlite::store_error;
use crate::store::{Filter, Kept};
use crate::time::Timestamp;

/// An event that a projection or reaction has gone on without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event's place among all events of the store.
    pub position: u64,
    /// The stream it stands in.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: u64,
    /// The name that it is stored under.
    pub name: String,
    /// What went wrong, the last time.
    pub error: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was set aside.
    pub set_aside_at: Timestamp,
}

/// What has become of events that were tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revived {
    /// Now taken.
    pub done: usize,
    /// Still set aside.
    pub failed: usize,
}

/// Sets the event at `position` aside.
pub(crate) fn set_aside<P: Projection>(
    transaction: &Transaction<'_>,
    position: u64,
    error: &ProjectionError,
    attempts: u32,
) -> Result<(), ProjectionError> {
    transaction
        .prepare_cached(
            "REPLACE INTO factum_dead_letters (projection, position, error, attempts, set_aside_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut replace| {
            let now = Timestamp::now().as_micros();
            replace.execute((P::NAME, position, error.to_string(), attempts, now))
        })
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Takes one off the list, and tells whether it was on it: another process may have been faster.
pub(crate) fn remove<P: Projection>(
    transaction: &Transaction<'_>,
    position: u64,
) -> Result<bool, ProjectionError> {
    transaction
        .execute(
            "DELETE FROM factum_dead_letters WHERE projection = ?1 AND position = ?2",
            (P::NAME, position),
        )
        .map(|removed| removed > 0)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Forgets what was set aside: the view is made anew.
pub(crate) fn forget<P: Projection>(transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
    transaction
        .execute("DELETE FROM factum_dead_letters WHERE projection = ?1", [P::NAME])
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// All that are set aside, in order of position, each with its event.
pub(crate) fn list<P: Projection>(view: &View) -> Result<Vec<(DeadLetter, Kept)>, ProjectionError> {
    let rows: Vec<(u64, String, u32, i64)> = view.on_reader::<P, _>(|connection| {
        connection
            .prepare_cached(
                "SELECT position, error, attempts, set_aside_at FROM factum_dead_letters
                 WHERE projection = ?1 ORDER BY position",
            )
            .and_then(|mut select| {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
                select.query_map([P::NAME], row)?.collect()
            })
            .map_err(|error| ProjectionError::store::<P>(store_error(error)))
    })?;
    let with_event = |(position, error, attempts, micros)| {
        let event = event::<P>(view, position)?;
        let stored = event.as_stored(position);
        let letter = DeadLetter {
            position,
            stream: stored.envelope.stream(),
            version: stored.envelope.version,
            name: stored.name.to_owned(),
            error,
            attempts,
            set_aside_at: Timestamp::from_micros(micros),
        };
        Ok((letter, event))
    };
    rows.into_iter().map(with_event).collect()
}

/// The event at a position, which was there when it was set aside.
fn event<P: Projection>(view: &View, position: u64) -> Result<Kept, ProjectionError> {
    let mut found = None;
    let filter = Filter { until: Some(position), ..Filter::default() };
    view.events()
        .read_all(filter, position.saturating_sub(1), 1, &mut |event| {
            found = Some(Kept::copy(event));
            ControlFlow::Break(())
        })
        .map_err(ProjectionError::store::<P>)?;
    match found {
        Some(event) => Ok(event),
        None => {
            Err(ProjectionError::Ahead { projection: P::NAME, seen: position, newest: view.newest::<P>()? })
        }
    }
}
