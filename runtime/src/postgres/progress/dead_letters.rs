//! Dead letters: rows of `dead_letters`, each an event's position with the error, and rows of `discarded_letters`, each a
//! letter that a caller has discarded.

use tokio_postgres::Row;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::progress_store::StoredLetter;
use crate::postgres::server::names::escaped;
use crate::postgres::server::session::Value;
use crate::postgres::sql::{Ask, bounded, get, number, optional_text, position, text, timestamp, values};
use crate::postgres::store::signed;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// Adds a dead letter, or replaces the one at its position.
pub(super) fn save(
    transaction: &PostgresTransaction,
    follower: &str,
    letter: &StoredLetter,
) -> Result<(), StoreError> {
    let stream = letter.stream.as_deref().map(|stream| escaped(stream).into_owned());
    let mut values = row(follower, letter);
    values.push(Box::new(stream));
    transaction.write(
        "INSERT INTO {schema}.dead_letters (follower, position, error, attempts, failed_at, stream)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (follower, position) DO UPDATE SET error = excluded.error, attempts = excluded.attempts,
           failed_at = excluded.failed_at, stream = excluded.stream",
        values,
    )
}

/// Records another failure of a dead letter, if it is still there.
pub(super) fn update(
    transaction: &PostgresTransaction,
    follower: &str,
    letter: &StoredLetter,
) -> Result<(), StoreError> {
    transaction.write(
        "UPDATE {schema}.dead_letters SET error = $3, attempts = $4, failed_at = $5
         WHERE follower = $1 AND position = $2",
        row(follower, letter),
    )
}

/// The columns from `follower` to `failed_at`.
fn row(follower: &str, letter: &StoredLetter) -> Vec<Value> {
    values![
        follower.to_owned(),
        signed(letter.position.get()),
        escaped(&letter.error).into_owned(),
        i64::from(letter.attempts),
        letter.failed_at.as_micros(),
    ]
}

/// Removes the dead letters after a position.
pub(super) fn remove_after(
    transaction: &PostgresTransaction,
    follower: &str,
    position: Position,
) -> Result<(), StoreError> {
    transaction.write(
        "DELETE FROM {schema}.dead_letters WHERE follower = $1 AND position > $2",
        values![follower.to_owned(), signed(position.get())],
    )
}

/// Removes a dead letter; `false` if there is none.
pub(super) fn remove(
    transaction: &PostgresTransaction,
    follower: &str,
    position: Position,
) -> Result<bool, StoreError> {
    let removed = transaction.change(
        "DELETE FROM {schema}.dead_letters WHERE follower = $1 AND position = $2",
        values![follower.to_owned(), signed(position.get())],
    )?;
    Ok(removed > 0)
}

/// Removes all dead letters of a follower.
pub(super) fn remove_all(transaction: &PostgresTransaction, follower: &str) -> Result<(), StoreError> {
    transaction.write("DELETE FROM {schema}.dead_letters WHERE follower = $1", values![follower.to_owned()])
}

/// Removes a dead letter, and keeps its error with the reason.
pub(super) fn discard(
    transaction: &PostgresTransaction,
    follower: &str,
    letter: &StoredLetter,
    reason: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    if !remove(transaction, follower, letter.position)? {
        return Ok(());
    }
    let mut values = row(follower, letter);
    values.extend(values![escaped(reason).into_owned(), at.as_micros()]);
    transaction.write(
        "INSERT INTO {schema}.discarded_letters
           (follower, position, error, attempts, failed_at, reason, discarded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (follower, position) DO UPDATE SET error = excluded.error, attempts = excluded.attempts,
           failed_at = excluded.failed_at, reason = excluded.reason, discarded_at = excluded.discarded_at",
        values,
    )
}

/// The discarded letters after a position, in order of position.
pub(super) fn discarded(
    ask: &impl Ask,
    follower: &str,
    after: Position,
    limit: usize,
) -> Result<Vec<DiscardedLetter>, StoreError> {
    ask.all(
        "SELECT position, error, attempts, failed_at, reason, discarded_at FROM {schema}.discarded_letters
         WHERE follower = $1 AND position > $2 ORDER BY position LIMIT $3",
        values![follower.to_owned(), signed(after.get()), bounded(limit)],
        |row| {
            Ok(DiscardedLetter {
                position: position(row, 0)?,
                error: text(row, 1)?,
                attempts: number(row, 2)?,
                failed_at: timestamp(row, 3)?,
                reason: text(row, 4)?,
                discarded_at: timestamp(row, 5)?,
            })
        },
    )
}

/// The dead letters after a position, in order of position.
pub(super) fn list(
    ask: &impl Ask,
    follower: &str,
    after: Position,
    limit: usize,
) -> Result<Vec<StoredLetter>, StoreError> {
    let which = "letter.position > $2 ORDER BY letter.position LIMIT $3";
    select(ask, which, values![follower.to_owned(), signed(after.get()), bounded(limit)])
}

/// The dead letter at a position.
pub(super) fn find(
    ask: &impl Ask,
    follower: &str,
    position: Position,
) -> Result<Option<StoredLetter>, StoreError> {
    let values = values![follower.to_owned(), signed(position.get())];
    Ok(select(ask, "letter.position = $2", values)?.pop())
}

/// The first dead letter of a stream whose events are sequenced.
pub(super) fn first(
    ask: &impl Ask,
    follower: &str,
    stream: &str,
) -> Result<Option<StoredLetter>, StoreError> {
    let which = "letter.stream = $2 ORDER BY letter.position LIMIT 1";
    Ok(select(ask, which, values![follower.to_owned(), escaped(stream).into_owned()])?.pop())
}

/// A dead letter that has only waited, and is the first one of its stream.
pub(super) fn ready(ask: &impl Ask, follower: &str) -> Result<Option<StoredLetter>, StoreError> {
    let which = "letter.attempts = 0 AND letter.position = behind.position ORDER BY letter.position LIMIT 1";
    Ok(select(ask, which, values![follower.to_owned()])?.pop())
}

/// Whether a follower has dead letters that later events of their streams wait for.
pub(super) fn has_sequenced(ask: &impl Ask, follower: &str) -> Result<bool, StoreError> {
    ask.one(
        "SELECT EXISTS (SELECT FROM {schema}.dead_letters WHERE follower = $1 AND stream IS NOT NULL)",
        values![follower.to_owned()],
    )
}

/// The position of the first dead letter of a stream whose events are sequenced.
pub(super) fn first_position(
    ask: &impl Ask,
    follower: &str,
    stream: &str,
) -> Result<Option<Position>, StoreError> {
    ask.first(
        "SELECT position FROM {schema}.dead_letters WHERE follower = $1 AND stream = $2 ORDER BY position LIMIT 1",
        values![follower.to_owned(), escaped(stream).into_owned()],
        |row| position(row, 0),
    )
}

/// The letters of the follower `$1` that a condition selects.
fn select(ask: &impl Ask, which: &str, values: Vec<Value>) -> Result<Vec<StoredLetter>, StoreError> {
    let letter = |row: &Row| {
        let at = position(row, 0)?;
        let first = get::<Option<i64>>(row, 5)?.map(|first| Position::new(first.unsigned_abs()));
        Ok(StoredLetter {
            position: at,
            error: text(row, 1)?,
            attempts: number(row, 2)?,
            failed_at: timestamp(row, 3)?,
            stream: optional_text(row, 4)?,
            behind: first.filter(|first| *first < at),
        })
    };
    let sql = format!(
        "SELECT letter.position, letter.error, letter.attempts, letter.failed_at, letter.stream, behind.position
         FROM {{schema}}.dead_letters AS letter
         LEFT JOIN LATERAL (
           SELECT min(other.position) AS position FROM {{schema}}.dead_letters AS other
           WHERE other.follower = $1 AND other.stream = letter.stream
         ) AS behind ON true
         WHERE letter.follower = $1 AND {which}"
    );
    ask.all(&sql, values, letter)
}
