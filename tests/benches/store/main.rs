//! How long the store takes for what is done most: timings for those who work on it, with nothing to compare with.
//!
//! `cargo bench -p factum-tests --bench store [-- NAME]`

#[path = "../shared/account.rs"]
mod account;
#[path = "../shared/fill.rs"]
mod fill;
mod reads;
mod writes;

use std::path::PathBuf;

use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use tempfile::TempDir;

fn main() {
    divan::main();
}

/// A file, and the folder that it goes with.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        // Below `target`: what is there for temporary files may be memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self { folder: folder.expect("a folder can be made below `target`") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Another store, as by another program, on the same file. It does not wait for the disk: that would be most of
    /// each time, and tells of the disk.
    fn open(&self) -> SqliteStore {
        let options = SqliteOptions::new().durability(Durability::Normal);
        options.open(self.path()).expect("the store opens")
    }
}
