//! Reads an event from a row, and checks each column.

use std::borrow::Cow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use uuid::Uuid;

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::store::checksum::{self, CheckedEvent, CheckedMetadata, Checksums, StreamHash};
use crate::sqlite::store::stream_names::StreamNames;
use crate::store::error::StoreError;
use crate::store::read::{ReplayedEvent, StoredEvent};

/// The columns of an event, in the order in which `stored_event` takes them.
pub(super) const ALL: &str = "position, version, name, schema, payload, checksum, stream, id, recorded_at, correlation, causation, custom";

/// The columns of an event without metadata.
pub(super) const WITHOUT_METADATA: &str = "position, version, name, schema, payload, checksum, stream";

/// The columns of an event that is replayed.
pub(super) const REPLAYED: &str = "position, version, name, schema, payload, checksum";

/// A query with the column `checksum`, or with `NULL` in its place.
pub(super) fn with_checksums(sql: &str, checksums: Checksums) -> Cow<'_, str> {
    match checksums {
        Checksums::Verified => sql.into(),
        Checksums::Ignored => sql.replacen("checksum", "NULL", 1).into(),
    }
}

/// Reads an event from a row. The type of each column and the checksum are checked, so a damaged or manipulated
/// file gives an error.
#[inline]
pub(super) fn stored_event<'r>(
    row: &'r Row<'_>,
    position: i64,
    (stream, hash): (&'r StreamName, StreamHash),
    with_metadata: bool,
) -> Result<StoredEvent<'r>, StoreError> {
    let (event, checksum) = checked_event(row, position, hash)?;
    let CheckedMetadata { id, recorded_at, correlation, causation, custom } =
        if with_metadata { checked_metadata(row, position, checksum)? } else { NO_METADATA };
    let envelope = Envelope {
        position: Position::new(event.position),
        category: stream.category(),
        key: stream.key(),
        version: event.version,
        id,
        recorded_at,
        correlation,
        causation,
        custom,
    };
    Ok(StoredEvent { envelope, name: event.name, event_version: event.event_version, payload: event.payload })
}

/// What an event has that is read without metadata.
const NO_METADATA: CheckedMetadata<'static> = CheckedMetadata {
    id: Uuid::nil(),
    recorded_at: Timestamp::from_micros(0),
    correlation: None,
    causation: None,
    custom: None,
};

/// Reads an event from a row with [`ALL`] columns, and returns the checksum that it should have.
pub(super) fn checked_row(
    connection: &Connection,
    row: &Row<'_>,
    names: &mut StreamNames,
) -> Result<i64, StoreError> {
    let position = position_of(row)?;
    let stream = names.get(connection, integer(row, 6, "stream", position)?, position)?;
    let event = stored_event(row, position, stream, true)?;
    Ok(stream.1.checksum_of(&event))
}

/// Reads an event for a replay, with its checksum.
#[inline]
pub(super) fn replayed_event<'r>(
    row: &'r Row<'_>,
    stream: StreamHash,
) -> Result<(ReplayedEvent<'r>, Option<i64>), StoreError> {
    let (event, checksum) = checked_event(row, position_of(row)?, stream)?;
    let event = ReplayedEvent {
        position: Position::new(event.position),
        version: event.version,
        name: event.name,
        event_version: event.event_version,
        payload: event.payload,
    };
    Ok((event, checksum))
}

/// Reads what each read of an event needs, and checks it.
#[inline]
fn checked_event<'r>(
    row: &'r Row<'_>,
    position: i64,
    stream: StreamHash,
) -> Result<(CheckedEvent<'r>, Option<i64>), StoreError> {
    let event = CheckedEvent {
        position: counted(position, "position", position)?,
        version: count(row, 1, "version", position)?,
        name: text(row, 2, "name", position)?,
        event_version: u32::try_from(integer(row, 3, "schema", position)?)
            .map_err(|error| damaged(position, "schema", error))?,
        payload: text(row, 4, "payload", position)?,
    };
    let checksum = checksum_of(row, position)?;
    match checksum {
        Some(checksum) if checksum::split(checksum).0 != stream.event(&event) => Err(changed(position)),
        checksum => Ok((event, checksum)),
    }
}

/// The stored checksum; `None` in a row of an earlier factum, and if the query leaves it out.
#[inline]
fn checksum_of(row: &Row<'_>, position: i64) -> Result<Option<i64>, StoreError> {
    column(row, 5)?.as_i64_or_null().map_err(|error| damaged(position, "checksum", error))
}

fn checked_metadata<'r>(
    row: &'r Row<'_>,
    position: i64,
    checksum: Option<i64>,
) -> Result<CheckedMetadata<'r>, StoreError> {
    let metadata = CheckedMetadata {
        id: id(row, 7, position)?,
        recorded_at: Timestamp::from_micros(integer(row, 8, "recorded_at", position)?),
        correlation: uuid(row, 9, "correlation", position)?,
        causation: uuid(row, 10, "causation", position)?,
        custom: match column(row, 11)? {
            ValueRef::Null => None,
            _ => Some(text(row, 11, "custom", position)?),
        },
    };
    match checksum {
        Some(checksum) if checksum::split(checksum).1 != metadata.hash() => {
            Err(damaged(position, "checksum", "is not that of the metadata, which has changed"))
        }
        _ => Ok(metadata),
    }
}

#[inline]
fn column<'r>(row: &'r Row<'_>, index: usize) -> Result<ValueRef<'r>, StoreError> {
    row.get_ref(index).map_err(store_error)
}

#[inline]
pub(super) fn integer(
    row: &Row<'_>,
    index: usize,
    name: &'static str,
    position: i64,
) -> Result<i64, StoreError> {
    column(row, index)?.as_i64().map_err(|error| damaged(position, name, error))
}

#[inline]
fn count(row: &Row<'_>, index: usize, name: &'static str, position: i64) -> Result<u64, StoreError> {
    counted(integer(row, index, name, position)?, name, position)
}

#[inline]
pub(super) fn counted(number: i64, name: &'static str, position: i64) -> Result<u64, StoreError> {
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(damaged(position, name, format_args!("is {number}, and the first is 1"))),
    }
}

/// The position, which is the first column of every read.
#[inline]
pub(super) fn position_of(row: &Row<'_>) -> Result<i64, StoreError> {
    row.get(0).map_err(store_error)
}

#[inline]
fn text<'r>(
    row: &'r Row<'_>,
    index: usize,
    name: &'static str,
    position: i64,
) -> Result<&'r str, StoreError> {
    column(row, index)?.as_str().map_err(|error| damaged(position, name, error))
}

fn id(row: &Row<'_>, index: usize, position: i64) -> Result<Uuid, StoreError> {
    uuid(row, index, "id", position)?.ok_or_else(|| damaged(position, "id", "is missing"))
}

fn uuid(row: &Row<'_>, index: usize, name: &'static str, position: i64) -> Result<Option<Uuid>, StoreError> {
    let bytes = column(row, index)?.as_blob_or_null().map_err(|error| damaged(position, name, error))?;
    bytes.map(Uuid::from_slice).transpose().map_err(|error| damaged(position, name, error))
}

/// The error for an event whose checksum is that of another one.
#[cold]
pub(super) fn changed(position: i64) -> StoreError {
    let problem = "is not that of the event: the event, its place, or the name of its stream has changed";
    damaged(position, "checksum", problem)
}

#[cold]
pub(super) fn damaged(position: i64, column: &'static str, problem: impl std::fmt::Display) -> StoreError {
    StoreError::DamagedEvent { position, column, problem: problem.to_string() }
}
