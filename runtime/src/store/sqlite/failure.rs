//! SQLite's errors as the store's.

use rusqlite::ErrorCode;

use crate::error::StoreError;

/// What an error of SQLite means to a user of the store.
pub(crate) fn store_error(error: rusqlite::Error) -> StoreError {
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
