//! Events that a projection could not take: set aside with the reason, listed, and tried again.

use std::ops::ControlFlow;

use rusqlite::{Connection, Transaction};

use super::batch::in_transaction;
use super::{Sqlite, SqliteProjection};
use crate::id::StreamId;
use crate::projection::{Projection, ProjectionError, guarded};
use crate::store::Filter;
use crate::store::sqlite::{read_all, store_error};
use crate::time::Timestamp;

/// An event that a projection has gone on without.
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
    /// Now in the view.
    pub done: usize,
    /// Still set aside.
    pub failed: usize,
}

/// Sets the event at `position` aside.
pub(super) fn set_aside<P: Projection>(
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

/// Forgets what was set aside: the view is made anew.
pub(super) fn forget<P: Projection>(transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
    transaction
        .execute("DELETE FROM factum_dead_letters WHERE projection = ?1", [P::NAME])
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

impl<P: Projection<Target = Sqlite>> SqliteProjection<P> {
    /// The events that were set aside, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ProjectionError> {
        self.on_reader(|connection| {
            list::<P>(connection).map_err(|error| ProjectionError::store::<P>(store_error(error)))
        })
    }

    /// Tries the events that were set aside once more, in order of position, each in a transaction of its own with its
    /// removal from the list.
    ///
    /// The view has seen later events by now: this is for handlers that do not mind.
    pub fn retry_dead_letters(&mut self) -> Result<Revived, ProjectionError> {
        let mut revived = Revived::default();
        for letter in self.dead_letters()? {
            let projection = &mut self.projection;
            let result = in_transaction::<P, _, ProjectionError>(&self.store, |transaction| {
                revive(projection, transaction, letter.position)
            });
            match result {
                Ok(()) => revived.done += 1,
                Err(error) if error.position().is_some() => {
                    revived.failed += 1;
                    in_transaction::<P, _, ProjectionError>(&self.store, |transaction| {
                        set_aside::<P>(
                            transaction,
                            letter.position,
                            &error,
                            letter.attempts.saturating_add(1),
                        )
                    })?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(revived)
    }
}

fn list<P: Projection>(connection: &Connection) -> rusqlite::Result<Vec<DeadLetter>> {
    connection
        .prepare_cached(
            "SELECT position, category, key, factum_events.version, name, error, attempts, set_aside_at
             FROM factum_dead_letters JOIN factum_events USING (position)
             JOIN factum_streams ON factum_streams.id = stream
             WHERE projection = ?1 ORDER BY position",
        )?
        .query_map([P::NAME], |row| {
            Ok(DeadLetter {
                position: row.get(0)?,
                stream: StreamId::new(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?),
                version: row.get(3)?,
                name: row.get(4)?,
                error: row.get(5)?,
                attempts: row.get(6)?,
                set_aside_at: Timestamp::from_micros(row.get(7)?),
            })
        })?
        .collect()
}

/// Projects the one event, if it is still set aside: another process may have been faster.
fn revive<P: Projection<Target = Sqlite>>(
    projection: &mut P,
    transaction: &Transaction<'_>,
    position: u64,
) -> Result<(), ProjectionError> {
    let removed = transaction
        .execute(
            "DELETE FROM factum_dead_letters WHERE projection = ?1 AND position = ?2",
            (P::NAME, position),
        )
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
    if removed == 0 {
        return Ok(());
    }
    let mut result = Ok(());
    let read = read_all(transaction, Filter::default(), position - 1, position, 1, &mut |event| {
        result = guarded(|| projection.project_stored(event.name, event, transaction))
            .map_err(|error| ProjectionError::at::<P>(event, error));
        ControlFlow::Break(())
    });
    read.map_err(ProjectionError::store::<P>)?;
    result
}
