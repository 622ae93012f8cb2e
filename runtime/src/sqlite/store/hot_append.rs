//! An append of one event to a hot aggregate: one statement, which is a transaction of its own.
//!
//! It saves the statements that begin and end a transaction, and the look-up of the stream. Its conditions are those of
//! every append, so it has no effect if one does not hold. The usual way then finds out which.

use rusqlite::types::ToSql;
use rusqlite::{ErrorCode, params_from_iter};

use crate::domain::position::Position;
use crate::sqlite::file::errors::{commit_error, store_error};
use crate::sqlite::file::handler_sql::own_sql;
use crate::sqlite::store::append::EventRow;
use crate::sqlite::store::checksum::StreamHash;
use crate::sqlite::store::remembered::Remembered;
use crate::sqlite::store::writer::Writer;
use crate::store::append::{Append, Appended};
use crate::store::error::{AppendError, StoreError};
use crate::store::group_commit::{Answer, Request};

/// If a condition does not hold, the stream is `NULL`, and SQLite ignores the row.
const INSERT: &str = own_sql!(
    "INSERT OR IGNORE INTO factum_events (stream, version, name, schema, id, recorded_at, correlation, causation,
     custom, payload, checksum, position)
     VALUES ((SELECT iif(id = ?13 AND version = ?2 - 1
                         AND ?12 - 1 = (SELECT position FROM factum_events ORDER BY position DESC LIMIT 1),
                     stream, NULL)
              FROM factum_events WHERE stream = ?1 ORDER BY version DESC LIMIT 1),
             ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
);

/// Stores the request, if it is one event for a stream that is remembered, and if the stream ends with the event that
/// the request rests on. `None` if nothing is stored and the usual way has the answer.
pub(super) fn store(
    writer: &Writer<'_>,
    request: &Request<'_>,
    remembered: &mut Remembered,
) -> Option<Answer> {
    let &[Append { stream, expected, events: [event], keys: [], timers: [] }] = request.appends else {
        return None;
    };
    let last = request.last_event().filter(|_| !request.is_void())?;
    let hash = StreamHash::of(stream);
    let (number, newest) = (remembered.stream(hash)?, remembered.newest()?);
    let version = expected.exact()?.checked_add(1)?;
    let position = newest.checked_add(1)?;
    let row = EventRow::new((number, hash), (position, version), event);
    let also: [&dyn ToSql; 2] = [&position, last.as_bytes()];
    let mut insert = writer.prepare_cached(INSERT).ok()?;
    remembered.begin();
    let inserted =
        writer.begin_with(|_| insert.execute(params_from_iter(row.values().into_iter().chain(also))));
    let failed = |error| Some(Err(AppendError::store(stream, error).into()));
    match inserted {
        Ok(1) => {
            remembered.stored(position, event.id);
            Some(Ok(Appended::new(Some(Position::new(position.unsigned_abs())), vec![version])))
        }
        Ok(_) => None,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
            failed(store_error(error))
        }
        // The commit is a part of the statement.
        Err(error) => match commit_error(error) {
            unknown @ StoreError::CommitUnknown(_) => failed(unknown),
            _ => None,
        },
    }
}
