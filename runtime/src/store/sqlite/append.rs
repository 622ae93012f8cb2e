//! Writing: one append, one transaction.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::failure::store_error;
use crate::error::{AppendError, Conflict, StoreError};
use crate::id::StreamId;
use crate::store::{Append, Appended, NewEvent};

/// Stores all of `appends`, or nothing.
pub(super) fn append(writer: &mut Connection, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
    let Some(first) = appends.first() else {
        return Ok(Appended { first_position: 0, versions: Vec::new() });
    };
    let failed = |source| AppendError::store(first.stream, store_error(source));
    // Immediate: a transaction that began as a reader could not become a writer after another process has written.
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let mut first_position = None;
    let mut versions = Vec::with_capacity(appends.len());
    for append in appends {
        let (position, version) = append_one(&transaction, append)?;
        first_position = first_position.or(position);
        versions.push(version);
    }
    transaction.commit().map_err(failed)?;
    Ok(Appended { first_position: first_position.unwrap_or_default(), versions })
}

/// Gives the position of the first event, if there are any, and the stream's version after the last.
fn append_one(transaction: &Transaction<'_>, append: &Append<'_>) -> Result<(Option<u64>, u64), AppendError> {
    let failed = |source| AppendError::store(append.stream, source);
    let sqlite = |source| failed(store_error(source));
    let found = find(transaction, append.stream).map_err(failed)?;
    let actual = found.map_or(0, |(_, version)| version);
    if !append.expected.matches(actual) {
        return Err(Conflict::new(append.stream.clone(), append.expected, actual).into());
    }
    if append.events.is_empty() {
        return Ok((None, actual));
    }
    let stream = match found {
        Some((stream, _)) => stream,
        None => register(transaction, append.stream).map_err(sqlite)?,
    };
    let mut insert = transaction
        .prepare_cached(
            "INSERT INTO factum_events
             (stream, version, name, schema, id, recorded_at, correlation, causation, custom, payload)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .map_err(sqlite)?;
    let mut version = actual;
    let mut first_position = None;
    for event in append.events {
        version += 1;
        insert_event(&mut insert, stream, version, event).map_err(sqlite)?;
        first_position.get_or_insert_with(|| transaction.last_insert_rowid());
    }
    Ok((first_position.map(i64::unsigned_abs), version))
}

fn insert_event(
    insert: &mut rusqlite::CachedStatement<'_>,
    stream: i64,
    version: u64,
    event: &NewEvent<'_>,
) -> rusqlite::Result<usize> {
    let correlation = event.metadata.correlation;
    let causation = event.metadata.causation;
    insert.execute(params![
        stream,
        version,
        event.name,
        event.schema,
        event.id.as_bytes(),
        event.recorded_at.as_micros(),
        correlation.as_ref().map(uuid::Uuid::as_bytes),
        causation.as_ref().map(uuid::Uuid::as_bytes),
        event.metadata.custom_json(),
        event.payload,
    ])
}

/// The number of a stream, and its version.
fn find(connection: &Connection, stream: &StreamId) -> Result<Option<(i64, u64)>, StoreError> {
    connection
        .prepare_cached(
            "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id)
             FROM factum_streams WHERE category = ?1 AND key = ?2",
        )
        .and_then(|mut select| {
            select
                .query_row((stream.category(), stream.key()), |row| {
                    Ok((row.get(0)?, row.get::<_, Option<u64>>(1)?.unwrap_or(0)))
                })
                .optional()
        })
        .map_err(store_error)
}

fn register(connection: &Connection, stream: &StreamId) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("INSERT INTO factum_streams (category, key) VALUES (?1, ?2)")?
        .insert((stream.category(), stream.key()))
}
