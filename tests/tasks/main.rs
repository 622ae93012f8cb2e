//! Tasks of tokio: `async` commands, waits and streams. A program of its own, as some of its tests count threads.

#[path = "../support/account.rs"]
mod account;
mod blocking;
#[path = "../support/bounded.rs"]
mod bounded;
mod commands;
mod commits;
mod copies;
mod files;
mod hangs;
mod hooks;
mod misuse;
mod reactions;
mod streams;
mod threads;
mod timers;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use tempfile::TempDir;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

fn open_file(folder: &TempDir) -> SqliteStore {
    let options = SqliteOptions::new().durability(Durability::Normal).busy_timeout(LONG);
    options.open(folder.path().join("bank.db")).unwrap()
}

/// A store of each kind, and the folder of the one on a file.
fn stores() -> ([Arc<dyn EventStore>; 3], TempDir) {
    let folder = TempDir::new().unwrap();
    let file = open_file(&folder);
    ([Arc::new(MemoryStore::new()), Arc::new(SqliteStore::in_memory().unwrap()), Arc::new(file)], folder)
}
