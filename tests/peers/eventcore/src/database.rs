//! The file: how it is opened, and the checks that read it past the store.

use std::path::{Path, PathBuf};

use eventcore_sqlite::SqliteEventStore;
use rusqlite::{Connection, OptionalExtension};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Synchronous {
    Full,
    Normal,
}

impl Synchronous {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "full" => Self::Full,
            "normal" => Self::Normal,
            unknown => panic!("synchronous is `full` or `normal`, not `{unknown}`"),
        }
    }

    /// The number that SQLite reports for the mode.
    fn level(self) -> i64 {
        match self {
            Self::Full => 2,
            Self::Normal => 1,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    synchronous: Synchronous,
}

/// The content of the events' table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) events: usize,
    pub(crate) accounts: usize,
    pub(crate) total: u64,
}

impl Database {
    pub(crate) fn new(folder: &Path, synchronous: Synchronous) -> Self {
        let path = folder.join("eventcore.db");
        assert!(folder.is_dir() && !path.exists(), "{} is not an empty folder", folder.display());
        Self { path, synchronous }
    }

    /// eventcore's own function to open a file does not set `synchronous`, so it gets an open connection.
    pub(crate) async fn store(&self) -> SqliteEventStore {
        let store = SqliteEventStore::from_connection(self.connection());
        store.migrate().await.expect("the tables are made");
        store
    }

    pub(crate) fn connection(&self) -> Connection {
        let connection = Connection::open(&self.path).expect("the file opens");
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .expect("the journal's mode is set");
        assert_eq!(mode, "wal");
        let level = self.synchronous.level();
        connection.pragma_update(None, "synchronous", level).expect("`synchronous` is set");
        let found: i64 = connection
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .expect("`synchronous` is read");
        assert_eq!(found, level, "`synchronous` is not as asked");
        connection
    }

    pub(crate) fn contents(&self) -> Contents {
        let sql = "SELECT COUNT(*), COUNT(DISTINCT stream_id),
                          COALESCE(SUM(json_extract(event_data, '$.MoneyDeposited.amount')), 0)
                   FROM eventcore_events";
        self.connection()
            .query_row(sql, [], |row| {
                Ok(Contents { events: row.get(0)?, accounts: row.get(1)?, total: row.get(2)? })
            })
            .expect("the events are counted")
    }

    pub(crate) fn last_event(&self) -> String {
        self.connection()
            .query_row("SELECT MAX(event_id) FROM eventcore_events", [], |row| row.get(0))
            .expect("there is a last event")
    }

    pub(crate) fn checkpoint_of(&self, projection: &str) -> Option<String> {
        let sql = "SELECT last_position FROM eventcore_subscription_versions WHERE subscription_name = ?1";
        self.connection()
            .query_row(sql, [projection], |row| row.get(0))
            .optional()
            .expect("the checkpoint is read")
    }

    /// Empties the WAL into the file and returns the file's length.
    pub(crate) fn settled_bytes(&self) -> u64 {
        let connection = self.connection();
        let busy: i64 = connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .expect("the WAL is checkpointed");
        assert_eq!(busy, 0, "something kept the WAL from being checkpointed");
        std::fs::metadata(&self.path).expect("the file exists").len()
    }
}
