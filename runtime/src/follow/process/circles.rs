//! Ends what an instance does in a circle: a time-out that sets itself for now, and a refusal that sends the same command again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How often an instance may go round in a circle, before a dead letter holds it: how many refusals in a row may each lead to
/// the next command, and how many time-outs in a row may be due at the time of the one before.
pub(crate) const IN_A_ROW: u32 = 100;

/// How many time-outs of an instance may fire while others are due: a chain that begins long ago, and advances, takes too long
/// to reach the present. A time-out each minute reaches that number in ten weeks of a pause.
const WHILE_LATE: u32 = 100_000;

/// Time-outs of an instance are in a row if each is due no later than so long after the one before.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The time-outs that instances have in a row.
///
/// A handler that sets its time-out for a time that has passed would otherwise keep all others from firing.
#[derive(Debug, Default)]
pub(crate) struct TimeoutRows {
    rows: RefCell<HashMap<String, TimeoutRow>>,
}

#[derive(Debug)]
struct TimeoutRow {
    /// When the last one was due.
    due: Timestamp,
    /// How many were due at once.
    at_once: u32,
    /// How many have fired since nothing was due.
    while_late: u32,
}

/// More rows than these are not kept: what goes in a circle comes first, again and again.
const MOST_ROWS: usize = 1_024;

impl TimeoutRows {
    /// Nothing is due, or the step has failed.
    pub(crate) fn clear(&self) {
        self.rows.borrow_mut().clear();
    }

    /// Counts a time-out. Fails if it is one too many.
    pub(crate) fn add(&self, instance: &str, due: Timestamp) -> Result<(), String> {
        let mut rows = self.rows.borrow_mut();
        let (at_once, while_late) = match rows.remove(instance) {
            Some(row) if due <= row.due.after(AT_ONCE) => (row.at_once + 1, row.while_late + 1),
            Some(row) => (1, row.while_late + 1),
            None => (1, 1),
        };
        if at_once > IN_A_ROW {
            return Err(format!(
                "the time-out is the {at_once}st in a row that was due at once: set it for a time after that of the one before"
            ));
        }
        if while_late > WHILE_LATE {
            return Err(format!(
                "the time-out is the {while_late}st in a row that was due in the past: set it for a time after the present"
            ));
        }
        if rows.len() >= MOST_ROWS {
            rows.clear();
        }
        rows.insert(instance.to_owned(), TimeoutRow { due, at_once, while_late });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many time-outs fire, each so long after the one before, until one is too many.
    fn fired(rows: &TimeoutRows, apart: Duration) -> u32 {
        let (mut due, mut count) = (Timestamp::from_micros(0), 0);
        while rows.add("a", due).is_ok() {
            (due, count) = (due.after(apart), count + 1);
        }
        count
    }

    #[test]
    fn a_chain_of_time_outs_in_the_past_ends() {
        let rows = TimeoutRows::default();
        assert_eq!(fired(&rows, Duration::ZERO), IN_A_ROW);
        assert_eq!(fired(&TimeoutRows::default(), Duration::from_mins(1)), WHILE_LATE);
        // An instance that a caller has released may go on, and others are not concerned.
        assert_eq!(fired(&rows, Duration::from_millis(2)), WHILE_LATE);
        assert!(rows.add("b", Timestamp::from_micros(0)).is_ok());
    }
}
