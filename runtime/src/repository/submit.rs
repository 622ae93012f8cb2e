//! Gives the append of a decided command its place in the store's queue, and its answer.

use crate::repository::lanes::{Base, Flight, InLane, Turn};
use crate::repository::replay::Replay;
use crate::store::append::{Append, Appended};
use crate::store::event_store::EventStore;
use crate::store::queue::{Chain, QueueError};

/// Appends what was decided on `base`, behind the appends that it rests on.
///
/// Gives the turn back as soon as the append has its place. `next` is the state that the append leads to, if it
/// leads to one. While the answer's flight lives, the lane knows of the append.
///
/// Fails with [`QueueError::Void`] if `base` was not stored after all.
pub(super) fn submit<A, S: EventStore + ?Sized>(
    store: &S,
    lane: &InLane<A>,
    base: &Base<A>,
    turn: Option<Turn<'_, A>>,
    append: Append<'_>,
    next: Option<impl FnOnce() -> Replay<A>>,
) -> Result<(Appended, Flight<A>), QueueError> {
    let appends = [append];
    let locked = lane.lock();
    let chain = locked.chain(base, next.is_some())?;
    let keys = append.keys.iter().map(|key| key.key);
    match store.queue(&appends, chain.as_slice()) {
        Some(queued) => {
            let next = next.filter(|_| chain.as_ref().is_some_and(Chain::is_base));
            let flight = locked.queued(base, next, keys);
            drop(turn);
            queued.wait().map(|appended| (appended, flight))
        }
        // The turn lasts until the append is stored, so no other command is decided before.
        None => {
            let flight = locked.queued(base, None::<fn() -> Replay<A>>, keys);
            let appended = store.append(&appends);
            drop(turn);
            Ok((appended?, flight))
        }
    }
}

/// Finds out whether an uncommitted `base` was stored, by an append of no events behind it. At some moment after
/// that, the stream was as `base` says.
pub(super) fn confirm<A, S: EventStore + ?Sized>(
    store: &S,
    lane: &InLane<A>,
    base: &Base<A>,
    turn: Option<Turn<'_, A>>,
) -> Result<(), QueueError> {
    let check = Append::new(lane.stream(), base.replay.version, &[]);
    submit(store, lane, base, turn, check, None::<fn() -> Replay<A>>).map(drop)
}
