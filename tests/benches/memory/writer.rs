//! Appends while another process reads: without appends, the write-ahead log does not grow.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Output};

use factum::sqlite::SqliteStore;

use crate::fill::fill;

/// What was appended during the read.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) events: u64,
    /// The largest size of the `-wal` file.
    pub(crate) longest_log: u64,
}

/// Appends one event after the other, as fast as possible, until the reader ends. A read transaction keeps
/// SQLite from starting the log over, so the log's length shows whether readers end their transactions often
/// enough.
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
