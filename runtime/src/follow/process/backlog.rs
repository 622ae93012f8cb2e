//! What a process has to do besides handling the next events.

use std::sync::Arc;

use crate::follow::error::FollowError;
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::process::clock::Clock;
use crate::follow::process::process_store::ProcessStore;

/// The commands, the time-outs and the waiting events of a process.
pub(crate) struct ProcessBacklog<S> {
    pub(crate) store: S,
    pub(crate) process: &'static str,
    pub(crate) clock: Arc<dyn Clock>,
}

impl<S: ProcessStore> Backlog for ProcessBacklog<S> {
    fn next_run(&self) -> Result<NextRun, FollowError> {
        let failed = FollowError::store(self.process);
        if self.store.has_work(self.process, self.clock.now(), 1, &|_, _| true).map_err(failed)? {
            return Ok(NextRun::Now);
        }
        let due = self.store.next_due(self.process).map_err(failed)?;
        Ok(due.map_or(NextRun::WithNextEvent, NextRun::At))
    }
}
