//! How far a view in SQLite has come: a row beside its tables, written in the same transaction.

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::projection::{Projection, ProjectionError};
use crate::shape::{FNV_OFFSET, hashed};
use crate::store::sqlite::store_error;

/// The position up to which the view has seen everything, if there is a view, and it is this projection's.
pub(super) fn checkpoint<P: Projection>(connection: &Connection) -> Result<Option<u64>, ProjectionError> {
    let found: Option<(u32, i64, u64)> = connection
        .prepare_cached("SELECT version, definition, position FROM factum_checkpoints WHERE projection = ?1")
        .and_then(|mut select| {
            select.query_row([P::NAME], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
    match found {
        Some((stored, _, _)) if stored != P::VERSION => {
            Err(ProjectionError::OtherVersion { projection: P::NAME, stored, current: P::VERSION })
        }
        Some((_, stored, _)) if stored != definition::<P>() => {
            Err(ProjectionError::OtherDefinition { projection: P::NAME, version: P::VERSION })
        }
        found => Ok(found.map(|(_, _, position)| position)),
    }
}

/// The same for a view that must be there.
pub(super) fn known_checkpoint<P: Projection>(connection: &Connection) -> Result<u64, ProjectionError> {
    checkpoint::<P>(connection)?.ok_or(ProjectionError::Gone { projection: P::NAME })
}

pub(super) fn save<P: Projection>(
    transaction: &Transaction<'_>,
    position: u64,
) -> Result<(), ProjectionError> {
    transaction
        .prepare_cached(
            "REPLACE INTO factum_checkpoints (projection, version, definition, position) VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut replace| replace.execute((P::NAME, P::VERSION, definition::<P>(), position)))
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Makes the tables, and begins before the first event.
pub(super) fn start<P: Projection>(transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
    transaction
        .execute_batch(P::INIT)
        .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
    save::<P>(transaction, 0)
}

/// A number for what the view is made from and into: events, aggregates, tables.
fn definition<P: Projection>() -> i64 {
    let kinds = P::EVENTS.iter().map(|kind| kind.name);
    let parts = kinds.chain([""]).chain(P::FROM.iter().copied()).chain(["", P::INIT]);
    parts.fold(FNV_OFFSET, hashed).cast_signed()
}
