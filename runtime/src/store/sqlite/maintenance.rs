//! Looking after a store's file: backups, checks, room.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::failure::store_error;
use super::{SqliteStore, connections};
use crate::error::StoreError;

/// How many pages a backup copies before it tells how far it has come.
const PAGES: i32 = 256;

/// How many things a check tells of at most.
const DAMAGES: usize = 100;

/// How far a backup has come, in pages of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupProgress {
    /// Copied so far.
    pub done: u64,
    /// All there are to copy.
    pub total: u64,
}

/// Why there is no backup; nothing is left where it should have been.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Something is there already. A backup does not replace anything.
    #[error("{} is there already", path.display())]
    #[non_exhaustive]
    Exists {
        /// Where the backup should have gone.
        path: PathBuf,
    },
    /// SQLite could not copy: no room, no permission, no such folder.
    #[error("the copy failed: {0}")]
    Sqlite(rusqlite::Error),
    /// The store can't be read.
    #[error(transparent)]
    Store(StoreError),
    /// The finished copy could not be given its name.
    #[error("can't put the backup at {}: {source}", path.display())]
    #[non_exhaustive]
    Io {
        /// Where the backup should have gone.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// Something wrong in a store's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it is, in words.
    pub message: String,
}

/// What a checkpoint has moved from the write-ahead log into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whether all was moved, and the log is empty; otherwise somebody was reading or writing.
    pub complete: bool,
    /// Pages that are still in the log.
    pub left: u64,
}

impl SqliteStore {
    /// Copies the store to a new file while it is in use: as it is when the copy begins, with all tables in its file.
    ///
    /// Neither readers nor writers wait; what is appended meanwhile is not part of the copy. The file appears at `path`
    /// when it is complete and on the disk.
    ///
    /// Fails with [`BackupError::Exists`] if there is something at `path`.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<(), BackupError> {
        self.backup_with(path, |_| {})
    }

    /// The same, telling now and then how far it has come. `progress` must not use the store, if that is in memory.
    pub fn backup_with(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(BackupProgress),
    ) -> Result<(), BackupError> {
        // Absolute, so that SQLite does not take it for a URI.
        let path = std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned());
        let path = path.as_path();
        if fs::symlink_metadata(path).is_ok() {
            return Err(BackupError::Exists { path: path.into() });
        }
        let unfinished = Unfinished(beside(path));
        self.with_reader(
            |connection| copy(connection, &unfinished.0, &mut progress).map_err(BackupError::Sqlite),
            BackupError::Store,
        )?;
        publish(&unfinished.0, path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: path.into() },
            _ => BackupError::Io { path: path.into(), source },
        })
    }

    /// Looks through the whole file for damage: SQLite's own structures, and what a store promises beyond (no stream
    /// without its name, no gap in a stream, no payload that is not JSON). Empty if all is well; at most 100 findings of
    /// each kind.
    ///
    /// Reads everything, and so takes its time; nobody waits for it meanwhile.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        self.with_reader(|connection| connections::snapshot(connection, damages).map_err(store_error), |e| e)
    }

    /// Moves what is in the write-ahead log into the file and empties the log, as far as nobody is in the way.
    ///
    /// Happens by itself, as the log grows; of use before the file is copied by other means.
    pub fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        let writer = self.writer()?;
        let waits: i64 =
            writer.pragma_query_value(None, "busy_timeout", |row| row.get(0)).map_err(store_error)?;
        // Who is in the way is not waited for: nobody could append meanwhile.
        writer.busy_timeout(Duration::ZERO).map_err(store_error)?;
        let result = writer.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", (), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        writer.busy_timeout(Duration::from_millis(waits.unsigned_abs())).map_err(store_error)?;
        let (busy, log, moved) = result.map_err(store_error)?;
        // Both are -1 for a store in memory, which has no log.
        let left = u64::try_from(log - moved).unwrap_or_default();
        Ok(Checkpoint { complete: busy == 0, left })
    }

    /// Gives room that nothing uses any more back to the file system, and puts what belongs together in one place.
    /// Positions stay what they are.
    ///
    /// Rewrites the whole file, needs as much room again meanwhile, and nobody can append until it is done. A store only
    /// grows, so this is of use after projections or snapshots were dropped.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        self.writer()?.execute_batch("VACUUM").map_err(store_error)
    }
}

/// Copies page by page, all of them as they are at the first.
fn copy(from: &Connection, path: &Path, progress: &mut dyn FnMut(BackupProgress)) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut to = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Between two steps somebody may append. Without a transaction of our own SQLite would begin again then, and with
    // somebody who always appends come to no end.
    connections::snapshot(from, |from| {
        from.query_row("SELECT count(*) FROM factum_schema", (), |row| row.get::<_, i64>(0))?;
        let backup = Backup::new(from, &mut to)?;
        loop {
            let step = backup.step(PAGES)?;
            let pages = backup.progress();
            let number = |pages: i32| u64::try_from(pages).unwrap_or_default();
            let total = number(pages.pagecount);
            progress(BackupProgress { done: total.saturating_sub(number(pages.remaining)), total });
            match step {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // The destination is ours alone, so this is the file system's doing.
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    })?;
    to.close().map_err(|(_, error)| error)
}

/// A file of that name is ours until it is published.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".unfinished-{}", uuid::Uuid::now_v7().simple()));
    name.into()
}

/// Gives the finished file its name, unless something has got that name meanwhile.
fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    fs::File::open(unfinished)?.sync_all()?;
    match fs::hard_link(unfinished, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links.
        Err(_) => fs::rename(unfinished, path)?,
    }
    // The name must be on the disk as well. Where a folder can't be opened, that is the system's affair.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
}

/// The name that a backup has until it is complete; removed whatever becomes of it.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Gone already, if it was renamed.
        let _ = fs::remove_file(&self.0);
        for side in ["-journal", "-wal", "-shm"] {
            let mut name = self.0.as_os_str().to_owned();
            name.push(side);
            let _ = fs::remove_file(PathBuf::from(name));
        }
    }
}

fn damages(connection: &Connection) -> rusqlite::Result<Vec<Damage>> {
    let mut damages = Vec::new();
    let checked = [
        format!("PRAGMA integrity_check({DAMAGES})"),
        format!(
            "SELECT 'the event at position ' || position || ' is in stream ' || stream || ', which has no name'
             FROM factum_events WHERE stream NOT IN (SELECT id FROM factum_streams) LIMIT {DAMAGES}"
        ),
        format!(
            "SELECT category || '/' || key || ' has ' || count(*) || ' events, and versions from ' || min(version)
             || ' to ' || max(version)
             FROM factum_events JOIN factum_streams ON factum_streams.id = stream GROUP BY stream
             HAVING min(version) <> 1 OR max(version) <> count(*) LIMIT {DAMAGES}"
        ),
        format!(
            "SELECT 'the payload of the event at position ' || position || ' is not JSON'
             FROM factum_events WHERE NOT json_valid(payload) LIMIT {DAMAGES}"
        ),
    ];
    for sql in &checked {
        match found(connection, sql, &mut damages) {
            Ok(()) => {}
            // So damaged that it can't be looked through: that is the finding.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                damages.push(Damage { message: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(damages)
}

fn found(connection: &Connection, sql: &str, damages: &mut Vec<Damage>) -> rusqlite::Result<()> {
    let mut select = connection.prepare(sql)?;
    let mut rows = select.query(())?;
    while let Some(row) = rows.next()? {
        let message = match row.get_ref(0)? {
            // Part of it may be a name that is no text.
            ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        };
        // What SQLite says of a file in which it finds nothing.
        if message != "ok" {
            damages.push(Damage { message });
        }
    }
    Ok(())
}
