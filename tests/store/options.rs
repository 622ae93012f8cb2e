//! Options of SQLite at their limits.

use factum::Position;
use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::sqlite::rusqlite::Connection;
use factum::store::{AppendError, StoreError};

use crate::support::account::{Account, deposit, open};

#[test]
fn extreme_options_of_sqlite_hold() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let longest = SqliteOptions::new().busy_timeout(std::time::Duration::MAX);
    longest.open(&file).unwrap().repository::<Account>().execute(open("alice")).unwrap();
    // The store only reads, although the caller's connection could write.
    let reading = SqliteOptions::new().read_only().from_connection(Connection::open(&file).unwrap()).unwrap();
    let error = reading.repository::<Account>().execute(deposit("alice", 1)).unwrap_err();
    assert!(
        matches!(error, ExecuteError::Append(AppendError::Store { source: StoreError::ReadOnly, .. })),
        "{error}"
    );
    assert_eq!(reading.position().unwrap(), Position::new(1));
}
