//! Ends what an instance does in a circle: a time-out that sets itself for now, and a refusal that sends the same command again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// How often an instance may go round in a circle, before a dead letter holds it: how many refusals in a row may each lead to
/// the next command, and how many time-outs in a row may be due at the time of the one before.
pub(crate) const IN_A_ROW: u32 = 100;

/// Time-outs of an instance are in a row if each is due no later than so long after the one before.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The time-outs that instances have in a row: when the last one was due, and how many there are.
///
/// A handler that sets its time-out for a time that has passed would otherwise keep all others from firing.
#[derive(Debug, Default)]
pub(crate) struct TimeoutRows {
    rows: RefCell<HashMap<String, (Timestamp, u32)>>,
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
        let count = match rows.remove(instance) {
            Some((last, count)) if due <= last.after(AT_ONCE) => count + 1,
            _ => 1,
        };
        if count > IN_A_ROW {
            return Err(format!(
                "the time-out is the {count}st in a row that was due at once: set it for a time after that of the one before"
            ));
        }
        if rows.len() >= MOST_ROWS {
            rows.clear();
        }
        rows.insert(instance.to_owned(), (due, count));
        Ok(())
    }
}
