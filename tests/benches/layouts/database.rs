//! A file with a layout's tables, and the connection to it.

use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

use crate::account::NAME;
use crate::layout::{Layout, Names};

const CACHE_KIB: i64 = 16 * 1024;

/// How long the log gets before SQLite moves it into the file: what is usual with usual pages. Counted in pages, large
/// ones would come with a longer log, and gain by that.
pub(crate) const LOG: u32 = 1000 * 4096;

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Durability {
    Full,
    Normal,
}

pub(crate) struct Database {
    pub(crate) layout: &'static Layout,
    pub(crate) connection: Connection,
    pub(crate) names: NameNumbers,
    pub(crate) path: PathBuf,
    /// The file goes with it.
    _directory: TempDir,
}

impl Database {
    pub(crate) fn create(layout: &'static Layout) -> rusqlite::Result<Self> {
        let directory = tempfile::tempdir().expect("there is room for a folder");
        let path = directory.path().join("events.db");
        let connection = Connection::open(&path)?;
        configure(&connection)?;
        connection.pragma_update(None, "page_size", layout.page_size)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", LOG / layout.page_size, |_| Ok(()))?;
        connection.pragma_update_and_check(None, "mmap_size", layout.mapped, |_| Ok(()))?;
        connection.execute_batch(layout.tables)?;
        let names = NameNumbers::register(&connection, layout.names)?;
        Ok(Self { layout, connection, names, path, _directory: directory })
    }

    pub(crate) fn set_durability(&self, durability: Durability) -> rusqlite::Result<()> {
        let synchronous = match durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        self.connection.pragma_update(None, "synchronous", synchronous)
    }

    /// Moves what is in the log into the file, so that the next commit begins the log anew, over its old pages.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", (), |_| Ok(()))
    }

    /// The size of the file when nothing is in the log.
    pub(crate) fn bytes(&self) -> rusqlite::Result<u64> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        Ok(std::fs::metadata(&self.path).expect("the file is there").len())
    }

    pub(crate) fn events(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("SELECT count(*) FROM events", (), |row| row.get(0))
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    // Without it SQLite compiles a cached statement anew at each use, in case new values make another plan better.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

/// The numbers of event names, in memory. Once given they never change: other processes can only add some.
pub(crate) struct NameNumbers(Vec<(i64, String)>);

impl NameNumbers {
    fn register(connection: &Connection, names: Names) -> rusqlite::Result<Self> {
        if names == Names::Text {
            return Ok(Self(Vec::new()));
        }
        let number = connection.prepare("INSERT INTO names (name) VALUES (?1)")?.insert([NAME])?;
        Ok(Self(vec![(number, NAME.to_owned())]))
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.0.iter().find(|(_, known)| known == name).map(|(number, _)| *number)
    }

    pub(crate) fn name(&self, number: i64) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == number).map(|(_, name)| name.as_str())
    }
}
