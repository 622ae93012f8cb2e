//! Batches in which the hooks of a store catch up with other writers before an append, while these get their turn.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use rusqlite::Transaction;

use crate::domain::panic::discard;
use crate::follow::engine::BATCH_TIME;
use crate::follow::error::FollowError;
use crate::sqlite::file::errors::violated_constraint;
use crate::sqlite::store::hooks::{AppendHook, HookLimit};
use crate::store::error::StoreError;

/// How many events one transaction has at most.
const BATCH: usize = 4_000;

/// How long one transaction of hooks may take for events of other writers: as long as a batch of a follower. If these are
/// faster than the hooks, it becomes twice as long each time, so that the hooks reach them.
#[derive(Debug)]
pub(crate) struct BatchTime {
    time: Duration,
    /// How many positions the last transaction has left.
    left: u64,
}

impl Default for BatchTime {
    fn default() -> Self {
        Self { time: BATCH_TIME, left: u64::MAX }
    }
}

impl BatchTime {
    /// The limit of a transaction that begins now.
    pub(crate) fn limit(&self) -> HookLimit {
        HookLimit { deadline: Instant::now().checked_add(self.time), events: BATCH }
    }

    pub(crate) fn lengthen_unless_nearer(&mut self, left: u64) {
        if left >= self.left {
            self.lengthen();
        }
        self.left = left;
    }

    pub(super) fn lengthen(&mut self) {
        self.time = self.time.saturating_mul(2);
    }
}

/// Lets each hook catch up with other writers. `in_batch` runs a batch in a transaction: between two batches other
/// processes get the file, and other threads the writer. No batch begins after the time `until`.
///
/// A hook whose own trouble keeps it from catching up is passed over: the next append meets the trouble too, and answers its
/// caller. Fails if the store fails, as while another process holds the file.
pub(super) fn catch_up<'h>(
    time: &mut BatchTime,
    until: Option<Instant>,
    hooks: impl Fn() -> MutexGuard<'h, Vec<Box<dyn AppendHook>>>,
    in_batch: impl Fn(&mut dyn FnMut(&Transaction<'_>) -> Result<bool, FollowError>) -> Result<bool, FollowError>,
) -> Result<(), StoreError> {
    let (mut index, mut most, mut done_with) = (0, BATCH, 0);
    while until.is_none_or(|until| Instant::now() < until) {
        let mut done = None;
        let batch = in_batch(&mut |transaction| {
            let mut hooks = hooks();
            let Some(hook) = hooks.get_mut(index) else { return Ok(false) };
            let HookLimit { deadline, events } = time.limit();
            let limit = HookLimit { deadline, events: events.min(most) };
            done = Some(hook.catch_up(transaction, limit)?);
            Ok(true)
        });
        match (batch, done) {
            (Ok(false), _) => return Ok(()),
            (Ok(true), Some(done)) if done.left > 0 => {
                most = BATCH;
                time.lengthen_unless_nearer(done.left);
            }
            (Ok(true), _) => (index, most) = (index + 1, BATCH),
            (Err(FollowError::Store { source, .. }), Some(done)) if done.events > 0 => {
                match violated_constraint(source) {
                    // One of the events is the reason.
                    Ok(_) if done.events > 1 => most = done.events / 2,
                    Ok(refused) => {
                        if let Some(hook) = hooks().get_mut(index) {
                            hook.stop_before(done.last, refused);
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            // Its handler has ended the transaction. The hook does not try the event again.
            (Err(error), None) if error.position().is_some() => discard(error),
            // Not even the damage of an event is a failure of the store: the append is stored without the view.
            (Err(FollowError::Store { source, .. }), _)
                if !matches!(source, StoreError::DamagedEvent { .. }) =>
            {
                return Err(source);
            }
            (Err(error), _) => {
                discard(error);
                (index, most) = (index + 1, BATCH);
            }
        }
        if done_with != index {
            (done_with, time.left) = (index, u64::MAX);
        }
    }
    Ok(())
}
