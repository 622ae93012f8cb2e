//! How a connection waits for a file that another process holds.

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

/// How long the file is left to other processes at least, in a gap between two transactions that follow each other
/// without a pause.
pub(crate) const GAP: Duration = Duration::from_micros(300);

/// Calls `take_lock`, which takes the file's lock, until it does not meet another process's, for `patience` at most.
///
/// SQLite's own busy handler looks at the file again after up to 100 milliseconds, and so misses the short
/// gaps that a catch-up or a busy group commit leaves between its transactions. This waiter does not.
pub(crate) fn wait_for_lock<'c, T>(
    connection: &'c Connection,
    patience: Duration,
    mut take_lock: impl FnMut(&'c Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.busy_timeout(Duration::ZERO)?;
    let mut waiting_since = None;
    let taken = loop {
        let error = match take_lock(connection) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => error,
            taken => break taken,
        };
        let waited = waiting_since.get_or_insert_with(Instant::now).elapsed();
        if waited >= patience {
            break Err(error);
        }
        thread::sleep(until_next_look(waited));
    };
    connection.busy_timeout(patience)?;
    taken
}

/// How long a waiter for the file sleeps before it looks again.
///
/// In the first seconds less than [`GAP`], so that it looks in each gap. Later, another program holds the file
/// for long.
fn until_next_look(waited: Duration) -> Duration {
    (waited / 20_000).clamp(GAP * 2 / 3, GAP * 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_looks_in_each_gap() {
        for waited in [Duration::ZERO, Duration::from_millis(300), Duration::from_secs(5)] {
            assert!(until_next_look(waited) <= GAP, "{waited:?}");
        }
    }
}
