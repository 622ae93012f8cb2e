//! Waiting for followers and for positions, without a thread.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::DynFollower;
use crate::repository::reads;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::tasks::signal::{Alarm, READ_AGAIN, Signal};
use crate::tasks::threads::{Tasks, may_block, on_thread, run};

/// Ends what was begun for a waker.
struct Unwatch<F: Fn(&Waker)> {
    waker: Waker,
    unwatch: F,
}

impl<F: Fn(&Waker)> Drop for Unwatch<F> {
    fn drop(&mut self) {
        (self.unwatch)(&self.waker);
    }
}

/// See [`DynFollower::wait_for`].
pub(super) async fn wait_for_follower(
    follower: &dyn DynFollower,
    position: Position,
    within: Duration,
) -> Result<(), WaitError> {
    // Most waits are over when they begin.
    let now = follower.wait_for(position, Duration::ZERO);
    if !matches!(now, Err(WaitError::TimedOut { .. })) || within.is_zero() {
        return now;
    }
    if may_block() {
        // A handler of the follower would wait for itself, which is found out on its own thread.
        return follower.wait_for(position, within);
    }
    let signal = Arc::new(Signal::default());
    let waker = Waker::from(Arc::clone(&signal));
    follower.watch(&waker);
    let watched = Unwatch { waker, unwatch: |waker: &Waker| follower.unwatch(waker) };
    let until = Instant::now().checked_add(within);
    // Without a clock, there is no way to wait.
    let Ok(_alarm) = until.map(|until| Alarm::new(&watched.waker, until)).transpose() else { return now };
    loop {
        match follower.wait_for(position, Duration::ZERO) {
            Err(WaitError::TimedOut { .. }) if until.is_none_or(|until| Instant::now() < until) => {
                match follower.catch_up(position) {
                    Some(catch_up) => on_thread(move || catch_up(until)).await,
                    None => signal.woken().await,
                }
            }
            result => return result,
        }
    }
}

/// See [`EventStore::wait_for`].
pub(super) async fn wait_for_position<S: EventStore + Clone + 'static>(
    store: &S,
    position: Position,
    timeout: Duration,
) -> Result<Position, StoreError> {
    let until = Instant::now().checked_add(timeout);
    let signal = Arc::new(Signal::default());
    let (of_thread, waker) = (store.clone(), Waker::from(Arc::clone(&signal)));
    // The thread makes the guard: this future may be dropped before the store watches.
    let watch = move || {
        let is_watched = of_thread.watch(&waker)?;
        Ok::<_, StoreError>((
            is_watched,
            Unwatch { waker, unwatch: move |waker: &Waker| of_thread.unwatch(waker) },
        ))
    };
    let (is_watched, watched) = on_thread(watch).await?;
    let alarm = |at| Alarm::new(&watched.waker, at).map_err(|error| StoreError::Other(Box::new(error)));
    let _alarm = until.map(alarm).transpose()?;
    loop {
        let of_task = store.clone();
        let newest = run(async move { reads::position::<Tasks, _>(&of_task).await }).await?;
        if newest >= position || until.is_some_and(|until| Instant::now() >= until) {
            return Ok(newest);
        }
        let _again = if is_watched { None } else { Some(alarm(Instant::now() + READ_AGAIN)?) };
        signal.woken().await;
    }
}
