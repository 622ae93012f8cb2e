//! Idempotency keys: rows of `factum_keys`, each with the outcome of its command.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::sqlite::file::errors::store_error;
use crate::store::append::{NewKey, Outcome};
use crate::store::error::StoreError;

/// The outcome of the command with this key, in the stream with this number.
pub(super) fn outcome_in(
    connection: &Connection,
    stream: i64,
    key: &str,
) -> rusqlite::Result<Option<Outcome>> {
    connection
        .prepare_cached("SELECT before, version FROM factum_keys WHERE stream = ?1 AND key = ?2")?
        .query_row((stream, key), |row| Ok(Outcome::new(row.get(0)?, row.get(1)?)))
        .optional()
}

/// The outcome of the command with this key, in a stream.
pub(super) fn outcome(
    connection: &Connection,
    stream: &StreamName,
    key: &str,
) -> Result<Option<Outcome>, StoreError> {
    connection
        .prepare_cached(
            "SELECT before, factum_keys.version FROM factum_streams JOIN factum_keys ON stream = id
             WHERE category = ?1 AND factum_streams.key = ?2 AND factum_keys.key = ?3",
        )
        .and_then(|mut select| {
            select
                .query_row((stream.category(), stream.key(), key), |row| {
                    Ok(Outcome::new(row.get(0)?, row.get(1)?))
                })
                .optional()
        })
        .map_err(store_error)
}

/// Stores the key of a command whose stream was at version `before`.
pub(super) fn insert(
    connection: &Connection,
    stream: i64,
    key: &NewKey<'_>,
    before: u64,
) -> rusqlite::Result<()> {
    let Outcome { before, version } = key.outcome(before);
    connection
        .prepare_cached(
            "INSERT INTO factum_keys (stream, key, before, version, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![stream, key.key, before, version, key.recorded_at.as_micros()])
        .and_then(expect_one_row)
}

/// Removes the keys of commands that were executed before `time`; returns their number.
pub(super) fn forget_before(connection: &Connection, time: Timestamp) -> rusqlite::Result<usize> {
    connection.execute("DELETE FROM factum_keys WHERE recorded_at < ?1", [time.as_micros()])
}

/// Checks that exactly one row was inserted: a trigger can leave it out without an error.
pub(super) fn expect_one_row(inserted: usize) -> rusqlite::Result<()> {
    if inserted == 1 { Ok(()) } else { Err(rusqlite::Error::StatementChangedRows(inserted)) }
}
