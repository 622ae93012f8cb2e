//! Turns SQLite's errors into the store's.

use rusqlite::{Connection, Error, ErrorCode};

use crate::domain::error::{BoxError, causes};
use crate::store::error::StoreError;

/// The store's error for an error of SQLite.
pub(crate) fn store_error(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly) => StoreError::ReadOnly,
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { message: error.to_string() }
        }
        _ => StoreError::Other(Box::new(error)),
    }
}

/// SQLite's error behind an error of the store, if a constraint did not hold; otherwise the error.
pub(crate) fn violated_constraint(error: StoreError) -> Result<BoxError, StoreError> {
    match error {
        StoreError::Other(source)
            if source.downcast_ref().and_then(Error::sqlite_error_code)
                == Some(ErrorCode::ConstraintViolation) =>
        {
            Ok(source)
        }
        other => Err(other),
    }
}

/// The store's error for an error of a commit.
pub(crate) fn commit_error(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        // The log is written before the error. SQLite counts some of these as a lack of memory.
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => {
            StoreError::CommitUnknown(Box::new(error))
        }
        _ => store_error(error),
    }
}

/// The failure of the database in an error of factum's own SQL; `None` if the SQL itself failed.
pub(crate) fn database_error(error: &Error) -> Option<StoreError> {
    match error.sqlite_error_code()? {
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::DatabaseBusy
        | ErrorCode::OutOfMemory
        | ErrorCode::ReadOnly => Some(store_error(duplicate_error(error))),
        _ => None,
    }
}

/// The failure of the disk or the store behind a handler's error; `None` if the handler itself failed.
///
/// A handler may use other databases. That such a one is busy, damaged or can only be read is the handler's error.
///
/// `view` is the connection with which the handler writes to its view, if it has one. This can write, and its file is held
/// by no other process; whether it is damaged is looked up. A handler without one sends commands, most likely to the
/// store of its events: that this is busy is no fault of an event.
pub(crate) fn failure_behind(
    error: &(dyn std::error::Error + 'static),
    view: Option<&Connection>,
) -> Option<StoreError> {
    for error in causes(error) {
        match error.downcast_ref::<StoreError>() {
            // The source of this one is recognized below.
            None | Some(StoreError::Other(_)) => {}
            // These are the handler's own.
            Some(
                StoreError::Reentrant
                | StoreError::ReadOnly
                | StoreError::Damaged { .. }
                | StoreError::DamagedEvent { .. }
                | StoreError::DamagedKey { .. }
                | StoreError::OtherEvents { .. }
                | StoreError::PastTheEnd { .. },
            ) => return None,
            Some(StoreError::Busy) if view.is_some() => return None,
            Some(error) => return Some(error.duplicate()),
        }
        if let Some(sqlite) = error.downcast_ref::<Error>() {
            let is_failure = match sqlite.sqlite_error_code()? {
                ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory => true,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => view.is_some_and(is_damaged),
                _ => false,
            };
            return is_failure.then(|| store_error(duplicate_error(sqlite)));
        }
    }
    None
}

/// Whether SQLite finds damage in the connection's file. It reads the whole file.
fn is_damaged(connection: &Connection) -> bool {
    let check = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    check.map_or(true, |found| found != "ok")
}

/// Duplicates an error of SQLite, for another caller that has to get it.
pub(crate) fn duplicate_error(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, message) => Error::SqliteFailure(*code, message.clone()),
        other => Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(other.to_string())),
    }
}
