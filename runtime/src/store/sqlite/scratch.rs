//! Databases in files that are of no use for longer than something else lives.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

/// Databases that are removed when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Scratch(Mutex<Vec<PathBuf>>);

impl Scratch {
    pub(super) fn add(&self, path: PathBuf) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for path in self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // It is where the system keeps what need not last.
            let _ = remove_database(path);
        }
    }
}

/// Removes a database, with what SQLite keeps beside it.
pub(crate) fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
