//! How an append of a lane is queued, and that it is on its way until it is answered.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::repository::lanes::{Base, Lane, LaneState, Standing, Tip};
use crate::repository::replay::Replay;
use crate::store::queue::{Chain, QueueError};
use crate::store::sync::{MutexGuard, lock};

/// A lane that stays as it is until the append of a command is queued.
pub(crate) struct LockedLane<'l, A> {
    pub(super) lane: &'l Arc<Lane<A>>,
    pub(super) state: MutexGuard<'l, LaneState<A>>,
}

impl<A> LockedLane<'_, A> {
    /// What an append rests on that was decided on `base`. If `leads_on`, it leads to another state, on which
    /// others may be decided.
    ///
    /// Fails if `base` was not stored: the command has to be decided again. Another command may have come first,
    /// after the turn was lost: then the append is a conflict at worst.
    pub(crate) fn chain(&self, base: &Base<A>, leads_on: bool) -> Result<Option<Chain>, QueueError> {
        let epoch = self.lane.epoch.load(Ordering::SeqCst);
        if epoch != base.epoch {
            // A stored state can't fail any more.
            return if base.standing == Standing::Read { Ok(None) } else { Err(QueueError::Void) };
        }
        let is_base = leads_on && self.is_at(base);
        let chain = || Chain::new(&self.lane.epoch, epoch, is_base);
        Ok(match base.standing {
            Standing::Read => is_base.then(|| chain().of_stored()),
            Standing::Uncommitted => Some(chain()),
            Standing::Unread => Some(chain().after(base.replay.event)),
        })
    }

    /// Whether no other command was queued in the meantime.
    pub(crate) fn is_at(&self, base: &Base<A>) -> bool {
        let epoch = self.lane.epoch.load(Ordering::SeqCst);
        let tip = self.state.tip.as_ref().filter(|tip| tip.epoch == epoch).map_or(0, |tip| tip.number);
        (epoch, tip) == (base.epoch, base.tip)
    }

    /// Notes that an append is queued, with this idempotency key. If others may rest on it, it leads to `next`.
    pub(crate) fn queued<'k>(
        mut self,
        base: &Base<A>,
        next: Option<impl FnOnce() -> Replay<A>>,
        keys: impl Iterator<Item = &'k str>,
    ) -> Flight<A> {
        let state = &mut *self.state;
        state.in_flight += 1;
        let keys: Vec<Arc<str>> = keys.map(Arc::from).collect();
        state.keys.extend_from_slice(&keys);
        let (tip, replaced) = match next {
            Some(next) => {
                state.tips += 1;
                let tip = Tip {
                    number: state.tips,
                    replay: next(),
                    epoch: base.epoch,
                    is_stored: false,
                    is_probe: state.proven != base.epoch,
                };
                (state.tips, state.tip.replace(tip))
            }
            None => (0, None),
        };
        Flight {
            lane: Arc::clone(self.lane),
            epoch: base.epoch,
            tip,
            keys,
            is_answered: false,
            _replaced: replaced,
        }
    }
}

/// An append that is queued and not answered.
pub(crate) struct Flight<A> {
    lane: Arc<Lane<A>>,
    pub(super) epoch: u64,
    /// The number of its tip; 0 if it has none.
    pub(super) tip: u64,
    keys: Vec<Arc<str>>,
    is_answered: bool,
    /// Dropped without the lock.
    _replaced: Option<Tip<A>>,
}

impl<A> Flight<A> {
    /// Notes that the append is answered, before its state is settled. A task that settles may have to wait for a thread,
    /// while the commands that have one wait for the answer.
    pub(crate) fn answered(&mut self) {
        if mem::replace(&mut self.is_answered, true) {
            return;
        }
        let mut state = lock(&self.lane.state);
        state.in_flight -= 1;
        if !self.keys.is_empty() {
            state.keys.retain(|queued| !self.keys.iter().any(|key| Arc::ptr_eq(queued, key)));
        }
        self.lane.wake_awaiting(state);
    }
}

impl<A> Drop for Flight<A> {
    fn drop(&mut self) {
        self.answered();
    }
}
