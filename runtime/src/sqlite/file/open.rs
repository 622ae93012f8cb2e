//! Opens a store's file: the settings of its connections, and the files that are rejected.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, OptionalExtension};

use crate::domain::numbers::keeps_text_of_numbers;
use crate::sqlite::file::opened::{FileId, OpenedFile};
use crate::sqlite::file::readers::{Pool, Readers};
use crate::sqlite::file::tables;
use crate::sqlite::file::{at_path, handler_sql};
use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::checksum::Checksums;

/// How many compiled statements each connection caches: more than the store has.
const STATEMENTS: usize = 64;

/// How long the write-ahead log stays after a reader that kept it from being restarted, in bytes: as long as it
/// gets without such a reader.
const LONGEST_IDLE_LOG: i64 = 16 << 20;

/// The default of [`SqliteOptions::look_every`]: a view then shows an event of another process within 50 milliseconds.
const LONGEST_LOOK: Duration = Duration::from_millis(45);

/// SQLite counts milliseconds in 31 bits.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// The size of the pages of a new file, unless the options say otherwise. The benchmark `pages` compares sizes.
const PAGE_BYTES: u32 = 4_096;

/// Which failures an append survives after it has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// A loss of power: each commit waits for the disk (`synchronous = FULL`).
    #[default]
    Full,
    /// Any end of the program (`synchronous = NORMAL`). A loss of power may take the newest commits as a
    /// whole; the store stays consistent. Several times faster for small appends.
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
#[must_use = "options do nothing by themselves: call `.open(path)`"]
pub struct SqliteOptions {
    durability: Durability,
    busy_timeout: Duration,
    cache_bytes: u32,
    page_bytes: u32,
    mmap_bytes: u64,
    read_only: bool,
    checksums: Checksums,
    longest_look: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            cache_bytes: 16 << 20,
            page_bytes: PAGE_BYTES,
            mmap_bytes: 0,
            read_only: false,
            checksums: Checksums::Verified,
            longest_look: LONGEST_LOOK,
        }
    }
}

/// Why a store was not opened. Its file is unchanged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path names no file: it is empty, SQLite's `:memory:`, or that of a device, a pipe or a socket.
    #[error("`{}` is not a file; for a store in memory, use `SqliteStore::in_memory`", path.display())]
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
    /// The file exists and is not a SQLite database.
    #[error("{} is not a SQLite database", path.display())]
    #[non_exhaustive]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is a damaged SQLite database: cut off, or overwritten in part.
    #[error("{} is damaged: {message}", path.display())]
    #[non_exhaustive]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
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
    /// The file has no store, and gets none when it is opened for reading only.
    #[error("{} holds no store", path.display())]
    #[non_exhaustive]
    NoStore {
        /// The file.
        path: PathBuf,
    },
    /// A newer factum has written the store.
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
    /// An older factum has written the store. Its tables have to be upgraded, which needs an open for
    /// writing.
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
    /// The connection is in a transaction, which must not contain the store's writes.
    #[error("the connection to {} is in a transaction: end it first", path.display())]
    #[non_exhaustive]
    InTransaction {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder is write-protected. To read a store, `SqliteOptions::read_only` is enough, but
    /// SQLite must be able to make two small files beside it unless another process has it open.
    #[error("{} or its folder can't be written to", path.display())]
    #[non_exhaustive]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// The file has several names (hard links), as `cp -al` and deduplication make them.
    ///
    /// SQLite keeps the write-ahead log beside the name by which a file is opened. Programs that write by two names overwrite each
    /// other's commits, without an error. [`SqliteStore::from_connection`] does not ask, for file systems whose count is wrong.
    #[error(
        "{} is one of {names} names (hard links) of its file, and programs that write by two of them lose events: remove the \
         others, open a copy, or open it with `read_only()` or `SqliteStore::from_connection`",
        path.display()
    )]
    #[non_exhaustive]
    SeveralNames {
        /// The file.
        path: PathBuf,
        /// How many names it has.
        names: u64,
    },
    /// The file is missing or empty, and the write-ahead log of another one is beside it. The log may have commits that no
    /// file has, and SQLite would delete it.
    #[error(
        "{} is missing or empty, and there is a write-ahead log: put the file back that {} belongs to, or move the log away",
        path.display(),
        log.display()
    )]
    #[non_exhaustive]
    LoneLog {
        /// The file.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// The file was moved, deleted or replaced while it was opened, or the system does not tell which file it is.
    #[error("can't tell which file {} is, after it was opened", path.display())]
    #[non_exhaustive]
    Gone {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A dependency turns on the feature `arbitrary_precision` of `serde_json`.
    ///
    /// It changes what stored events are read as: numbers in enums that are untagged or internally tagged, and in
    /// fields with `#[serde(flatten)]`. `cargo tree --edges features --invert serde_json` shows which dependency
    /// it is.
    #[error(
        "the feature `arbitrary_precision` of serde_json changes what stored events are read as; \
         `cargo tree --edges features --invert serde_json` shows the dependency that turns it on"
    )]
    ArbitraryPrecision,
    /// Another process has held the file for too long: the store's [`busy_timeout`](SqliteOptions::busy_timeout).
    ///
    /// Other writers do not keep a store with current tables from being opened. So a program waits here if it creates or
    /// upgrades the store, or if another one holds the file for itself alone.
    #[error(
        "{} is busy: another process has held it for {waited:?}, while this one waited to {purpose}",
        path.display()
    )]
    #[non_exhaustive]
    Busy {
        /// The file.
        path: PathBuf,
        /// What the lock was wanted for, such as "create the tables".
        purpose: &'static str,
        /// The longest wait that the options allow.
        waited: Duration,
    },
    /// SQLite can't open the file: the folder or a permission is missing, or the disk is full.
    #[error("can't open {}", path.display())]
    #[non_exhaustive]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
}

impl SqliteOptions {
    /// The defaults: full durability, a wait of 5 seconds for other writers, 16 MiB of cache for each
    /// connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Which failures an append survives after it has returned; [`Durability::Full`] by default.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long a call waits while another process writes, before it fails with
    /// [`StoreError::Busy`](crate::store::StoreError::Busy).
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How much of the file each connection keeps in memory, in bytes.
    pub fn cache_bytes(mut self, bytes: u32) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The size of the pages of a new file, in bytes; 4,096 by default. A file that exists keeps the size that it has.
    ///
    /// A size that SQLite does not have is rounded: it has powers of two, from 512 to 65,536. A commit writes whole
    /// pages. With events of at most 200 bytes, [`Durability::Normal`], and one event a commit, pages of 2,048 bytes are
    /// about a third faster. Groups of commits, and larger events, are slower with them. The benchmark `pages`
    /// measures that; `TABLES.md`, beside this source, has its figures.
    pub fn page_bytes(mut self, bytes: u32) -> Self {
        self.page_bytes = bytes.clamp(512, 65_536).next_power_of_two();
        self
    }

    /// How much of the file is mapped into memory for reading, in bytes. The default is 0, for none.
    ///
    /// It helps if the file is larger than the caches and reads are many. An I/O error on a mapped file ends
    /// the program instead of being returned.
    pub fn mmap_bytes(mut self, bytes: u64) -> Self {
        self.mmap_bytes = bytes;
        self
    }

    /// Reads events without a look at their checksums. A bit that has changed on the disk may then give wrong
    /// data.
    ///
    /// A load then takes less time: by a thirteenth of its instructions for an event of 110 bytes. The benchmark
    /// `upcast` measures both. Appends store checksums all the same. [`SqliteStore::check`], and projections into
    /// tables in the file of the events, verify them.
    pub fn ignore_checksums(mut self) -> Self {
        self.checksums = Checksums::Ignored;
        self
    }

    /// How often the store looks for events of other processes at least, while a follower or another reader waits
    /// for events; 45 milliseconds by default.
    ///
    /// One thread of the process looks for all stores. A look takes about a microsecond and touches no time of a file.
    /// An idle store is looked at every 8 milliseconds, and all of several together: each further one adds 0.4 milliseconds.
    /// After an event of another process, the looks come every 2 milliseconds, and then less and less often.
    ///
    /// The least is 1 millisecond. Events of the same process wake readers at once.
    pub fn look_every(mut self, time: Duration) -> Self {
        self.longest_look = time.max(Duration::from_millis(1));
        self
    }

    pub(crate) fn longest_look(&self) -> Duration {
        self.longest_look
    }

    /// Opens for reading only: appends fail with
    /// [`StoreError::ReadOnly`](crate::store::StoreError::ReadOnly), and a missing file is not created.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Opens the store in this file, and creates the file if there is none.
    ///
    /// Fails as [`SqliteStore::open`] does.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, OpenError> {
        let given = path.as_ref();
        let failed = |source| OpenError::failed(given, source);
        // Readers open the file later: a change of the working directory must not lead them elsewhere.
        let path = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        let writable = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let flags = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { writable };
        if given.as_os_str().is_empty() || given == Path::new(":memory:") || at_path::is_device(&path) {
            return Err(OpenError::NoFile { path: given.into() });
        }
        if at_path::is_too_short(&path) {
            return Err(OpenError::NotADatabase { path: given.into() });
        }
        if let Some(log) = at_path::lone_log(&path) {
            return Err(OpenError::LoneLog { path: given.into(), log });
        }
        let names = if self.read_only { 1 } else { at_path::names(&path) };
        if names > 1 {
            return Err(OpenError::SeveralNames { path: given.into(), names });
        }
        let open =
            || Connection::open_with_flags(&path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failed);
        let gone = |source| OpenError::Gone { path: given.into(), source };
        let start = || {
            let before = match FileId::of(&path) {
                Ok(Some(before)) => Some(before),
                _ => {
                    // Creates the file, so that it is known which one is opened.
                    drop(open()?);
                    FileId::of(&path).map_err(gone)?
                }
            };
            self.start(open()?, given, Some((path.clone(), before)), false)
        };
        match start() {
            // An overlay file system may make another file of one that is opened for writing for the first time.
            Err(OpenError::Gone { .. }) => start(),
            result => result,
        }
    }

    /// Makes a store from an open connection, to a database that may have other tables of the program.
    ///
    /// The store writes with this connection, changes its settings, and replaces its authorizer. It does not change
    /// the program's other connections. Tables whose names begin with `factum_` belong to the store. The file
    /// gets a write-ahead log, if it has none yet. [`SqliteStore::query`] and projections can use the other
    /// tables. To change them in one transaction with events, use a projection.
    ///
    /// Fails if the connection is in a transaction, or if the database can't be a store; see [`OpenError`].
    /// The file is unchanged then, and the connection is closed.
    pub fn from_connection(&self, connection: Connection) -> Result<SqliteStore, OpenError> {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        let given = path.clone().unwrap_or_else(|| ":memory:".into());
        let path = path.map(|path| (path, None));
        if !connection.is_autocommit() {
            return Err(OpenError::InTransaction { path: given });
        }
        self.start(connection, &given, path, true)
    }

    /// Makes a store from a connection. If `shared`, the file may have tables of the program. `path` is where
    /// readers open the file, if they can, with the file that was there before SQLite opened it, if that is known.
    fn start(
        &self,
        mut writer: Connection,
        given: &Path,
        path: Option<(PathBuf, Option<FileId>)>,
        shared: bool,
    ) -> Result<SqliteStore, OpenError> {
        let failed = |source| OpenError::failed(given, source);
        let patience = self.busy_timeout.min(LONGEST_WAIT);
        let busy = |purpose| move |source| OpenError::busy_or_failed(given, source, purpose, patience);
        check_numbers(keeps_text_of_numbers())?;
        // SQLite has created a missing file by now, and not read it yet.
        if let Some(log) = path.as_ref().and_then(|(path, _)| at_path::lone_log(path)) {
            return Err(OpenError::LoneLog { path: given.into(), log });
        }
        self.configure(&writer).map_err(busy("read the tables"))?;
        // Nothing is written before the file is known to be a store, or empty. So closing a rejected file
        // must not move the log that a crash has left.
        let leave_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        writer.set_db_config(leave_log, true).map_err(failed)?;
        let found = match tables::inspect(&writer).map_err(busy("read the tables"))? {
            tables::FileContent::Store { version: found } if found > tables::VERSION => {
                return Err(OpenError::NewerSchema { path: given.into(), found, known: tables::VERSION });
            }
            tables::FileContent::Store { version } if version < 1 => {
                let message = format!("its schema version is {version}");
                return Err(OpenError::Damaged { path: given.into(), message });
            }
            tables::FileContent::Store { version } => version,
            tables::FileContent::Foreign { table } if !shared || table == "factum_schema" => {
                return Err(OpenError::Foreign { path: given.into(), table });
            }
            tables::FileContent::Nothing | tables::FileContent::Foreign { .. } => 0,
        };
        if let (0, Some(table)) = (found, tables::in_the_way(&writer).map_err(failed)?) {
            return Err(OpenError::Foreign { path: given.into(), table });
        }
        if self.read_only {
            writer.pragma_update(None, "query_only", true).map_err(failed)?;
            match found {
                0 => return Err(OpenError::NoStore { path: given.into() }),
                tables::VERSION => {}
                found => {
                    let known = tables::VERSION;
                    return Err(OpenError::OlderSchema { path: given.into(), found, known });
                }
            }
        } else {
            if writer.is_readonly(MAIN_DB).map_err(failed)? {
                return Err(OpenError::ReadOnly { path: given.into() });
            }
            if found == 0 {
                // Has no effect on a database with other tables.
                writer.pragma_update(None, "page_size", self.page_bytes).map_err(failed)?;
            }
            if path.is_some() {
                let mode = self.use_write_ahead_log(&writer).map_err(busy("turn the write-ahead log on"))?;
                if mode != "wal" {
                    return Err(OpenError::NoWriteAheadLog { path: given.into(), mode });
                }
            }
            if found < tables::VERSION {
                let purpose = if found == 0 { "create the tables" } else { "upgrade the tables" };
                tables::bring_up_to_date(&writer, patience).map_err(busy(purpose))?;
            }
        }
        handler_sql::guard(&mut writer).map_err(failed)?;
        let (path, before) = path.map_or((None, None), |(path, before)| (Some(path), before));
        let file = OpenedFile::new(path.as_deref(), before.as_ref());
        let file = Arc::new(file.map_err(|source| OpenError::Gone { path: given.into(), source })?);
        writer.set_db_config(leave_log, false).map_err(failed)?;
        let readers = path.map_or(Readers::Writer, |path| {
            Readers::Pool(Arc::new(Pool::new(path, Arc::clone(&file), self.clone())))
        });
        Ok(SqliteStore::new(writer, file, readers, patience, self.checksums))
    }

    /// A store in memory, which ends with its last clone.
    pub fn in_memory(&self) -> Result<SqliteStore, OpenError> {
        let failed = |source| OpenError::failed(Path::new(":memory:"), source);
        let writer = Connection::open_in_memory().map_err(failed)?;
        Self { read_only: false, ..self.clone() }.start(writer, Path::new(":memory:"), None, false)
    }

    /// A connection that only reads, to the file of an open store.
    pub(crate) fn reader(&self, path: &Path) -> rusqlite::Result<Connection> {
        // Not `READ_ONLY`: after a crash, a reader may have to set up the log's shared memory.
        let mode =
            if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let reader = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        self.configure(&reader)?;
        reader.pragma_update(None, "query_only", true)?;
        Ok(reader)
    }

    /// Sets up the connection. No setting changes the file.
    fn configure(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(self.busy_timeout.min(LONGEST_WAIT))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Without this, SQLite compiles a cached statement again at each use, in case new values make another
        // plan better.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cache_size", -i64::from(self.cache_bytes / 1024))?;
        let mmap = i64::try_from(self.mmap_bytes).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "mmap_size", mmap, |_| Ok(())).optional()?;
        let synchronous = match self.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        // On macOS, a plain synchronization does not reach the disk.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        connection.pragma_update_and_check(None, "journal_size_limit", LONGEST_IDLE_LOG, |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", synchronous)
    }

    /// Turns the write-ahead log on, and returns the journal mode that the file has then.
    ///
    /// Waits for another process that does the same, as SQLite does not wait here.
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

fn check_numbers(keep_their_text: bool) -> Result<(), OpenError> {
    if keep_their_text { Err(OpenError::ArbitraryPrecision) } else { Ok(()) }
}

impl OpenError {
    fn busy_or_failed(path: &Path, source: rusqlite::Error, purpose: &'static str, waited: Duration) -> Self {
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Busy { path: path.to_owned(), purpose, waited }
            }
            _ => Self::failed(path, source),
        }
    }

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

    /// The settings that durability depends on. No test can cut the power.
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
    fn arbitrary_precision_is_refused() {
        check_numbers(keeps_text_of_numbers()).unwrap();
        let error = check_numbers(true).unwrap_err();
        assert!(error.to_string().contains("arbitrary_precision"), "{error}");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for path in ["", ":memory:", if cfg!(unix) { "/dev/null" } else { "" }] {
            assert!(matches!(SqliteStore::open(path), Err(OpenError::NoFile { .. })), "{path}");
        }
    }
}
