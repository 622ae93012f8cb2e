//! Opening a store's file: what is set, and what is refused.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension};

use super::SqliteStore;
use super::connections::{Pool, Readers};
use super::schema;

/// Statements kept compiled, for each connection: more than the store has.
const STATEMENTS: usize = 64;

/// SQLite counts milliseconds in 31 bits.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// What an append that has returned has survived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The loss of power. Each commit waits for the disk. (`synchronous = FULL`)
    #[default]
    Full,
    /// The end of the program, however it ends. The loss of power may take the newest commits, whole, and leaves
    /// the store consistent. Several times faster for small appends. (`synchronous = NORMAL`)
    Normal,
}

/// How a [`SqliteStore`] is opened.
///
/// ```
/// use std::time::Duration;
/// use factum::sqlite::{Durability, SqliteOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("bank.db");
/// let store = SqliteOptions::new()
///     .durability(Durability::Normal)
///     .busy_timeout(Duration::from_secs(10))
///     .open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    durability: Durability,
    busy_timeout: Duration,
    cache_bytes: u32,
    mmap_bytes: u64,
    read_only: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 16 << 20,
            mmap_bytes: 0,
            read_only: false,
        }
    }
}

/// Why a store was not opened; its file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path names no file: it is empty, or SQLite's `:memory:`.
    #[error("`{}` is no file; for a store in memory, use `SqliteStore::in_memory`", path.display())]
    #[non_exhaustive]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// SQLite can't keep a write-ahead log for the file, as on some network file systems.
    #[error("{} can't have a write-ahead log: its journal mode stays `{mode}`", path.display())]
    #[non_exhaustive]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that it has.
        mode: String,
    },
    /// The file is there and is something else than a SQLite database.
    #[error("{} is not a SQLite database", path.display())]
    #[non_exhaustive]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a SQLite database, and damaged: cut off, or overwritten in part.
    #[error("{} is damaged: {message}", path.display())]
    #[non_exhaustive]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        message: String,
    },
    /// The file is a SQLite database with tables of another program.
    #[error("{} is another program's database: it has the table `{table}` and no factum store", path.display())]
    #[non_exhaustive]
    Foreign {
        /// The file.
        path: PathBuf,
        /// One of its tables.
        table: String,
    },
    /// The file holds no store and, opened for reading only, gets none.
    #[error("{} holds no store", path.display())]
    #[non_exhaustive]
    NoStore {
        /// The file.
        path: PathBuf,
    },
    /// The store was written by a newer factum.
    #[error("{} has schema version {found}; this factum knows {known} at most", path.display())]
    #[non_exhaustive]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The newest version that this factum knows.
        known: i64,
    },
    /// The store was written by an older factum, and has to be brought up to date; opened for reading only, it can't be.
    #[error(
        "{} has schema version {found}: open it once for writing, which brings it to version {known}",
        path.display()
    )]
    #[non_exhaustive]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The version that this factum uses.
        known: i64,
    },
    /// The connection is in a transaction: what the store does must not be part of it.
    #[error("the connection to {} is in a transaction: end it first", path.display())]
    #[non_exhaustive]
    InTransaction {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder is write-protected. To read a store, `SqliteOptions::read_only` is enough, but SQLite
    /// must be able to make two small files beside it unless another process has it open.
    #[error("{} or its folder can't be written to", path.display())]
    #[non_exhaustive]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// SQLite can't open it: no such folder, no permission, held by another for too long, a full disk.
    #[error("can't open {}: {source}", path.display())]
    #[non_exhaustive]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl SqliteOptions {
    /// The defaults: full durability, 5 seconds of waiting for other writers, 16 MiB of cache for each connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// What an append that has returned has survived; [`Durability::Full`] if not set.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long to wait while another process writes, before [`StoreError::Busy`](crate::StoreError::Busy).
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How much of the file each connection keeps in memory, in bytes.
    pub fn cache_bytes(mut self, bytes: u32) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// How much of the file is mapped into memory for reading, in bytes; 0, which is the default, for none.
    ///
    /// Of use where the file is larger than the caches and reads are many. An I/O error on a mapped file ends the
    /// program instead of being told.
    pub fn mmap_bytes(mut self, bytes: u64) -> Self {
        self.mmap_bytes = bytes;
        self
    }

    /// Opens for reading only: appends fail with [`StoreError::ReadOnly`](crate::StoreError::ReadOnly), and a missing
    /// file is not made.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Opens the store in this file, and makes the file if there is none.
    ///
    /// Fails as [`SqliteStore::open`] does.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let given = path.as_ref();
        let failed = |source| OpenError::failed(given, source);
        // Readers open the file later: a change of the working directory must not lead them elsewhere.
        let path = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        let writable = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let flags = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { writable };
        if given.as_os_str().is_empty() || given == Path::new(":memory:") {
            return Err(OpenError::NoFile { path: given.into() });
        }
        if is_too_short(&path) {
            return Err(OpenError::NotADatabase { path: given.into() });
        }
        let writer =
            Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed)?;
        self.start(writer, given, Some(path), false)
    }

    /// Makes a store of an open connection, in a database that may have other tables: those of the program that opened it.
    ///
    /// The connection becomes the one that the store writes with, and gets the store's settings; other connections to the
    /// file are the program's own affair. Tables whose names begin with `factum_` belong to the store. The file gets a
    /// write-ahead log, if it has none yet. [`SqliteStore::query`] and projections reach the other tables; to change
    /// these in one transaction with events, use a projection.
    ///
    /// Fails, with nothing changed in the file, if the connection is in a transaction, or to a database that can't be a
    /// store; see [`OpenError`]. The connection is closed then.
    pub fn from_connection(&self, connection: Connection) -> Result<SqliteStore, OpenError> {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        let given = path.clone().unwrap_or_else(|| ":memory:".into());
        if !connection.is_autocommit() {
            return Err(OpenError::InTransaction { path: given });
        }
        self.start(connection, &given, path, true)
    }

    /// Makes a store of a connection; `shared`: others may have tables in the file. `path`: where readers find it, if
    /// they can.
    fn start(
        &self,
        mut writer: Connection,
        given: &Path,
        path: Option<PathBuf>,
        shared: bool,
    ) -> Result<SqliteStore, OpenError> {
        let failed = |source| OpenError::failed(given, source);
        self.configure(&writer).map_err(failed)?;
        // Nothing is written before the file is known to be ours, or empty. Closing a file that is refused would move
        // what a crash has left in its log.
        let leave_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        writer.set_db_config(leave_log, true).map_err(failed)?;
        let found = match schema::inspect(&writer).map_err(failed)? {
            schema::Found::Store { version: found } if found > schema::VERSION => {
                return Err(OpenError::NewerSchema { path: given.into(), found, known: schema::VERSION });
            }
            schema::Found::Store { version } if version < 1 => {
                let message = format!("its schema version is {version}");
                return Err(OpenError::Damaged { path: given.into(), message });
            }
            schema::Found::Store { version } => version,
            schema::Found::Foreign { table } if !shared || table == "factum_schema" => {
                return Err(OpenError::Foreign { path: given.into(), table });
            }
            schema::Found::Nothing | schema::Found::Foreign { .. } => 0,
        };
        if let (0, Some(table)) = (found, schema::in_the_way(&writer).map_err(failed)?) {
            return Err(OpenError::Foreign { path: given.into(), table });
        }
        if self.read_only {
            writer.pragma_update(None, "query_only", true).map_err(failed)?;
            match found {
                0 => return Err(OpenError::NoStore { path: given.into() }),
                schema::VERSION => {}
                found => {
                    let known = schema::VERSION;
                    return Err(OpenError::OlderSchema { path: given.into(), found, known });
                }
            }
        } else {
            if writer.is_readonly(MAIN_DB).map_err(failed)? {
                return Err(OpenError::ReadOnly { path: given.into() });
            }
            if path.is_some() {
                let mode = self.use_write_ahead_log(&writer).map_err(failed)?;
                if mode != "wal" {
                    return Err(OpenError::NoWriteAheadLog { path: given.into(), mode });
                }
            }
            if found < schema::VERSION {
                schema::bring_up_to_date(&mut writer).map_err(failed)?;
            }
        }
        writer.set_db_config(leave_log, false).map_err(failed)?;
        let readers = path.map_or(Readers::Writer, |path| Readers::Pool(Pool::new(path, self.clone())));
        Ok(SqliteStore::new(writer, readers))
    }

    /// A store in memory, gone with its last clone.
    pub fn in_memory(&self) -> Result<SqliteStore, OpenError> {
        let failed = |source| OpenError::failed(Path::new(":memory:"), source);
        let writer = Connection::open_in_memory().map_err(failed)?;
        Self { read_only: false, ..self.clone() }.start(writer, Path::new(":memory:"), None, false)
    }

    /// A connection that only reads, to the file of an open store.
    pub(super) fn reader(&self, path: &Path) -> rusqlite::Result<Connection> {
        // Not `READ_ONLY`: a reader may be the one that has to set up the log's shared memory after a crash.
        let mode =
            if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let reader = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        self.configure(&reader)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(reader)
    }

    /// Settings of the connection; none of them touches the file.
    fn configure(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(self.busy_timeout.min(LONGEST_WAIT))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Without it SQLite compiles a cached statement anew at each use, in case new values make another plan better.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", -i64::from(self.cache_bytes / 1024))?;
        let mmap = i64::try_from(self.mmap_bytes).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "mmap_size", mmap, |_| Ok(())).optional()?;
        let synchronous = match self.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)
    }

    /// Turns the write-ahead log on. SQLite does not wait here for another process that does the same, so we do.
    /// Gives the journal mode that the file has then.
    fn use_write_ahead_log(&self, writer: &Connection) -> rusqlite::Result<String> {
        let started = Instant::now();
        loop {
            match writer.pragma_update_and_check(Some("main"), "journal_mode", "WAL", |row| row.get(0)) {
                Err(error)
                    if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                        && started.elapsed() < self.busy_timeout =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                result => return result,
            }
        }
    }
}

/// Whether there is something in the file, and less than the header of a database: SQLite would take it for an empty
/// one and write over it.
fn is_too_short(path: &Path) -> bool {
    const HEADER: u64 = 100;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && (1..HEADER).contains(&file.len()))
}

impl OpenError {
    fn failed(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged { path, message: source.to_string() },
            _ => Self::Sqlite { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a promise of durability comes down to. No test can cut the power.
    #[test]
    fn commits_wait_for_the_disk_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let pragma = |options: &SqliteOptions, name: &str| {
            let store = options.open(folder.path().join("events.db")).unwrap();
            let writer = store.writer().unwrap();
            writer.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0)).unwrap()
        };
        let defaults = SqliteOptions::new();
        assert_eq!(pragma(&defaults, "synchronous"), rusqlite::types::Value::Integer(2), "FULL");
        assert_eq!(pragma(&defaults, "journal_mode"), rusqlite::types::Value::Text("wal".into()));
        let normal = SqliteOptions::new().durability(Durability::Normal);
        assert_eq!(pragma(&normal, "synchronous"), rusqlite::types::Value::Integer(1), "NORMAL");
        let small = SqliteOptions::new().cache_bytes(1 << 20);
        assert_eq!(pragma(&small, "cache_size"), rusqlite::types::Value::Integer(-1024));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for path in ["", ":memory:"] {
            assert!(matches!(SqliteStore::open(path), Err(OpenError::NoFile { .. })), "{path}");
        }
    }
}
