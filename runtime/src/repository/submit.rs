//! Gives the append of a decided command its place in the store's queue, and its answer.

use crate::domain::aggregate::Aggregate;
use crate::repository::lanes::{Base, Flight, InLane, Standing, Turn};
use crate::repository::replay::Replay;
use crate::repository::waits::Waits;
use crate::store::append::{Append, Appended};
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::queue::{Chain, QueueError};

/// Appends what was decided on `base`, behind the appends that it rests on.
///
/// Gives the turn back as soon as the append has its place. `next` is the state that the append leads to, if it
/// leads to one. While the answer's flight lives, the lane knows of the append. Comes back on a thread that may block, after
/// a failure and for an aggregate with snapshots.
///
/// Fails with [`QueueError::Void`] if `base` was not stored after all.
pub(super) async fn submit<W: Waits, A: Aggregate, S: EventStore + ?Sized>(
    store: &S,
    lane: &InLane<A>,
    base: &Base<A>,
    turn: Option<Turn<'_, A>>,
    append: Append<'_>,
    next: Option<impl FnOnce() -> Replay<A>>,
) -> Result<(Appended, Flight<A>), QueueError> {
    let (submitted, mut flight) = queue::<W, _, _, _>(store, lane, base, turn, append, next)?;
    let answer = match submitted {
        Submitted::Queued(answer) => answer.await,
        Submitted::Stored(appended) => Ok(appended),
    };
    // What follows takes longer than usual. The commands that have a thread may wait for the flight's end.
    if answer.is_err() || A::SNAPSHOTS.is_some() {
        flight.answered();
        W::thread().await;
    }
    Ok((answer?, flight))
}

pub(super) enum Submitted<F> {
    Queued(F),
    /// The store has no queue.
    Stored(Appended),
}

/// Not a part of [`submit`], as a future that goes from thread to thread can't have seen a lock.
#[expect(clippy::type_complexity, reason = "the future has no name")]
fn queue<'a, W: Waits, A: Aggregate, S: EventStore + ?Sized, N: FnOnce() -> Replay<A>>(
    store: &'a S,
    lane: &'a InLane<A>,
    base: &'a Base<A>,
    turn: Option<Turn<'a, A>>,
    append: Append<'a>,
    next: Option<N>,
) -> Result<
    (Submitted<impl Future<Output = Result<Appended, QueueError>> + use<W, A, S, N>>, Flight<A>),
    QueueError,
> {
    let appends = [append];
    let locked = lane.lock();
    let chain = locked.chain(base, next.is_some())?;
    let keys = append.keys.iter().map(|key| key.key);
    match store.queue(&appends, chain.as_slice()) {
        Some(queued) => {
            let next = next.filter(|_| chain.as_ref().is_some_and(Chain::is_base));
            let flight = locked.queued(base, next, keys);
            drop(turn);
            Ok((Submitted::Queued(W::answer(queued)), flight))
        }
        // The turn lasts until the append is stored, so no other command is decided before.
        None => {
            let flight = locked.queued(base, None::<fn() -> Replay<A>>, keys);
            let appended = store.append(&appends)?;
            drop(turn);
            Ok((Submitted::Stored(appended), flight))
        }
    }
}

/// Finds out whether the stream was as `base` says at some moment after the call, for an answer without events. Comes back
/// on a thread that may block.
///
/// Fails with [`QueueError::Void`] if it was not.
pub(super) async fn confirm<W: Waits, A: Aggregate, S: EventStore + ?Sized>(
    store: &S,
    lane: &InLane<A>,
    base: &Base<A>,
    turn: Option<Turn<'_, A>>,
) -> Result<(), QueueError> {
    let stream = lane.stream();
    match base.standing {
        Standing::Read => Ok(()),
        Standing::Unread if base.replay.is_current(store, stream) => Ok(()),
        // The store may have had no time to tell.
        Standing::Unread => {
            // A task that waits would take the turn to another thread.
            let _turn = turn.filter(|_| W::reads(store).is_none());
            let mut read = base.replay.clone();
            let confirmed = read.advance_confirmed::<W, _>(store, stream, None).await;
            W::thread().await;
            match confirmed {
                Ok(true) if read.version == base.replay.version => Ok(()),
                _ => Err(QueueError::Void),
            }
        }
        // Behind what it rests on, an append of no events checks the version.
        Standing::Uncommitted => {
            let check = Append::new(stream, base.replay.version, &[]);
            let checked = submit::<W, _, _>(store, lane, base, turn, check, None::<fn() -> Replay<A>>).await;
            // Ends the flight before this waits for a thread: the commands that have one may wait for the answer.
            let checked = checked.map(drop);
            W::thread().await;
            match checked {
                Ok(()) => Ok(()),
                Err(QueueError::Append(AppendError::Conflict(_))) => Err(QueueError::Void),
                Err(error) => Err(error),
            }
        }
    }
}
