//! Databases in temporary files, which are removed together with their owner.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use crate::sqlite::file::at_path::beside;
use crate::store::lock::lock;

/// Databases that are removed when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct TemporaryFiles(Mutex<Vec<PathBuf>>);

impl TemporaryFiles {
    pub(crate) fn add(&self, path: PathBuf) {
        let mut paths = lock(&self.0);
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
}

impl Drop for TemporaryFiles {
    fn drop(&mut self) {
        for path in self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            // If the removal fails, the file stays in the system's folder for temporary files.
            let _ = remove_database(path);
        }
    }
}

/// Removes a database, with the files that SQLite keeps beside it.
pub(crate) fn remove_database(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(path, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
