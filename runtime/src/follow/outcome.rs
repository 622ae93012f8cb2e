//! How a run in the background has ended, for the caller that waits for it.

use std::mem;
use std::sync::{Condvar, Mutex, PoisonError};

use crate::domain::panic::discard;
use crate::store::lock::lock;

/// The place where a run leaves its follower and its result.
#[derive(Debug)]
pub(crate) struct RunOutcome<T> {
    stage: Mutex<Stage<T>>,
    ended: Condvar,
}

#[derive(Debug)]
enum Stage<T> {
    Running,
    Ended(T),
    /// No caller waits for the outcome any more, or the run has lost it.
    Gone,
}

impl<T> Default for RunOutcome<T> {
    fn default() -> Self {
        Self { stage: Mutex::new(Stage::Running), ended: Condvar::new() }
    }
}

impl<T> RunOutcome<T> {
    /// Leaves the outcome. Drops it, if no caller waits for it any more.
    pub(crate) fn leave(&self, outcome: T) {
        let mut stage = lock(&self.stage);
        let unwanted = match *stage {
            Stage::Running => {
                *stage = Stage::Ended(outcome);
                None
            }
            Stage::Ended(_) | Stage::Gone => Some(outcome),
        };
        drop(stage);
        self.ended.notify_all();
        discard(unwanted);
    }

    /// The run ends without an outcome, or no caller waits for it.
    pub(crate) fn give_up(&self) {
        let mut stage = lock(&self.stage);
        let before = mem::replace(&mut *stage, Stage::Gone);
        drop(stage);
        self.ended.notify_all();
        discard(before);
    }

    /// Waits for the outcome; `None` if the run has lost it.
    pub(crate) fn wait(&self) -> Option<T> {
        let stage = lock(&self.stage);
        let is_running = |stage: &mut Stage<T>| matches!(stage, Stage::Running);
        let mut stage = self.ended.wait_while(stage, is_running).unwrap_or_else(PoisonError::into_inner);
        match mem::replace(&mut *stage, Stage::Gone) {
            Stage::Ended(outcome) => Some(outcome),
            Stage::Running | Stage::Gone => None,
        }
    }
}
