//! Dead letters: rows of `factum_dead_letters`, each an event's position with the error.

use rusqlite::{Connection, Row, Transaction};

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::progress_store::StoredLetter;
use crate::sqlite::file::handler_sql::own_sql;

/// Adds a dead letter, or replaces the one at its position.
pub(super) fn save(
    transaction: &Transaction<'_>,
    follower: &str,
    letter: &StoredLetter,
) -> rusqlite::Result<()> {
    let StoredLetter { position, error, attempts, failed_at } = letter;
    transaction
        .prepare_cached(own_sql!(
            "REPLACE INTO factum_dead_letters (projection, position, error, attempts, set_aside_at)
             VALUES (?1, ?2, ?3, ?4, ?5)"
        ))?
        .execute((follower, position.get(), error, attempts, failed_at.as_micros()))
        .map(drop)
}

/// Removes a dead letter; `false` if there is none.
pub(super) fn remove(
    transaction: &Transaction<'_>,
    follower: &str,
    position: Position,
) -> rusqlite::Result<bool> {
    transaction
        .execute(
            "DELETE FROM factum_dead_letters WHERE projection = ?1 AND position = ?2",
            (follower, position.get()),
        )
        .map(|removed| removed > 0)
}

/// Removes all dead letters of a follower.
pub(super) fn remove_all(transaction: &Transaction<'_>, follower: &str) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM factum_dead_letters WHERE projection = ?1", [follower]).map(drop)
}

/// The dead letters of a follower, in order of position.
pub(super) fn list(connection: &Connection, follower: &str) -> rusqlite::Result<Vec<StoredLetter>> {
    let letter = |row: &Row<'_>| {
        Ok(StoredLetter {
            position: Position::new(row.get(0)?),
            error: row.get(1)?,
            attempts: row.get(2)?,
            failed_at: Timestamp::from_micros(row.get(3)?),
        })
    };
    connection
        .prepare_cached(
            "SELECT position, error, attempts, set_aside_at FROM factum_dead_letters
             WHERE projection = ?1 ORDER BY position",
        )?
        .query_map([follower], letter)?
        .collect()
}
