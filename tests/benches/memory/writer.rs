//! Somebody who appends while another process reads: without that, there is no write-ahead log to grow.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Output};

use factum::sqlite::SqliteStore;

use crate::fill::fill;

/// What was written meanwhile.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) events: u64,
    /// The size of the `-wal` file at its largest.
    pub(crate) longest_log: u64,
}

/// Appends one event after the other, as fast as can be, until the reader has ended. A reader in the middle of the
/// log keeps SQLite from beginning it anew: how long it gets tells whether readers step aside often enough.
pub(crate) fn write_while(
    mut reader: Child,
    store: &SqliteStore,
    path: &Path,
) -> Result<(Output, Written), Box<dyn Error>> {
    let account = format!("beside-{}", reader.id());
    let log = path.with_extension("db-wal");
    let mut written = Written::default();
    while reader.try_wait()?.is_none() {
        fill(store, &account, written.events..written.events + 1, 1)?;
        written.events += 1;
        written.longest_log = written.longest_log.max(fs::metadata(&log)?.len());
    }
    Ok((reader.wait_with_output()?, written))
}
