//! Stores to test on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use rusqlite::Connection;
use rusqlite::backup::Backup;
use tempfile::TempDir;

use factum::testing::delegate;

/// A time that no wait takes, unless the test fails.
pub(crate) const LONG: Duration = Duration::from_mins(1);

/// An empty store of each kind: what holds on one must hold on the others. SQLite reads a file in other ways
/// than memory.
pub(crate) fn stores() -> [Arc<dyn EventStore>; 3] {
    let sqlite = SqliteStore::in_memory().expect("SQLite opens in memory");
    [Arc::new(MemoryStore::new()), Arc::new(sqlite), Arc::new(OnFile::new())]
}

/// SQLite on a file and in memory. The first has connections for reading, the second has one connection for
/// all.
pub(crate) fn sqlite_stores(folder: &TempDir) -> [SqliteStore; 2] {
    [open_store(&folder.path().join("bank.db")), SqliteStore::in_memory().expect("SQLite opens in memory")]
}

/// A store that does not wait for the disk. No test that uses it depends on that wait, and there are many.
pub(crate) fn open_store(file: &Path) -> SqliteStore {
    let options = SqliteOptions::new().durability(Durability::Normal).busy_timeout(LONG);
    options.open(file).expect("SQLite opens a file")
}

/// Runs SQL on a store's file, past the store.
pub(crate) fn doctor(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

/// Writes the pages of `copy` over those of a file that others have open.
pub(crate) fn restore(copy: &Path, file: &Path) {
    let (copy, mut file) = (Connection::open(copy).unwrap(), Connection::open(file).unwrap());
    Backup::new(&copy, &mut file).unwrap().run_to_completion(100, Duration::ZERO, None).unwrap();
}

/// A store in a temporary file, which is removed with it.
struct OnFile {
    store: SqliteStore,
    _folder: TempDir,
}

impl OnFile {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { store: open_store(&folder.path().join("events.db")), _folder: folder }
    }
}

impl EventStore for OnFile {
    delegate!(self => self.store; append, queue, read_stream, read_all, replay, ends_with, stream_version, position, wait_for, outcome,
        forget_keys_before, read_keys, import_keys, read_snapshot, save_snapshot, drop_snapshots, categories,
    );
}
