//! The database of followers, for tests that run on SQLite and on PostgreSQL: `tests/postgres/support/kept.rs` has the other one.

use std::path::Path;

use factum::prelude::*;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::stores::open_store;

/// The store that keeps events and followers.
pub(crate) type KeptStore = SqliteStore;
pub(crate) type KeptReaction<R> = SqliteReaction<R>;
pub(crate) type KeptProcess<P> = SqliteProcess<P>;

/// Stores to test on, each with a way of its own to read.
pub(crate) fn kept_stores(folder: &TempDir) -> [KeptStore; 2] {
    [open_kept(folder.path()), new_kept()]
}

/// A store that is only for this test.
pub(crate) fn new_kept() -> KeptStore {
    SqliteStore::in_memory().expect("SQLite opens in memory")
}

/// The store that belongs to a folder. Each call is as another program.
pub(crate) fn open_kept(folder: &Path) -> KeptStore {
    open_store(&folder.join("kept.db"))
}

/// Runs SQL past the store that belongs to a folder. Its tables begin with `factum_`. Returns the first column of each row.
pub(crate) fn kept_sql(folder: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(folder.join("kept.db")).unwrap();
    connection.busy_timeout(super::stores::LONG).unwrap();
    let mut found = Vec::new();
    for sql in sql.split_terminator(';').filter(|sql| !sql.trim().is_empty()) {
        let mut statement = connection.prepare(sql).unwrap();
        let mut rows = statement.query(()).unwrap();
        while let Some(row) = rows.next().unwrap() {
            found.push(match row.get(0).unwrap() {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                other => panic!("{other:?}"),
            });
        }
    }
    found
}

/// Changes the event version of all stored events of a name.
pub(crate) fn set_event_version(folder: &Path, name: &str, version: u32) {
    // A checksum would tell.
    let sql = format!("UPDATE factum_events SET schema = {version}, checksum = NULL WHERE name = '{name}'");
    kept_sql(folder, &sql);
}

/// Checks the store itself.
pub(crate) fn check(store: &KeptStore) {
    assert_eq!(store.check().unwrap(), []);
}

/// What a job needs of this process, besides its folder.
pub(crate) fn job_environment() -> [(&'static str, String); 0] {
    []
}
