//! Every store keeps the laws.

use std::cell::Cell;

use factum::MemoryStore;
use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use factum::testing::conformance;
use tempfile::TempDir;

#[test]
fn memory() {
    conformance::check_all(MemoryStore::new);
}

#[test]
fn sqlite_file() {
    check_files(&SqliteOptions::new());
}

#[test]
fn sqlite_file_with_normal_durability() {
    check_files(&SqliteOptions::new().durability(Durability::Normal));
}

#[test]
fn sqlite_in_memory() {
    conformance::check_all(|| SqliteStore::in_memory().unwrap());
}

fn check_files(options: &SqliteOptions) {
    let folder = TempDir::new().unwrap();
    let files = Cell::new(0);
    conformance::check_all(|| {
        files.set(files.get() + 1);
        options.open(folder.path().join(format!("{}.db", files.get()))).unwrap()
    });
}
