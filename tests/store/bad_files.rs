//! Files that are no store, or no store of this program: a typed error, and not a byte is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use factum::Position;
use factum::sqlite::{OpenError, SqliteOptions, SqliteStore};
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, EventStore, StoreError};
use rusqlite::{Connection, ErrorCode};
use tempfile::TempDir;

use crate::support::events::{append, read_all, stream};
use crate::support::stores::doctor;

/// All files of a folder, except those that SQLite leaves beside an open database: an empty log, and the
/// memory that processes share.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap()));
    let in_use =
        |name: &str, bytes: &[u8]| name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty());
    files.filter(|(path, bytes)| !in_use(&path.to_string_lossy(), bytes)).collect()
}

/// Opening the file must fail, for writing and for reading only, and must not change its folder.
#[track_caller]
fn refused(file: &Path, wanted: fn(&OpenError) -> bool) {
    let folder = file.parent().unwrap();
    let before = contents(folder);
    for options in [SqliteOptions::new(), SqliteOptions::new().read_only()] {
        let error = options.open(file).expect_err("opened");
        assert!(wanted(&error), "{options:?}: {error:?}");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error} does not name the file");
        // Not `assert_eq`, which would print the files.
        assert!(contents(folder) == before, "{options:?} changed the file, or left another beside it");
    }
}

fn is_not_a_database(error: &OpenError) -> bool {
    matches!(error, OpenError::NotADatabase { .. })
}

fn is_foreign(error: &OpenError) -> bool {
    matches!(error, OpenError::Foreign { table, .. } if table == "customers")
}

fn is_newer(error: &OpenError) -> bool {
    matches!(error, OpenError::NewerSchema { found: 7777, known: 1.., .. })
}

fn is_corrupt(error: &OpenError) -> bool {
    matches!(error, OpenError::Damaged { .. })
}

fn cannot_open(error: &OpenError) -> bool {
    matches!(error, OpenError::Sqlite { source, .. } if source.sqlite_error_code() == Some(ErrorCode::CannotOpen))
}

/// A closed store with two events, all in one file.
fn make_store(file: &Path) {
    let store = SqliteStore::open(file).unwrap();
    append(&store, &stream("a"), Any, &["1", "2"]).unwrap();
}

const CUSTOMERS: &str = "CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('Alice');";

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    // Bytes that look random, equal in each run.
    let random = (0..20_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for bytes in [b"xy".to_vec(), b"Dear diary,\n".repeat(1000), b"SQLite format 3".to_vec(), random] {
        fs::write(&file, bytes).unwrap();
        refused(&file, is_not_a_database);
    }
}

#[test]
fn a_truncated_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    make_store(&file);
    let whole = fs::read(&file).unwrap();
    // A part of the first page; the first page alone, whose header counts more pages; half of the file.
    for kept in [1000, 4096, whole.len() / 2] {
        fs::write(&file, &whole[..kept]).unwrap();
        refused(&file, is_corrupt);
    }
    // Less than a header.
    for kept in [1, 60, 99] {
        fs::write(&file, &whole[..kept]).unwrap();
        refused(&file, is_not_a_database);
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("customers.db");
    doctor(&file, CUSTOMERS);
    refused(&file, is_foreign);
}

#[test]
fn a_database_of_another_program_with_a_write_ahead_log_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("customers.db");
    doctor(&file, &format!("PRAGMA journal_mode = WAL; {CUSTOMERS}"));
    refused(&file, is_foreign);
}

/// As another program's crash leaves it: the newest rows are only in the log, which is not ours to change.
#[test]
fn a_database_of_another_program_that_has_crashed_is_refused() {
    let folder = TempDir::new().unwrap();
    let crashed =
        crash(folder.path(), |file| doctor(file, CUSTOMERS), "INSERT INTO customers VALUES ('Bob')");
    refused(&crashed, is_foreign);
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    make_store(&file);
    doctor(&file, "UPDATE factum_schema SET version = 7777");
    refused(&file, is_newer);
}

#[test]
fn a_newer_schema_after_a_crash_is_refused() {
    let folder = TempDir::new().unwrap();
    let crashed = crash(folder.path(), make_store, "UPDATE factum_schema SET version = 7777");
    refused(&crashed, is_newer);
}

/// A database made by `make`, with `sql` in its log only, as after a kill.
fn crash(folder: &Path, make: impl Fn(&Path), sql: &str) -> PathBuf {
    let file = folder.join("open.db");
    make(&file);
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch(&format!("PRAGMA journal_mode = WAL; {sql}")).unwrap();
    let crashed = folder.join("crashed");
    fs::create_dir(&crashed).unwrap();
    for name in ["open.db", "open.db-wal"] {
        fs::copy(folder.join(name), crashed.join(name)).unwrap();
    }
    crashed.join("open.db")
}

#[test]
fn a_folder_is_no_store() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    refused(&inner, |error| matches!(error, OpenError::Sqlite { .. }));
    assert!(inner.is_dir());
}

#[test]
fn a_missing_folder_is_not_made() {
    let folder = TempDir::new().unwrap();
    for options in [SqliteOptions::new(), SqliteOptions::new().read_only()] {
        let error = options.open(folder.path().join("missing/store.db")).unwrap_err();
        assert!(cannot_open(&error), "{error:?}");
    }
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn a_store_can_be_opened_for_reading_only() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    make_store(&file);
    let before = fs::read(&file).unwrap();
    reads_only(&SqliteOptions::new().read_only().open(&file).unwrap());
    assert!(fs::read(&file).unwrap() == before, "reading changed the file");
}

/// A read-only store returns the events of `make_store` and accepts no append.
fn reads_only(store: &SqliteStore) {
    assert_eq!(read_all(store).unwrap(), ["1", "2"]);
    let refused = append(store, &stream("a"), Any, &["3"]);
    let as_wanted = matches!(&refused, Err(AppendError::Store { source: StoreError::ReadOnly, .. }));
    assert!(as_wanted, "{refused:?}");
    assert_eq!(store.position().unwrap(), Position::new(2));
}

#[test]
fn reading_only_makes_no_file_and_no_store() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("missing.db");
    let error = SqliteOptions::new().read_only().open(&file).unwrap_err();
    assert!(cannot_open(&error), "{error:?}");
    assert!(!file.exists());

    fs::write(&file, "").unwrap();
    let error = SqliteOptions::new().read_only().open(&file).unwrap_err();
    assert!(matches!(error, OpenError::NoStore { .. }), "{error:?}");
    assert!(fs::read(&file).unwrap().is_empty());
}

#[cfg(unix)]
#[test]
fn a_write_protected_file_can_be_opened_for_reading_only() {
    use std::os::unix::fs::PermissionsExt;

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    make_store(&file);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    // Its folder is writable for all: only the file is protected.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let before = fs::read(&file).unwrap();
    match crate::support::job::Job::start_unprivileged("open-protected", &file, folder.path()) {
        Ok(job) => assert_eq!(job.finish(), ["refused", "read"]),
        Err(error) => {
            eprintln!("skipped: root ignores permissions, and no process can run as another user: {error}");
        }
    }
    assert!(fs::read(&file).unwrap() == before, "the protected file was changed");
}

/// The job of a process without root's privileges.
#[cfg(unix)]
pub(crate) fn open_protected(file: &Path) {
    let error = SqliteStore::open(file).unwrap_err();
    assert!(matches!(error, OpenError::ReadOnly { .. }), "{error:?}");
    crate::support::job::say("refused");
    reads_only(&SqliteOptions::new().read_only().open(file).unwrap());
    crate::support::job::say("read");
}
