//! The index of a write-ahead log, which says cheaply whether a process has committed.

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(unix)]
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
#[cfg(unix)]
use std::sync::Mutex;

#[cfg(unix)]
use crate::store::lock::lock;
#[cfg(unix)]
use crate::store::per_process::PerProcess;

/// The first copy of the index's header, which each commit of any process changes.
pub(crate) type Header = [u8; 48];

/// The open file of the index.
///
/// A look reads its first bytes. It takes no lock, and touches no times of the log or the database.
#[derive(Debug)]
pub(crate) struct LogIndex {
    /// `None` if there is no such file. Taken only on drop.
    file: Option<File>,
}

/// Files that no store looks at.
///
/// If a process closes any handle of a file, the system releases all locks that the process has on the file, also those
/// of SQLite's own connections. So a file stays open until SQLite has deleted it.
#[cfg(unix)]
static UNUSED: PerProcess<Mutex<Vec<File>>> = PerProcess::new();

/// Where the header has the number of the last commit, which each commit raises by one.
const COMMIT: std::ops::Range<usize> = 8..12;

/// The number of the last commit.
pub(crate) fn commit(header: &Header) -> Option<u32> {
    header.get(COMMIT)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Opens a file so that reads note no time of the last access, which is a fifth of a look. The system lets only the
/// file's owner do that.
#[cfg(unix)]
fn open_quietly(path: impl AsRef<Path>) -> io::Result<File> {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        const O_NOATIME: i32 = 0o1_000_000;
        if let Ok(file) = File::options().read(true).custom_flags(O_NOATIME).open(&path) {
            return Ok(file);
        }
    }
    File::open(path)
}

impl LogIndex {
    /// The index of the log of the database at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        Self { file: Self::open(path).ok() }
    }

    #[cfg(unix)]
    fn open(path: &Path) -> io::Result<File> {
        // SQLite puts it beside the file itself, not beside a link to it.
        let mut path = std::fs::canonicalize(path)?.into_os_string();
        path.push("-shm");
        let there = std::fs::metadata(&path)?;
        let is_there = |file: &File| {
            file.metadata().is_ok_and(|file| (file.dev(), file.ino()) == (there.dev(), there.ino()))
        };
        let mut unused = lock(UNUSED.get());
        match unused.iter().position(is_there) {
            Some(index) => Ok(unused.swap_remove(index)),
            None => open_quietly(&path),
        }
    }

    /// Elsewhere, a reader may keep SQLite from using the file.
    #[cfg(not(unix))]
    fn open(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What changes with each commit; `None` if it can't be read.
    #[cfg(unix)]
    pub(crate) fn header(&self) -> Option<Header> {
        let mut header = [0; 48];
        self.file.as_ref()?.read_exact_at(&mut header, 0).ok()?;
        Some(header)
    }

    #[cfg(not(unix))]
    pub(crate) fn header(&self) -> Option<Header> {
        None
    }
}

#[cfg(unix)]
impl Drop for LogIndex {
    fn drop(&mut self) {
        let mut unused = lock(UNUSED.get());
        unused.extend(self.file.take());
        unused.retain(|file| file.metadata().map_or(true, |file| file.nlink() > 0));
    }
}
