//! Times of the store's most frequent work, for its developers. There is nothing to compare them with.
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

/// A file in a temporary folder.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        // Below `target`: the system's temporary folder may be in memory.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        Self { folder: folder.expect("a folder can be made below `target`") }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Opens another store on the file, as another program would. It does not wait for the disk, which would
    /// be most of each time and says nothing about the store.
    fn open(&self) -> SqliteStore {
        let options = SqliteOptions::new().durability(Durability::Normal);
        options.open(self.path()).expect("the store opens")
    }
}
