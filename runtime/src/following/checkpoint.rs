//! How far a view in SQLite has come: rows beside its tables, written in the same transaction.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::projection::{Projection, ProjectionError, Target};
use crate::shape::{FNV_OFFSET, hashed};
use crate::store::Partition;
use crate::store::sqlite::store_error;

/// What is there of a view.
#[derive(Debug)]
pub(crate) enum Found {
    Nothing,
    /// One that an earlier version of the projection has made.
    Older {
        version: u32,
    },
    Current(Layout),
}

/// The parts that a view is made from, one for each worker, and how far each has come.
#[derive(Debug)]
pub(crate) struct Layout {
    /// At least one.
    positions: Vec<u64>,
}

/// What a worker has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Go on with a part that has come so far.
    Part { partition: Partition, position: u64 },
    /// All parts have come equally far: split the streams anew, into as many as there are workers.
    LayOut { position: u64 },
    /// That is another worker's to do.
    Wait,
}

impl Layout {
    /// The position up to which everything has been seen.
    pub(crate) fn position(&self) -> u64 {
        self.positions.iter().copied().min().unwrap_or_default()
    }

    /// All parts.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (Partition, u64)> {
        let parts = Partition::all(u32::try_from(self.positions.len()).unwrap_or(1));
        parts.zip(self.positions.iter().copied())
    }

    /// How far a part has come, if it is one of these.
    pub(crate) fn at(&self, partition: Partition) -> Option<u64> {
        let is_ours = self.positions.len() == partition.of() as usize;
        self.positions.get(partition.index() as usize).copied().filter(|_| is_ours)
    }

    /// What the worker with the part `mine` does. If there are other parts than there are workers, the first worker brings
    /// them equally far, before they are split anew: so no stream's events are seen twice, or out of order.
    pub(crate) fn task(&self, mine: Partition) -> Task {
        if let Some(position) = self.at(mine) {
            return Task::Part { partition: mine, position };
        }
        if mine.index() > 0 {
            return Task::Wait;
        }
        let furthest = self.positions.iter().copied().max().unwrap_or_default();
        match self.parts().find(|(_, position)| *position < furthest) {
            Some((partition, position)) => Task::Part { partition, position },
            None => Task::LayOut { position: furthest },
        }
    }

    /// How far the part that is being brought as far as the others has to go; all there is, for a part of one's own.
    pub(crate) fn goal(&self, mine: Partition, newest: u64) -> u64 {
        match self.at(mine) {
            Some(_) => newest,
            None => self.positions.iter().copied().max().unwrap_or_default(),
        }
    }
}

/// What is there of the view, if it is this projection's.
pub(crate) fn find<P: Projection>(connection: &Connection) -> Result<Found, ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let found: Option<(u32, i64, u64, bool)> = connection
        .prepare_cached(
            "SELECT version, definition, position,
             EXISTS (SELECT 1 FROM factum_parts WHERE factum_parts.projection = ?1)
             FROM factum_checkpoints WHERE projection = ?1",
        )
        .and_then(|mut select| {
            select
                .query_row([P::NAME], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()
        })
        .map_err(failed)?;
    match found {
        None => Ok(Found::Nothing),
        Some((version, ..)) if version < P::VERSION => Ok(Found::Older { version }),
        Some((stored, ..)) if stored > P::VERSION => {
            Err(ProjectionError::OtherVersion { projection: P::NAME, stored, current: P::VERSION })
        }
        Some((_, stored, ..)) if stored != definition::<P>() => {
            Err(ProjectionError::OtherDefinition { projection: P::NAME, version: P::VERSION })
        }
        Some((_, _, position, false)) => Ok(Found::Current(Layout { positions: vec![position] })),
        Some((_, _, _, true)) => {
            let positions = connection
                .prepare_cached("SELECT position FROM factum_parts WHERE projection = ?1 ORDER BY part")
                .and_then(|mut select| select.query_map([P::NAME], |row| row.get(0))?.collect())
                .map_err(failed)?;
            Ok(Found::Current(Layout { positions }))
        }
    }
}

/// The same for a view that must be there, and of this version.
pub(crate) fn known<P: Projection>(connection: &Connection) -> Result<Layout, ProjectionError> {
    match find::<P>(connection)? {
        Found::Current(layout) => Ok(layout),
        Found::Nothing => Err(ProjectionError::Gone { projection: P::NAME }),
        Found::Older { version: stored } => {
            Err(ProjectionError::OtherVersion { projection: P::NAME, stored, current: P::VERSION })
        }
    }
}

/// Saves how far a part has come.
pub(crate) fn save<P: Projection>(
    transaction: &Transaction<'_>,
    partition: Partition,
    position: u64,
) -> Result<(), ProjectionError> {
    let saved = if partition == Partition::WHOLE {
        transaction
            .prepare_cached(
                "REPLACE INTO factum_checkpoints (projection, version, definition, position)
                 VALUES (?1, ?2, ?3, ?4)",
            )
            .and_then(|mut replace| replace.execute((P::NAME, P::VERSION, definition::<P>(), position)))
    } else {
        transaction
            .prepare_cached("UPDATE factum_parts SET position = ?3 WHERE projection = ?1 AND part = ?2")
            .and_then(|mut update| update.execute((P::NAME, partition.index(), position)))
    };
    saved.map(drop).map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Splits the streams into so many parts, each of which has come to `position`.
pub(crate) fn lay_out<P: Projection>(
    transaction: &Transaction<'_>,
    parts: u32,
    position: u64,
) -> Result<(), ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    save::<P>(transaction, Partition::WHOLE, position)?;
    transaction.execute("DELETE FROM factum_parts WHERE projection = ?1", [P::NAME]).map_err(failed)?;
    if parts > 1 {
        let mut insert = transaction
            .prepare_cached("INSERT INTO factum_parts (projection, part, position) VALUES (?1, ?2, ?3)")
            .map_err(failed)?;
        for part in 0..parts {
            insert.execute((P::NAME, part, position)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Makes the tables, and begins after `position`.
pub(crate) fn start<P: Projection>(
    transaction: &Transaction<'_>,
    position: u64,
) -> Result<(), ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let before = objects(transaction).map_err(failed)?;
    transaction
        .execute_batch(P::INIT)
        .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
    let made: BTreeSet<_> = objects(transaction).map_err(failed)?.difference(&before).cloned().collect();
    record::<P>(transaction, &made)?;
    lay_out::<P>(transaction, 1, position)
}

/// Records what the projection has made in the file, in place of what was recorded before.
fn record<P: Projection>(
    transaction: &Transaction<'_>,
    made: &BTreeSet<String>,
) -> Result<(), ProjectionError> {
    let write = || {
        transaction.execute("DELETE FROM factum_objects WHERE projection = ?1", [P::NAME])?;
        let mut insert =
            transaction.prepare_cached("INSERT INTO factum_objects (projection, name) VALUES (?1, ?2)")?;
        made.iter().try_for_each(|name| insert.execute((P::NAME, name)).map(drop))
    };
    write().map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// The names of all tables, indexes, views and triggers in the file that somebody has made, and not SQLite.
fn objects(connection: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    connection
        .prepare_cached("SELECT name FROM main.sqlite_schema WHERE sql IS NOT NULL AND substr(lower(name), 1, 7) <> 'sqlite_'",
        )?
        .query_map((), |row| row.get(0))?
        .collect()
}

/// A number for what the view is made from and into: events, aggregates, tables. What is no view may follow other events
/// tomorrow, from where it is.
pub(crate) fn definition<P: Projection>() -> i64 {
    if !<P::Target as Target>::IS_VIEW {
        return hashed(FNV_OFFSET, "no view").cast_signed();
    }
    let kinds = P::EVENTS.iter().map(|kind| kind.name);
    let parts = kinds.chain([""]).chain(P::FROM.iter().copied()).chain(["", P::INIT]);
    parts.fold(FNV_OFFSET, hashed).cast_signed()
}
