//! Reads events with fewer columns than they have integers: each column costs more than the arithmetic that joins two.
//!
//! An integer has fewer bits here than in a column of its own, and the version of a replayed event is expected instead of
//! read. The checksum covers them all, and confirms each row. An event that it does not confirm is read with a column for
//! each integer (`rows.rs`), which reports what is wrong.

use rusqlite::{Connection, Row};

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::store::checksum::{self, CheckedEvent, StreamHash};
use crate::sqlite::store::stream_names::StreamNames;
use crate::store::error::StoreError;
use crate::store::read::{ReplayedEvent, StoredEvent};

/// How many versions, and event versions, a column can tell apart. Powers of two.
const VERSIONS: u64 = 1 << 24;
const EVENT_VERSIONS: u64 = 1 << 7;

/// The columns of an event that is replayed.
pub(super) fn replayed() -> String {
    format!("position * {EVENT_VERSIONS} + schema, name, payload, checksum")
}

/// The columns of an event of any stream, without metadata.
pub(super) fn without_metadata() -> String {
    format!("(stream * {VERSIONS} + version) * {EVENT_VERSIONS} + schema, name, payload, checksum, position")
}

/// Reads an event of a stream, with its checksum; `None` if that is not the one of an event with this version.
#[inline]
pub(super) fn replayed_event<'r>(
    row: &'r Row<'_>,
    version: u64,
    stream: StreamHash,
) -> Option<(ReplayedEvent<'r>, i64)> {
    let (position, event_version) = unpack(integer(row, 0)?.cast_unsigned(), EVENT_VERSIONS);
    let event = CheckedEvent {
        position,
        version,
        name: text(row, 1)?,
        event_version: u32::try_from(event_version).ok()?,
        payload: text(row, 2)?,
    };
    let checksum = confirmed(row, &event, stream)?;
    let CheckedEvent { name, event_version, payload, .. } = event;
    Some((ReplayedEvent::new(Position::new(position), version, name, event_version, payload), checksum))
}

/// The position of a row [`without_metadata`].
#[inline]
pub(super) fn position_of(row: &Row<'_>) -> Result<i64, StoreError> {
    row.get(4).map_err(store_error)
}

/// Reads an event of any stream; `None` if its checksum does not confirm it.
#[inline]
pub(super) fn stored_event<'r>(
    connection: &Connection,
    row: &'r Row<'_>,
    position: i64,
    names: &'r mut StreamNames,
) -> Option<StoredEvent<'r>> {
    let (rest, event_version) = unpack(integer(row, 0)?.cast_unsigned(), EVENT_VERSIONS);
    let (stream, version) = unpack(rest, VERSIONS);
    let (stream, hash) = names.get(connection, stream.cast_signed(), position).ok()?;
    let event = CheckedEvent {
        position: position.cast_unsigned(),
        version,
        name: text(row, 1)?,
        event_version: u32::try_from(event_version).ok()?,
        payload: text(row, 2)?,
    };
    confirmed(row, &event, hash)?;
    let CheckedEvent { position, name, event_version, payload, .. } = event;
    let envelope = Envelope::new(Position::new(position), stream.category(), stream.key(), version);
    Some(StoredEvent::new(envelope, name, event_version, payload))
}

/// The two numbers in one, of which the second is less than `most`.
#[inline]
fn unpack(packed: u64, most: u64) -> (u64, u64) {
    (packed / most, packed % most)
}

/// The checksum, if it is that of the event.
#[inline]
fn confirmed(row: &Row<'_>, event: &CheckedEvent<'_>, stream: StreamHash) -> Option<i64> {
    let checksum = integer(row, 3)?;
    (checksum::split(checksum).0 == stream.event(event)).then_some(checksum)
}

#[inline]
fn integer(row: &Row<'_>, index: usize) -> Option<i64> {
    row.get_ref(index).ok()?.as_i64().ok()
}

#[inline]
fn text<'r>(row: &'r Row<'_>, index: usize) -> Option<&'r str> {
    row.get_ref(index).ok()?.as_str().ok()
}
