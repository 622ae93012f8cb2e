//! Waiting for a position.

use std::sync::{Arc, Barrier, Condvar, Mutex, PoisonError, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use super::law::{Law, facts, stream};
use crate::domain::position::Position;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;

/// Longer than any wait in a correct store.
const LONG: Duration = Duration::from_mins(1);

/// A wait for a position that the store has reached returns, whatever the timeout.
pub fn wait_for_the_past_returns<S: EventStore>(store: &S) {
    let law = Law::new("wait_for_the_past_returns", store);
    law.equal(
        law.succeeds(store.wait_for(Position::new(0), LONG), "a wait"),
        Position::new(0),
        "the position of an empty store",
    );
    law.append_any(&stream("a"), &facts(3));
    for timeout in [Duration::ZERO, LONG, Duration::MAX] {
        for position in 0..=3 {
            let reached = law.succeeds(store.wait_for(Position::new(position), timeout), "a wait");
            law.equal(reached, Position::new(3), format_args!("the position after a wait for {position}"));
        }
    }
}

/// A wait ends when an append of another thread reaches the position, and not before.
pub fn wait_ends_with_an_append<S: EventStore>(store: &S) {
    let law = Law::new("wait_ends_with_an_append", store);
    let a = stream("a");
    for (timeout, round) in [LONG, LONG, LONG, Duration::MAX].into_iter().cycle().take(20).zip(1..) {
        let ready = &Barrier::new(2);
        let (ended, end) = mpsc::channel();
        thread::scope(|scope| {
            // The thread owns `ended`, so that the receiver below does not hang if the wait panics.
            scope.spawn(move || {
                ready.wait();
                // The receiver is gone if a check has failed already.
                let _ = ended.send(store.wait_for(Position::new(3 * round), timeout));
            });
            ready.wait();
            // The first append does not reach the position, the second one does.
            law.append_any(&a, &facts(2));
            // Even rounds check that the wait does not end early. The others append both at once, as the wait
            // begins.
            if round % 2 == 0 {
                let early = end.recv_timeout(Duration::from_millis(10));
                law.holds(early.is_err(), format_args!("the wait ended before the append: {early:?}"));
            }
            law.append_any(&a, &facts(1));
            let reached = end.recv().unwrap_or(Ok(Position::new(0)));
            let reached = law.succeeds(reached, "a wait");
            law.equal(reached, Position::new(3 * round), "the position after the wait");
        });
    }
}

/// A wait that times out returns the position that the store is at.
pub fn wait_that_runs_out_tells_the_position<S: EventStore>(store: &S) {
    let law = Law::new("wait_that_runs_out_tells_the_position", store);
    for position in 0..2 {
        for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(50)] {
            for awaited in [position + 1, u64::MAX] {
                let reached = law.succeeds(store.wait_for(Position::new(awaited), timeout), "a wait");
                law.equal(
                    reached,
                    Position::new(position),
                    format_args!("the position after a wait for {awaited}"),
                );
            }
        }
        law.append_any(&stream("a"), &facts(1));
    }
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Task {
    woken: Mutex<u64>,
    changed: Condvar,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        *lock(&self.woken) += 1;
        self.changed.notify_all();
    }
}

impl Task {
    fn woken(&self) -> u64 {
        *lock(&self.woken)
    }

    /// Waits until it was woken more than so many times.
    fn wait(&self, seen: u64) {
        let woken = lock(&self.woken);
        drop(self.changed.wait_while(woken, |woken| *woken <= seen).unwrap_or_else(PoisonError::into_inner));
    }
}

/// An append wakes each waker that is watching, also one of another handle, until it watches no longer. A store without
/// [`watch`](EventStore::watch) keeps this law.
pub fn watching_wakers_are_woken<S: EventStore + Clone>(store: &S) {
    let law = Law::new("watching_wakers_are_woken", store);
    let (a, other_handle) = (stream("a"), store.clone());
    let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
    let wakers = tasks.each_ref().map(|task| Waker::from(Arc::clone(task)));
    let [first, second] = &tasks;
    for waker in &wakers {
        // To watch twice is to watch.
        for handle in [store, &other_handle] {
            if !law.succeeds(handle.watch(waker), "a watch") {
                law.append_any(&a, &facts(1));
                law.equal([first.woken(), second.woken()], [0, 0], "wake-ups of a store without a watch");
                return;
            }
        }
    }
    for handle in [store, &other_handle, store] {
        let seen = tasks.each_ref().map(|task| task.woken());
        Law::new("watching_wakers_are_woken", handle).append_any(&a, &facts(1));
        tasks.iter().zip(seen).for_each(|(task, seen)| task.wait(seen));
    }
    // Another waker of the first task.
    store.unwatch(&Waker::from(Arc::clone(first)));
    let seen = tasks.each_ref().map(|task| task.woken());
    law.append_any(&a, &facts(1));
    second.wait(seen[1]);
    law.equal(first.woken(), seen[0], "wake-ups of a task that watches no longer");
    store.unwatch(&wakers[1]);
}
