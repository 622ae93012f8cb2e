//! Whether a store still has the file that it opened, in the process that opened it.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use std::{fs, io, process};

use crate::sqlite::file::at_path;
use crate::store::error::StoreError;
use crate::store::identity::DatabaseIdentity;

/// How long the store trusts that the log at its path is its own, in microseconds.
///
/// After its times were looked at, Linux notes the exact time of the next write to a file, and `fsync` has to
/// write that too. A look after each commit made commits at `Durability::Full` a third slower.
const LOG_INTERVAL: u64 = 10_000;

/// The file of an open store, and the process that opened it.
///
/// SQLite writes to the file that it has open, wherever that file is by now. A file that was deleted, moved or
/// replaced would take appends that no later open finds. In a process that was forked, SQLite's locks are those
/// of the other process.
#[derive(Debug)]
pub(crate) struct OpenedFile {
    process: u32,
    /// `None` for a store in memory.
    files: Option<Files>,
    /// When the log was looked for last, in microseconds since the file was opened.
    log_seen: AtomicU64,
    opened: Instant,
    /// The file was missing from its path once. It stays so: what came in its place may be another store.
    moved: AtomicBool,
}

#[derive(Debug)]
struct Files {
    database: (PathBuf, FileId),
    /// The log and then its index, which SQLite keeps for as long as the file is open. A store that is opened for
    /// reading may have none. With another index, two processes would not see each other's appends.
    beside: Vec<(PathBuf, FileId)>,
}

impl OpenedFile {
    /// The file at `path`, which SQLite has just opened; `None` for a store in memory. `before` is the file that was
    /// there before.
    ///
    /// SQLite does not say which file it has. Without `before`, this process has at least to have the file open that is
    /// at the path now. Fails if the file was replaced meanwhile.
    pub(crate) fn new(path: Option<&Path>, before: Option<&FileId>) -> io::Result<Self> {
        let files = path.map(Files::at).transpose()?;
        if let Some(Files { database: (_, id), .. }) = &files
            && !before.map_or_else(|| is_open_here(id), |before| before == id)
        {
            return Err(io::Error::other("another file was put at its path while it was opened"));
        }
        Ok(Self {
            process: process::id(),
            files,
            log_seen: AtomicU64::new(0),
            opened: Instant::now(),
            moved: AtomicBool::new(false),
        })
    }

    /// What tells the file from others that are open; `None` for a store in memory, and where the system does not say.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "the system does not say"))]
    pub(crate) fn database(&self) -> Option<DatabaseIdentity> {
        #[cfg(unix)]
        return self.files.as_ref().map(|files| {
            let (device, inode) = files.database.1.device_and_inode;
            DatabaseIdentity::File(device, inode)
        });
        #[cfg(not(unix))]
        None
    }

    /// Whether this process is another one than the one that opened the store.
    pub(crate) fn is_forked(&self) -> bool {
        process::id() != self.process
    }

    /// Checks that this process has opened the store. A forked process must not even wait for a lock: the
    /// thread that holds it may exist in the other process only.
    pub(crate) fn check_process(&self) -> Result<(), StoreError> {
        let process = process::id();
        if process == self.process {
            Ok(())
        } else {
            Err(StoreError::Forked { opened_by: self.process, used_by: process })
        }
    }

    /// Checks that this process has opened the store, and that the file is still at its path.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.check_process()?;
        self.files.as_ref().map_or(Ok(()), |files| self.find_database(files))
    }

    /// Fails if the file was found missing before. Does not look for it.
    pub(crate) fn check_known(&self) -> Result<(), StoreError> {
        match &self.files {
            Some(files) if self.moved.load(Ordering::Relaxed) => Err(files.moved()),
            _ => Ok(()),
        }
    }

    /// Checks that the file and its log are still at their paths, before a commit is acknowledged.
    ///
    /// Whether a log is there is checked each time; whether it and its index are the same ones, only now and then
    /// ([`LOG_INTERVAL`]).
    pub(crate) fn check_with_log(&self) -> Result<(), StoreError> {
        let Some(files) = &self.files else { return Ok(()) };
        self.find_database(files)?;
        let now = u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX);
        if files.beside.first().is_some_and(|(log, _)| is_missing(log)) {
            self.moved.store(true, Ordering::Relaxed);
            return Err(files.moved());
        }
        if now.saturating_sub(self.log_seen.load(Ordering::Relaxed)) < LOG_INTERVAL {
            return Ok(());
        }
        self.log_seen.store(now, Ordering::Relaxed);
        files.beside.iter().try_for_each(|file| self.find(files, file))
    }

    fn find(&self, files: &Files, (path, id): &(PathBuf, FileId)) -> Result<(), StoreError> {
        self.compare(files, id, || FileId::of(path))
    }

    /// A database has at least one page from its first commit on: an empty file was cut off.
    fn find_database(&self, files: &Files) -> Result<(), StoreError> {
        let (path, id) = &files.database;
        self.compare(files, id, || FileId::of_content(path))
    }

    fn compare(
        &self,
        files: &Files,
        id: &FileId,
        find: impl FnOnce() -> io::Result<Option<FileId>>,
    ) -> Result<(), StoreError> {
        if !self.moved.load(Ordering::Relaxed) {
            match find() {
                Ok(Some(found)) if found == *id => return Ok(()),
                Ok(_) => self.moved.store(true, Ordering::Relaxed),
                Err(error) => return Err(StoreError::Other(Box::new(error))),
            }
        }
        Err(files.moved())
    }
}

/// Whether there is no file at the path, without a look at the file's times: a file that is no link can't be
/// read as one, and a missing one can't be found.
fn is_missing(path: &Path) -> bool {
    cfg!(unix) && fs::read_link(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether this process has the file open, as far as the system tells that.
fn is_open_here(id: &FileId) -> bool {
    let Ok(open) = fs::read_dir("/dev/fd") else { return true };
    open.flatten()
        .any(|descriptor| FileId::of(&descriptor.path()).is_ok_and(|found| found.as_ref() == Some(id)))
}

impl Files {
    fn at(path: &Path) -> io::Result<Self> {
        // SQLite puts these beside the file itself, not beside a link to it.
        let file = fs::canonicalize(path)?;
        let mut beside = Vec::new();
        for ending in ["-wal", "-shm"] {
            let path = at_path::beside(&file, ending);
            if let Some(id) = FileId::of(&path)? {
                beside.push((path, id));
            }
        }
        let id = FileId::of(path)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { database: (path.to_owned(), id), beside })
    }

    fn moved(&self) -> StoreError {
        StoreError::Moved { path: self.database.0.clone() }
    }
}

/// What tells one file from another at the same path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    /// The device and the number of the file on it. No other file gets them while this one is open.
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl FileId {
    /// The file at `path`, if there is one.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        Ok(metadata(path)?.as_ref().map(Self::from))
    }

    /// The file at `path`, if there is one that is not empty.
    fn of_content(path: &Path) -> io::Result<Option<Self>> {
        Ok(metadata(path)?.filter(|file| file.len() > 0).as_ref().map(Self::from))
    }
}

impl From<&Metadata> for FileId {
    #[cfg(unix)]
    fn from(file: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device_and_inode: (file.dev(), file.ino()) }
    }

    // Other systems do not let an open file be deleted or replaced.
    #[cfg(not(unix))]
    fn from(_: &Metadata) -> Self {
        Self {}
    }
}

/// What the system says of the file at `path`, if there is one.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_replaced_while_it_is_opened_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bank.db");
        fs::write(&path, "one").unwrap();
        let before = FileId::of(&path).unwrap();
        let open = fs::File::open(&path).unwrap();
        assert!(OpenedFile::new(Some(&path), before.as_ref()).is_ok());
        assert!(OpenedFile::new(Some(&path), None).is_ok());
        fs::write(folder.path().join("other.db"), "other").unwrap();
        fs::rename(folder.path().join("other.db"), &path).unwrap();
        assert!(OpenedFile::new(Some(&path), before.as_ref()).is_err());
        assert!(OpenedFile::new(Some(&path), None).is_err());
        drop(open);
    }
}
