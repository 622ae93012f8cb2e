//! What is at a path, as the file system says it: looks that SQLite leaves out.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

/// Whether the file has content, but less than the header of a database. SQLite would take it for an empty
/// database and overwrite it.
pub(crate) fn is_too_short(path: &Path) -> bool {
    const HEADER: u64 = 100;
    fs::metadata(path).is_ok_and(|file| file.is_file() && (1..HEADER).contains(&file.len()))
}

/// Whether something is there that keeps nothing that is written to it.
pub(crate) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir())
}

/// Under how many names (hard links) the file is known.
///
/// SQLite keeps the log beside the name by which a file was opened. With two names there are two logs, and each process
/// overwrites what the other one has committed.
#[cfg(unix)]
pub(crate) fn names(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let look = || fs::metadata(path).map_or(1, |file| if file.is_file() { file.nlink() } else { 1 });
    // A backup has two names for a moment, before it loses the one of the unfinished file.
    for _ in 0..10 {
        if look() <= 1 {
            return 1;
        }
        thread::sleep(Duration::from_millis(10));
    }
    look()
}

#[cfg(not(unix))]
pub(crate) fn names(_: &Path) -> u64 {
    1
}

/// The log beside a file that is missing or empty. SQLite would delete it, with commits that no file has.
pub(crate) fn lone_log(path: &Path) -> Option<PathBuf> {
    let log = beside(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), "-wal");
    // The log first: another process that creates the store writes to the file before it makes a log.
    let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    let is_gone = || match fs::metadata(path) {
        Ok(file) => file.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    (has_log && is_gone()).then_some(log)
}

/// The path with more text at its end, such as that of the log.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
