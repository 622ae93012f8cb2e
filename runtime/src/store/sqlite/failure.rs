//! SQLite's errors as the store's.

use rusqlite::{Error, ErrorCode};

use crate::error::StoreError;

/// What an error of SQLite means to a user of the store.
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

/// What a handler's error means to the store, if it is the database that failed, or a store that the handler uses, and not
/// the handler: there is no room, or no way to the disk.
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
            // What else the database says is looked at below.
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
                | ErrorCode::ReadOnly => Some(store_error(same_again(sqlite))),
                _ => None,
            };
        }
        next = error.source();
    }
    None
}

/// The error once more, for one more caller who has to be told.
pub(super) fn same_again(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, message) => Error::SqliteFailure(*code, message.clone()),
        other => Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(other.to_string())),
    }
}
