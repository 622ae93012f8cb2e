//! Dead letters: rows of `factum_dead_letters`, each an event's position with the error, and rows of
//! `factum_discarded`, each a letter that a caller has discarded.

use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction};

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::progress_store::StoredLetter;
use crate::sqlite::file::handler_sql::own_sql;

/// Adds a dead letter, or replaces the one at its position.
pub(super) fn save(
    transaction: &Transaction<'_>,
    follower: &str,
    letter: &StoredLetter,
) -> rusqlite::Result<()> {
    let StoredLetter { position, error, attempts, failed_at, stream, behind: _ } = letter;
    transaction
        .prepare_cached(own_sql!(
            "REPLACE INTO factum_dead_letters (projection, position, error, attempts, set_aside_at, stream)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        ))?
        .execute((follower, position.get(), error, attempts, failed_at.as_micros(), stream))
        .map(drop)
}

/// Records another failure of a dead letter, if it is still there.
pub(super) fn update(
    transaction: &Transaction<'_>,
    follower: &str,
    letter: &StoredLetter,
) -> rusqlite::Result<()> {
    let StoredLetter { position, error, attempts, failed_at, .. } = letter;
    transaction
        .execute(
            "UPDATE factum_dead_letters SET error = ?3, attempts = ?4, set_aside_at = ?5
             WHERE projection = ?1 AND position = ?2",
            (follower, position.get(), error, attempts, failed_at.as_micros()),
        )
        .map(drop)
}

/// Removes the dead letters after a position.
pub(super) fn remove_after(
    transaction: &Transaction<'_>,
    follower: &str,
    position: Position,
) -> rusqlite::Result<()> {
    transaction
        .execute(
            "DELETE FROM factum_dead_letters WHERE projection = ?1 AND position > ?2",
            (follower, position.get()),
        )
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

/// Removes a dead letter, and keeps its error with the reason.
pub(super) fn discard(
    transaction: &Transaction<'_>,
    follower: &str,
    letter: &StoredLetter,
    reason: &str,
    at: Timestamp,
) -> rusqlite::Result<()> {
    if !remove(transaction, follower, letter.position)? {
        return Ok(());
    }
    let StoredLetter { position, error, attempts, failed_at, .. } = letter;
    let row = (follower, position.get(), error, attempts, failed_at.as_micros(), reason, at.as_micros());
    transaction
        .execute(
            "REPLACE INTO factum_discarded
             (projection, position, error, attempts, failed_at, reason, discarded_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            row,
        )
        .map(drop)
}

/// The discarded letters after a position, in order of position.
pub(super) fn discarded(
    connection: &Connection,
    follower: &str,
    after: Position,
    limit: usize,
) -> rusqlite::Result<Vec<DiscardedLetter>> {
    let letter = |row: &Row<'_>| {
        Ok(DiscardedLetter {
            position: Position::new(row.get(0)?),
            error: row.get(1)?,
            attempts: row.get(2)?,
            failed_at: Timestamp::from_micros(row.get(3)?),
            reason: row.get(4)?,
            discarded_at: Timestamp::from_micros(row.get(5)?),
        })
    };
    connection
        .prepare_cached(
            "SELECT position, error, attempts, failed_at, reason, discarded_at FROM factum_discarded
             WHERE projection = ?1 AND position > ?2 ORDER BY position LIMIT ?3",
        )?
        .query_map((follower, after.get(), bounded(limit)), letter)?
        .collect()
}

/// The dead letters after a position, in order of position.
pub(super) fn list(
    connection: &Connection,
    follower: &str,
    after: Position,
    limit: usize,
) -> rusqlite::Result<Vec<StoredLetter>> {
    let which = "letter.position > ?2 ORDER BY position LIMIT ?3";
    select(connection, which, (follower, after.get(), bounded(limit)))
}

/// The dead letter at a position.
pub(super) fn find(
    connection: &Connection,
    follower: &str,
    position: Position,
) -> rusqlite::Result<Option<StoredLetter>> {
    Ok(select(connection, "letter.position = ?2", (follower, position.get()))?.pop())
}

/// The first dead letter of a stream whose events are sequenced.
pub(super) fn first(
    connection: &Connection,
    follower: &str,
    stream: &str,
) -> rusqlite::Result<Option<StoredLetter>> {
    Ok(select(connection, "letter.stream = ?2 ORDER BY position LIMIT 1", (follower, stream))?.pop())
}

/// A dead letter that has only waited, and is the first one of its stream.
pub(super) fn ready(connection: &Connection, follower: &str) -> rusqlite::Result<Option<StoredLetter>> {
    let which = "letter.attempts = 0 AND letter.position = behind ORDER BY position LIMIT 1";
    Ok(select(connection, which, [follower])?.pop())
}

/// Whether a follower has dead letters that later events of their streams wait for.
pub(super) fn has_sequenced(connection: &Connection, follower: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM factum_dead_letters WHERE projection = ?1 AND stream IS NOT NULL)",
        )?
        .query_row([follower], |row| row.get(0))
}

/// The position of the first dead letter of a stream whose events are sequenced.
pub(super) fn first_position(
    connection: &Connection,
    follower: &str,
    stream: &str,
) -> rusqlite::Result<Option<Position>> {
    connection
        .prepare_cached(
            "SELECT position FROM factum_dead_letters
             WHERE projection = ?1 AND stream = ?2 ORDER BY position LIMIT 1",
        )?
        .query_row((follower, stream), |row| row.get(0).map(Position::new))
        .optional()
}

/// The letters of the follower `?1` that a condition selects.
fn select(connection: &Connection, which: &str, params: impl Params) -> rusqlite::Result<Vec<StoredLetter>> {
    let letter = |row: &Row<'_>| {
        let position = Position::new(row.get(0)?);
        let first = row.get::<_, Option<u64>>(5)?.map(Position::new);
        Ok(StoredLetter {
            position,
            error: row.get(1)?,
            attempts: row.get(2)?,
            failed_at: Timestamp::from_micros(row.get(3)?),
            stream: row.get(4)?,
            behind: first.filter(|first| *first < position),
        })
    };
    let sql = format!(
        "SELECT position, error, attempts, set_aside_at, stream,
            (SELECT min(other.position) FROM factum_dead_letters AS other
             WHERE other.projection = ?1 AND other.stream = letter.stream) AS behind
         FROM factum_dead_letters AS letter WHERE letter.projection = ?1 AND {which}"
    );
    connection.prepare_cached(&sql)?.query_map(params, letter)?.collect()
}

fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
