//! What is at a path, as the file system says it: looks that SQLite leaves out.

use std::fs;
use std::path::{Path, PathBuf};

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
pub(crate) fn names(path: &Path) -> u64 {
    #[cfg(unix)]
    return fs::metadata(path).map_or(1, |file| {
        use std::os::unix::fs::MetadataExt as _;
        if file.is_file() { file.nlink() } else { 1 }
    });
    #[cfg(not(unix))]
    {
        let _ = path;
        1
    }
}

/// The log beside a file that is missing or empty. SQLite would delete it, with commits that no file has.
pub(crate) fn lone_log(path: &Path) -> Option<PathBuf> {
    let log = beside(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), "-wal");
    // The log first: another process that creates the store writes to the file before it makes a log.
    (has_content(&log) && !has_content(path)).then_some(log)
}

/// The path with more text at its end, such as that of the log.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() > 0)
}
