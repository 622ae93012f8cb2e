//! The import: carries out the rows of the log as commands.

use std::error::Error;
use std::io::{self, BufRead};

use factum::prelude::*;
use factum::{ExecuteError, ExecuteOptions};

use super::fine::{Fine, Refusal};
use super::log::Log;

/// How many rows were recorded, known or skipped.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that led to an event.
    pub recorded: u64,
    /// Rows that say what was recorded before.
    pub known: u64,
    /// Rows that are malformed, or that their fine refused.
    pub skipped: u64,
}

/// Why an import ended before the end of its log. The rows before are stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("can't read the next row: {0}")]
    Read(#[from] io::Error),
    #[error("line {line}: {source}")]
    Store { line: u64, source: ExecuteError<Refusal> },
}

/// Carries out every row of `log` on the fine that it names, and passes each row that fails to `skip`, with
/// its line.
///
/// Each row is a commit of its own. An import that was interrupted can run again: the stored rows are then
/// known.
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

#[cfg(test)]
mod tests {
    use super::super::fine::FineEvent;
    use super::super::values::{Cents, FineId};
    use super::*;

    const LOG: &str = "\
case:concept:name,concept:name,time:timestamp,amount,dismissal,expense,paymentAmount,totalPaymentAmount
A1,Create Fine,2006-01-01 00:00:00+01:00,35.0,NIL,,,
A1,Payment,2006-01-05 00:00:00+01:00,,,,20.0,20.0
A1,Payment,2006-01-05 00:00:00+01:00,,,,20.0,20.0
A1,Payment,2006-01-05 00:00:00+01:00,,,,20.0,40.0
A2,Payment,2006-01-05 00:00:00+01:00,,,,20.0,20.0
A2,Create Fine,2006-01-05 25:00:00+01:00,35.0,NIL,,,
";

    #[test]
    fn rows_become_events_with_the_time_of_the_row() {
        let fines = MemoryStore::new().repository::<Fine>();
        let mut skipped = Vec::new();
        let log = Log::open(LOG.as_bytes()).expect("a log");
        let imported =
            import(log, &fines, |line, reason| skipped.push((line, reason.to_string()))).expect("all of it");

        // A row that repeats the row before is not a second payment; a row with another total is.
        assert_eq!(imported, Imported { recorded: 3, known: 1, skipped: 2 });
        assert_eq!(skipped[0], (6, Refusal::NotCreated.to_string()));
        assert!(
            skipped[1].0 == 7 && skipped[1].1.starts_with("time:timestamp: `2006-01-05 25"),
            "{skipped:?}"
        );

        let id = FineId("A1".into());
        let first = fines.history(&id).expect("a history").next().expect("an event").expect("a readable one");
        assert!(matches!(&first.event, FineEvent::FineCreated(created) if created.on.0 == "2006-01-01"));
        assert_eq!(first.recorded_at.to_string(), "2005-12-31T23:00:00.000000Z");
        let then: Timestamp = "2006-01-04T00:00:00+01:00".parse().expect("a time");
        let paid = fines.load_at(&id, then).expect("a fine by then").state().paid();
        assert_eq!(paid, Cents::ZERO);
        assert_eq!(fines.load(&id).expect("a fine").state().paid(), Cents(4_000));
    }
}
