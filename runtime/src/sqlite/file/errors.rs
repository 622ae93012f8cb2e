//! Turns SQLite's errors into the store's.

use rusqlite::{Error, ErrorCode};

use crate::domain::error::causes;
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

/// The store's error behind a handler's error; `None` if the handler itself failed.
///
/// The database, or a store that the handler uses, may have failed, such as by a full disk or an I/O error.
pub(crate) fn database_error(error: &(dyn std::error::Error + 'static)) -> Option<StoreError> {
    for error in causes(error) {
        match error.downcast_ref::<StoreError>() {
            // The source of this one is recognized below.
            None | Some(StoreError::Other(_)) => {}
            // These are the handler's own.
            Some(
                StoreError::Reentrant
                | StoreError::DamagedEvent { .. }
                | StoreError::DamagedKey { .. }
                | StoreError::OtherEvents { .. }
                | StoreError::PastTheEnd { .. },
            ) => return None,
            Some(error) => return Some(duplicate(error)),
        }
        if let Some(sqlite) = error.downcast_ref::<Error>() {
            return match sqlite.sqlite_error_code()? {
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseBusy
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly => Some(store_error(duplicate_error(sqlite))),
                _ => None,
            };
        }
    }
    None
}

/// Duplicates an error of the store, for another caller that has to get it.
pub(crate) fn duplicate(error: &StoreError) -> StoreError {
    match error {
        StoreError::ReadOnly => StoreError::ReadOnly,
        StoreError::Full => StoreError::Full,
        StoreError::Busy => StoreError::Busy,
        StoreError::Reentrant => StoreError::Reentrant,
        &StoreError::Forked { opened_by, used_by } => StoreError::Forked { opened_by, used_by },
        StoreError::Moved { path } => StoreError::Moved { path: path.clone() },
        StoreError::Damaged { message } => StoreError::Damaged { message: message.clone() },
        &StoreError::DamagedEvent { position, column, ref problem } => {
            StoreError::DamagedEvent { position, column, problem: problem.clone() }
        }
        StoreError::DamagedKey { stream, key, problem } => {
            StoreError::DamagedKey { stream: stream.clone(), key: key.clone(), problem: problem.clone() }
        }
        &StoreError::OtherEvents { position } => StoreError::OtherEvents { position },
        &StoreError::PastTheEnd { position, newest } => StoreError::PastTheEnd { position, newest },
        StoreError::CommitUnknown(source) => StoreError::CommitUnknown(source.to_string().into()),
        StoreError::Other(source) => StoreError::Other(source.to_string().into()),
    }
}

/// Duplicates an error of SQLite, for another caller that has to get it.
pub(crate) fn duplicate_error(error: &Error) -> Error {
    match error {
        Error::SqliteFailure(code, message) => Error::SqliteFailure(*code, message.clone()),
        other => Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(other.to_string())),
    }
}
