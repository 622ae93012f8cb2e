//! The file is deleted, moved, replaced or emptied while the store is open: nothing is acknowledged any more.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{OpenError, QueryError, SqliteOptions};
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, StoreError};
use tempfile::TempDir;

use crate::support::account::{Account, deposit, id, open};
use crate::support::events::{append, read, read_all, stream};
use crate::support::stores::open_store;

/// A way to lose the file of the store at `bank.db`, with its name.
type Way = (&'static str, fn(&Path));

const WAYS: [Way; 8] = [
    ("all is deleted", |folder| {
        for file in ["bank.db", "bank.db-wal", "bank.db-shm"] {
            fs::remove_file(folder.join(file)).unwrap();
        }
    }),
    ("the file is deleted", |folder| fs::remove_file(folder.join("bank.db")).unwrap()),
    ("the log is deleted", |folder| fs::remove_file(folder.join("bank.db-wal")).unwrap()),
    ("the index of the log is deleted", |folder| fs::remove_file(folder.join("bank.db-shm")).unwrap()),
    ("the file is moved", |folder| fs::rename(folder.join("bank.db"), folder.join("moved.db")).unwrap()),
    ("the file is replaced", |folder| {
        let other = open_store(&folder.join("other.db"));
        append(&other, &stream("other"), Any, &["1", "2", "3", "4"]).unwrap();
        drop(other);
        fs::rename(folder.join("other.db"), folder.join("bank.db")).unwrap();
    }),
    ("the file is emptied", |folder| fs::write(folder.join("bank.db"), "").unwrap()),
    ("the log is replaced", |folder| {
        fs::copy(folder.join("bank.db-wal"), folder.join("copy")).unwrap();
        fs::rename(folder.join("copy"), folder.join("bank.db-wal")).unwrap();
    }),
];

/// Longer than the time after which a store looks whether the log is its own.
const LOG_INTERVAL: Duration = Duration::from_millis(20);

#[test]
fn a_store_without_its_file_acknowledges_nothing() {
    for (way, lose) in WAYS {
        let folder = TempDir::new().unwrap();
        let store = open_store(&folder.path().join("bank.db"));
        append(&store, &stream("a"), Any, &["1"]).unwrap();
        lose(folder.path());
        thread::sleep(LOG_INTERVAL);
        for _ in 0..3 {
            match append(&store, &stream("a"), Any, &["2"]) {
                Err(AppendError::Store { source: StoreError::Moved { path, .. }, .. }) => {
                    assert_eq!(path, folder.path().join("bank.db"), "{way}");
                }
                other => panic!("{way}: {other:?}"),
            }
        }
        // The append has noticed what a read does not look for.
        is_moved(way, &read_all(&store));
    }
}

#[test]
fn a_hot_aggregate_without_its_file_is_not_believed() {
    for (way, lose) in WAYS {
        let folder = TempDir::new().unwrap();
        let store = open_store(&folder.path().join("bank.db"));
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        lose(folder.path());
        thread::sleep(LOG_INTERVAL);
        for _ in 0..3 {
            let error = accounts.execute(deposit("a", 1)).unwrap_err();
            let text = factum::with_causes(&error);
            assert!(text.contains("deleted, moved, replaced or emptied"), "{way}: {text}");
        }
        assert!(accounts.load(&id("a")).is_err(), "{way}");
    }
}

/// Connections that are open have the old file, a new one would have the file at the path.
#[test]
fn reads_of_a_moved_file_fail_even_when_it_is_back() {
    for (way, lose) in
        WAYS.into_iter().filter(|(way, _)| way.contains("the file") && !way.contains("emptied"))
    {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("bank.db");
        let store = open_store(&file);
        append(&store, &stream("a"), Any, &["1"]).unwrap();
        assert_eq!(read_all(&store).unwrap(), ["1"]);
        let second_name = folder.path().join("kept.db");
        fs::hard_link(&file, &second_name).unwrap();
        lose(folder.path());
        is_moved(way, &read_all(&store));
        is_moved(way, &read(&store, &stream("a")));
        is_moved(way, &store.position());
        is_moved(way, &store.stream_version(&stream("a")));
        is_moved(way, &store.check());
        is_moved(way, &store.checkpoint_wal());
        let query = store.query(|connection| connection.query_row("SELECT 1", (), |_| Ok(())));
        assert!(matches!(query, Err(QueryError::Store(StoreError::Moved { .. }))), "{way}: {query:?}");
        fs::rename(second_name, &file).unwrap();
        // A store has one name.
        let _ = fs::remove_file(folder.path().join("moved.db"));
        is_moved(way, &store.position());
        is_moved(way, &store.checkpoint_wal());
        assert!(append(&store, &stream("a"), Any, &["2"]).is_err());
        drop(store);
        assert_eq!(read_all(&open_store(&file)).unwrap(), ["1"], "{way}");
    }
}

/// A link to the file is a path as any other.
#[test]
fn a_link_that_leads_elsewhere_is_noticed() {
    let folder = TempDir::new().unwrap();
    let (file, link) = (folder.path().join("bank.db"), folder.path().join("link.db"));
    drop(open_store(&file));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let store = open_store(&link);
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    fs::remove_file(&link).unwrap();
    assert!(append(&store, &stream("a"), Any, &["2"]).is_err());
    let store = open_store(&file);
    append(&store, &stream("a"), Any, &["2"]).unwrap();
    fs::remove_file(folder.path().join("bank.db-wal")).unwrap();
    assert!(append(&store, &stream("a"), Any, &["3"]).is_err());
}

#[track_caller]
fn is_moved<T: std::fmt::Debug>(way: &str, result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Moved { .. })), "{way}: {result:?}");
}

/// A connection that the program has opened before the file was replaced.
#[test]
fn a_connection_to_a_file_that_was_replaced_makes_no_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("bank.db");
    drop(open_store(&path));
    drop(open_store(&folder.path().join("other.db")));
    let connection = rusqlite::Connection::open(&path).unwrap();
    fs::rename(folder.path().join("other.db"), &path).unwrap();
    let error = SqliteStore::from_connection(connection).unwrap_err();
    assert!(matches!(error, OpenError::Gone { .. }), "{error}");
    assert!(SqliteStore::from_connection(rusqlite::Connection::open(&path).unwrap()).is_ok());
}

/// Each name of a file has a log of its own, so that two programs would overwrite each other's commits.
#[cfg(unix)]
#[test]
fn a_file_with_two_names_is_refused() {
    let folder = TempDir::new().unwrap();
    let (file, second_name) = (folder.path().join("bank.db"), folder.path().join("second.db"));
    append(&open_store(&file), &stream("a"), Any, &["1"]).unwrap();
    fs::hard_link(&file, &second_name).unwrap();
    for name in [&file, &second_name] {
        let error = SqliteStore::open(name).unwrap_err();
        assert!(matches!(error, OpenError::SeveralNames { names: 2, .. }), "{error}");
        // A reader overwrites nothing.
        assert_eq!(read_all(&SqliteOptions::new().read_only().open(name).unwrap()).unwrap(), ["1"]);
    }
    let connection = rusqlite::Connection::open(&file).unwrap();
    assert_eq!(read_all(&SqliteStore::from_connection(connection).unwrap()).unwrap(), ["1"]);
    fs::remove_file(&second_name).unwrap();
    assert_eq!(read_all(&open_store(&file)).unwrap(), ["1"]);
}

/// The log of a program that was killed, whose file was moved away: a new store would delete it.
#[test]
fn a_log_without_its_file_is_kept() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let store = open_store(&path("bank.db"));
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    for name in ["bank.db", "bank.db-wal"] {
        fs::copy(path(name), path(&name.replace("bank", "killed"))).unwrap();
    }
    fs::rename(path("killed.db"), path("moved.db")).unwrap();
    for _ in 0..2 {
        let error = SqliteStore::open(path("killed.db")).unwrap_err();
        assert!(matches!(&error, OpenError::LoneLog { log, .. } if *log == path("killed.db-wal")), "{error}");
        // An empty file is none.
        fs::write(path("killed.db"), "").unwrap();
    }
    let connection = rusqlite::Connection::open(path("killed.db")).unwrap();
    let error = SqliteStore::from_connection(connection).unwrap_err();
    assert!(matches!(error, OpenError::LoneLog { .. }), "{error}");
    #[cfg(unix)]
    {
        fs::remove_file(path("killed.db")).unwrap();
        std::os::unix::fs::symlink(path("killed.db"), path("link.db")).unwrap();
        let error = SqliteStore::open(path("link.db")).unwrap_err();
        assert!(matches!(error, OpenError::LoneLog { .. }), "{error}");
    }
    fs::rename(path("moved.db"), path("killed.db")).unwrap();
    assert_eq!(read_all(&open_store(&path("killed.db"))).unwrap(), ["1"]);
}
