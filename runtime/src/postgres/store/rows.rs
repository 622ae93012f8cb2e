//! Reads an event from a row, and checks each column.

use std::ops::ControlFlow;

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::error::StoreError;
use crate::store::read::{ReplayedEvent, StoredEvent};

/// The column after those of the event: the number of its stream, or the first of the metadata.
pub(super) const AFTER_EVENT: usize = 5;

/// Reads the columns that each read of an event has.
pub(super) fn replayed(row: &Row) -> Result<ReplayedEvent<'_>, StoreError> {
    let position = position(row)?;
    Ok(ReplayedEvent {
        position: Position::new(position.unsigned_abs()),
        version: u64::try_from(column::<i64>(row, position, 1, "version")?)
            .map_err(|error| damaged(position, "version", error.to_string()))?,
        name: column(row, position, 2, "name")?,
        event_version: column::<i32>(row, position, 3, "event_version")?.cast_unsigned(),
        payload: column(row, position, 4, "payload")?,
    })
}

/// Reads an event of this stream, whose metadata begin at a column, if they are there.
pub(super) fn stored<'r>(
    row: &'r Row,
    stream: &'r StreamName,
    metadata: Option<usize>,
) -> Result<StoredEvent<'r>, StoreError> {
    let ReplayedEvent { position, version, name, event_version, payload } = replayed(row)?;
    let mut envelope = Envelope::new(position, stream.category(), stream.key(), version);
    if let Some(first) = metadata {
        let position = self::position(row)?;
        envelope.id = column(row, position, first, "id")?;
        envelope.recorded_at = Timestamp::from_micros(column(row, position, first + 1, "recorded_at")?);
        envelope.correlation = column(row, position, first + 2, "correlation")?;
        envelope.causation = column(row, position, first + 3, "causation")?;
        envelope.custom = column(row, position, first + 4, "custom")?;
    }
    Ok(StoredEvent::new(envelope, name, event_version, payload))
}

/// The position of the event in a row, which is from 1 on.
pub(super) fn position(row: &Row) -> Result<i64, StoreError> {
    match row.try_get::<_, i64>(0) {
        Ok(position) if position > 0 => Ok(position),
        Ok(position) => Err(damaged(position, "position", "is below 1".to_owned())),
        Err(error) => Err(damaged(0, "position", error.to_string())),
    }
}

/// Passes the rows to `visit`, until it breaks.
pub(super) fn each(
    rows: &[Row],
    mut visit: impl FnMut(&Row) -> Result<ControlFlow<()>, StoreError>,
) -> Result<ControlFlow<()>, StoreError> {
    for row in rows {
        if visit(row)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The number of the event's stream, and its id.
pub(super) fn stream(row: &Row) -> Result<i64, StoreError> {
    column(row, position(row)?, AFTER_EVENT, "stream")
}

pub(super) fn id(row: &Row) -> Result<Uuid, StoreError> {
    column(row, position(row)?, AFTER_EVENT, "id")
}

/// The number of a stream that no name belongs to.
pub(super) fn nameless(position: i64, stream: i64) -> StoreError {
    damaged(position, "stream", format!("is {stream}, for which there is no name that factum writes"))
}

fn column<'r, T: FromSql<'r>>(
    row: &'r Row,
    position: i64,
    index: usize,
    name: &'static str,
) -> Result<T, StoreError> {
    row.try_get(index).map_err(|error| damaged(position, name, error.to_string()))
}

fn damaged(position: i64, column: &'static str, problem: String) -> StoreError {
    StoreError::DamagedEvent { position, column, problem }
}
