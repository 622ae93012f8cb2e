//! From the log into the store.

use std::error::Error;
use std::io::{self, BufRead};

use factum::prelude::*;
use factum::{ExecuteError, ExecuteOptions};

use super::fine::{Fine, Refusal};
use super::log::Log;

/// How many rows went where.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Led to an event.
    pub recorded: u64,
    /// Said what was recorded before.
    pub known: u64,
    /// Were malformed, or refused by their fine.
    pub skipped: u64,
}

/// Why an import ended before its log did. What came before is stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("can't read on: {0}")]
    Read(#[from] io::Error),
    #[error("line {line}: {source}")]
    Store { line: u64, source: ExecuteError<Refusal> },
}

/// Carries out every row of `log` on the fine that it names, and tells `skip` of each row that can't be, with its line.
///
/// A row is a commit of its own. An import that was cut short is run again: the rows that went in are known then.
pub fn import<S: EventStore>(
    mut log: Log<impl BufRead>,
    fines: &Repository<Fine, S>,
    mut skip: impl FnMut(u64, &dyn Error),
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    while let Some(row) = log.next_row()? {
        let line = row.line;
        let mut skip = |reason: &dyn Error| {
            imported.skipped += 1;
            skip(line, reason);
        };
        match row.entry {
            Err(malformed) => skip(&malformed),
            Ok(entry) => {
                let options = ExecuteOptions::new().recorded_at(entry.at);
                match fines.execute_with(entry.command, &options) {
                    Ok(done) if done.is_unchanged() => imported.known += 1,
                    Ok(_) => imported.recorded += 1,
                    Err(ExecuteError::Refused(refusal)) => skip(&refusal),
                    Err(source) => return Err(ImportError::Store { line, source }),
                }
            }
        }
    }
    Ok(imported)
}
