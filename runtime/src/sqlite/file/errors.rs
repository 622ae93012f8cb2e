//! Turns SQLite's errors into the store's.

use rusqlite::{Error, ErrorCode};

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

/// The store's error behind a handler's error; `None` if the handler itself failed.
///
/// The database, or a store that the handler uses, may have failed, such as by a full disk or an I/O error.
pub(crate) fn database_error(error: &(dyn std::error::Error + 'static)) -> Option<StoreError> {
    let mut next = Some(error);
    while let Some(error) = next {
        match error.downcast_ref() {
            Some(StoreError::ReadOnly) => return Some(StoreError::ReadOnly),
            Some(StoreError::Full) => return Some(StoreError::Full),
            Some(StoreError::Busy) => return Some(StoreError::Busy),
            Some(StoreError::Damaged { message }) => {
                return Some(StoreError::Damaged { message: message.clone() });
            }
            // Other errors of the database are recognized below.
            _ => {}
        }
        if let Some(sqlite) = error.downcast_ref::<Error>() {
            return match sqlite.sqlite_error_code()? {
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly => Some(store_error(duplicate_error(sqlite))),
                _ => None,
            };
        }
        next = error.source();
    }
    None
}

/// Duplicates an error, for another caller that has to get it.
pub(crate) fn duplicate_error(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, message) => Error::SqliteFailure(*code, message.clone()),
        other => Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(other.to_string())),
    }
}
