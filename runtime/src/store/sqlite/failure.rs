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

/// The error once more, for one more caller who has to be told.
pub(super) fn same_again(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, message) => Error::SqliteFailure(*code, message.clone()),
        other => Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(other.to_string())),
    }
}
