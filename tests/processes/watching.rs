//! Looks at a file, beside other connections of the same process.

use std::path::Path;
use std::sync::Arc;
use std::task::Waker;

use factum::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::job::{Job, say};
use crate::support::stores::open_store;

/// A process that closes any handle of a file loses all its locks on the file. The store reads a file on which SQLite
/// has locks, and must not close it.
#[test]
fn a_store_that_ends_takes_no_locks_of_other_connections() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("events.db");
    let store = open_store(&file);
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(store.watch(&Waker::from(Arc::new(Nothing))).unwrap());
    drop(store);
    assert_eq!(Job::start("write", &file).finish(), ["busy"]);
    connection.execute_batch("COMMIT").unwrap();
    assert_eq!(Job::start("write", &file).finish(), ["written"]);
}

struct Nothing;

impl std::task::Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

/// Begins to write, without a wait.
pub(crate) fn write(file: &Path) {
    let connection = Connection::open(file).unwrap();
    connection.busy_timeout(std::time::Duration::ZERO).unwrap();
    say(if connection.execute_batch("BEGIN IMMEDIATE; COMMIT").is_ok() { "written" } else { "busy" });
}
