//! What the feature `tracing` emits, beside the chapter `guide::telemetry`. A program of its own, as it records all of it.

#[allow(dead_code, reason = "no thread of these tests runs until a flag is set")]
#[path = "../support/bounded.rs"]
mod bounded;
mod chapter;
mod domain;
mod recorder;
mod scenes;
mod spans;

use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use tempfile::TempDir;

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

fn open_file(folder: &TempDir) -> SqliteStore {
    SqliteOptions::new().durability(Durability::Normal).open(folder.path().join("jars.db")).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}
