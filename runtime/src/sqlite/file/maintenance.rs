//! The maintenance of a store's file: backups, checks, WAL checkpoints, and unused space.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::domain::new_id::new_id;
use crate::sqlite::file::at_path::beside;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::readers::in_read_transaction;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::check::{self, Damage};
use crate::store::error::StoreError;

/// How many pages a backup copies between two calls of the progress callback.
const PAGES_A_STEP: i32 = 256;

/// The progress of a backup, in pages of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupProgress {
    /// Pages that are copied.
    pub done: u64,
    /// Pages in total.
    pub total: u64,
}

/// Why a backup failed. It leaves no file at its path.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The path exists, or a log of SQLite beside it. A backup does not replace anything.
    #[error("{} already exists", path.display())]
    #[non_exhaustive]
    Exists {
        /// What exists: the path of the backup, or that of the log.
        path: PathBuf,
    },
    /// SQLite could not copy: the disk is full, or a permission or the folder is missing.
    #[error("the copy failed")]
    Sqlite(#[source] rusqlite::Error),
    /// The store can't be read.
    #[error(transparent)]
    Store(StoreError),
    /// The finished copy could not be moved to its path.
    #[error("can't put the backup at {}", path.display())]
    #[non_exhaustive]
    Io {
        /// The path of the backup.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
}

/// The result of a WAL checkpoint, which moves pages from the write-ahead log into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WalCheckpoint {
    /// Whether all pages were moved, and the log is empty. Otherwise, a reader or a writer was active.
    pub complete: bool,
    /// Pages that are still in the log.
    pub left: u64,
}

impl SqliteStore {
    /// Copies the store to a new file, also while the store is in use.
    ///
    /// The copy has all tables of the file, as they are when the copy begins; later appends are not part of
    /// it. Neither readers nor writers wait. The file appears at `path` when it is complete and on the disk.
    ///
    /// A process that is killed meanwhile leaves a file `{path}.unfinished-{id}`, which may be deleted.
    ///
    /// Fails with [`BackupError::Exists`] if `path` exists, or has a log beside it: `{path}-wal` or `{path}-journal`.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<(), BackupError> {
        self.backup_with(path, |_| {})
    }

    /// Backs the store up as [`backup`](Self::backup) does, and reports its progress.
    ///
    /// `progress` must not use a store in memory.
    pub fn backup_with(
        &self,
        path: impl AsRef<Path>,
        mut progress: impl FnMut(BackupProgress),
    ) -> Result<(), BackupError> {
        // Absolute, so that SQLite does not take it for a URI.
        let path = std::path::absolute(path.as_ref()).unwrap_or_else(|_| path.as_ref().to_owned());
        let path = path.as_path();
        // SQLite would play the log of another file into the backup.
        for taken in ["", "-wal", "-journal"].map(|ending| beside(path, ending)) {
            if fs::symlink_metadata(&taken).is_ok() {
                return Err(BackupError::Exists { path: taken });
            }
        }
        let unfinished = Unfinished(unfinished(path));
        self.with_reader(
            |connection| copy_pages(connection, &unfinished.0, &mut progress).map_err(BackupError::Sqlite),
            BackupError::Store,
        )?;
        publish(&unfinished.0, path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists { path: path.into() },
            _ => BackupError::Io { path: path.into(), source },
        })
    }

    /// Checks the whole file for damage, and returns at most 100 findings of each kind; none if all is well.
    ///
    /// It checks
    ///
    /// * SQLite's own structures, and that the store's indexes lead to the right rows;
    /// * each event: its columns, its checksum, and that payload and custom metadata are JSON;
    /// * that no event is missing: positions and versions have no gaps and the same order, and nothing in the file
    ///   refers to an event that is not there. So it finds that the last events are missing if a snapshot, an
    ///   idempotency key or a follower of this file has seen them.
    ///
    /// The check reads the whole file, so it may take long. It blocks neither readers nor writers of the
    /// file.
    pub fn check(&self) -> Result<Vec<Damage>, StoreError> {
        self.with_reader(
            |connection| in_read_transaction(connection, check::damages).map_err(store_error),
            |e| e,
        )
    }

    /// Moves the write-ahead log's pages into the file and empties the log, as far as no reader or writer is
    /// active.
    ///
    /// SQLite does this by itself as the log grows. Call it before another tool copies the file.
    pub fn checkpoint_wal(&self) -> Result<WalCheckpoint, StoreError> {
        let writer = self.writer()?;
        let waits: i64 =
            writer.pragma_query_value(None, "busy_timeout", |row| row.get(0)).map_err(store_error)?;
        // Do not wait for readers and writers of other connections: appends would block during the wait.
        writer.busy_timeout(Duration::ZERO).map_err(store_error)?;
        let result = writer.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", (), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        });
        writer.busy_timeout(Duration::from_millis(waits.unsigned_abs())).map_err(store_error)?;
        let (busy, log, moved) = result.map_err(store_error)?;
        // Both are -1 for a store in memory, which has no log.
        let left = u64::try_from(log - moved).unwrap_or_default();
        Ok(WalCheckpoint { complete: busy == 0, left })
    }

    /// Returns unused space to the file system, and defragments the file. Positions do not change.
    ///
    /// Events that an earlier factum has written get a [checksum](SqliteStore#checksums) if they have none.
    ///
    /// This rewrites the whole file, needs as much space again, and blocks appends until it is done. A store
    /// only grows, so call it after projections or snapshots were dropped.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        let writer = self.writer()?;
        check::add_checksums(&writer)?;
        writer.execute_batch("VACUUM").map_err(store_error)
    }
}

/// Copies page by page; all pages are as at the beginning.
fn copy_pages(
    from: &Connection,
    path: &Path,
    progress: &mut dyn FnMut(BackupProgress),
) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut to = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Other writers may append between two steps. Without this transaction, SQLite would then start again,
    // and under constant appends never finish.
    in_read_transaction(from, |from| {
        from.query_row("SELECT count(*) FROM factum_schema", (), |row| row.get::<_, i64>(0))?;
        let backup = Backup::new(from, &mut to)?;
        loop {
            let step = backup.step(PAGES_A_STEP)?;
            let pages = backup.progress();
            let number = |pages: i32| u64::try_from(pages).unwrap_or_default();
            let total = number(pages.pagecount);
            progress(BackupProgress { done: total.saturating_sub(number(pages.remaining)), total });
            match step {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // No other connection uses the destination, so the file system is the cause.
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    })?;
    to.close().map_err(|(_, error)| error)
}

/// The path of the copy until it is complete. The name is unique, so no other process uses it.
fn unfinished(path: &Path) -> PathBuf {
    beside(path, &format!(".unfinished-{}", new_id().simple()))
}

/// Gives the finished file its name, unless that name exists by now.
fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    fs::File::open(unfinished)?.sync_all()?;
    match fs::hard_link(unfinished, path) {
        // A backup has one name, also after a crash: a store with two is refused.
        Ok(()) => fs::remove_file(unfinished)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has links.
        Err(_) => fs::rename(unfinished, path)?,
    }
    // The name must be on the disk as well. Some systems can't open a folder; the sync is left out there.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).map_or(Ok(()), |folder| folder.sync_all())
}

/// The path of a backup until it is complete. The file there is removed in every case.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        // If it is published, it is gone already.
        let _ = fs::remove_file(&self.0);
        for side in ["-journal", "-wal", "-shm"] {
            let _ = fs::remove_file(beside(&self.0, side));
        }
    }
}
