//! Options of SQLite at their limits.

use factum::Position;
use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::sqlite::rusqlite::Connection;
use factum::store::{AppendError, StoreError};

use crate::support::account::{Account, deposit, open};

#[test]
fn a_new_file_has_pages_of_the_size_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let page_size = |options: &SqliteOptions, file: &str| {
        let path = folder.path().join(file);
        options.open(&path).unwrap().repository::<Account>().execute(open("alice")).ok();
        let connection = Connection::open(&path).unwrap();
        connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0)).unwrap()
    };
    assert_eq!(page_size(&SqliteOptions::new(), "default.db"), 4_096);
    assert_eq!(page_size(&SqliteOptions::new().page_bytes(1_024), "small.db"), 1_024);
    assert_eq!(
        page_size(&SqliteOptions::new().page_bytes(8_192), "small.db"),
        1_024,
        "a file keeps its size"
    );
    assert_eq!(page_size(&SqliteOptions::new().page_bytes(3_000), "rounded.db"), 4_096);
    assert_eq!(page_size(&SqliteOptions::new().page_bytes(0), "least.db"), 512);
    assert_eq!(page_size(&SqliteOptions::new().page_bytes(u32::MAX), "largest.db"), 65_536);
}

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
