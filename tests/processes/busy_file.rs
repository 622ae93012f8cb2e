//! A file that another process holds.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{OpenError, SqliteOptions};
use factum::store::{AppendError, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::application::shop::{LONG, Mailer, OrderBoard, Shop, place};
use crate::support::job::{Job, say};

/// The store of an impatient program.
fn open(file: &Path) -> Result<SqliteStore, OpenError> {
    SqliteOptions::new().busy_timeout(Duration::from_millis(50)).open(file)
}

/// Lets another process hold a file, after it has run this SQL.
fn hold(file: &Path, sql: &str) -> Job {
    let mut job = Job::start("hold", file);
    writeln!(job.input, "{sql}").unwrap();
    assert_eq!(job.hear().as_deref(), Some("held"));
    job
}

/// Holds a file until the parent sends a line.
pub(crate) fn hold_until_told(file: &Path) {
    let mut lines = std::io::stdin().lines();
    let connection = Connection::open(file).unwrap();
    connection.execute_batch(&lines.next().unwrap().unwrap()).unwrap();
    say("held");
    lines.next();
}

fn release(mut job: Job) {
    writeln!(job.input).unwrap();
    job.finish();
}

/// A program needs the file only to write. Once its tables and views are there, its start writes nothing.
#[test]
fn an_application_starts_while_another_process_holds_the_file() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("shop.db");
    let start = || Shop::new(&Mailer::default()).start(&open(&file).unwrap());
    let shop = start().unwrap();
    shop.execute(place("a", 10)).unwrap();
    shop.stop(LONG).unwrap();

    let holder = hold(&file, "BEGIN IMMEDIATE");
    let shop = start().unwrap();
    let position = shop.store().position().unwrap();
    shop.wait_for::<OrderBoard>(position, LONG).unwrap();
    let error = shop.execute(place("b", 10)).unwrap_err();
    assert!(
        matches!(&error, ExecuteError::Append(AppendError::Store { source: StoreError::Busy, .. })),
        "{error:?}"
    );
    release(holder);
    // Followers may write now.
    let retry = ExecuteOptions::new().retry(100);
    let placed = (0..100).find_map(|_| shop.execute_with(place("b", 10), &retry).ok()).unwrap();
    shop.wait_for_all(placed.position().unwrap(), LONG).unwrap();
    shop.stop(LONG).unwrap();
}

#[test]
fn an_open_that_needs_the_file_says_what_for() {
    let folder = TempDir::new().unwrap();
    let old = concat!(env!("CARGO_MANIFEST_DIR"), "/store/golden/schema-3.db");
    std::fs::copy(old, folder.path().join("old.db")).unwrap();
    for (name, sql, wanted) in [
        ("alone.db", "CREATE TABLE mine (id); BEGIN EXCLUSIVE", "read the tables"),
        (
            "reading.db",
            "PRAGMA user_version = 0; BEGIN; SELECT * FROM sqlite_schema",
            "turn the write-ahead log on",
        ),
        ("empty.db", "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", "create the tables"),
        ("old.db", "PRAGMA journal_mode = WAL; BEGIN IMMEDIATE", "upgrade the tables"),
    ] {
        let file = folder.path().join(name);
        let holder = hold(&file, sql);
        let error = open(&file).unwrap_err();
        let OpenError::Busy { purpose, .. } = &error else { panic!("{name}: {error:?}") };
        assert_eq!(*purpose, wanted, "{name}");
        let text =
            format!("is busy: another process has held it for 50ms, while this one waited to {wanted}");
        assert!(error.to_string().ends_with(&text), "{error}");
        release(holder);
        let opened = open(&file);
        assert!(opened.is_ok() || matches!(opened, Err(OpenError::Foreign { .. })), "{name}: {opened:?}");
    }
}
