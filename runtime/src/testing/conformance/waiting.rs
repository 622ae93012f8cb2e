//! Waiting for a position.

use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use super::law::{Law, facts, stream};
use crate::store::EventStore;

/// Longer than any wait that ends as it should.
const LONG: Duration = Duration::from_mins(1);

/// Waiting for a position that has been reached returns, however long it might have waited.
pub fn wait_for_the_past_returns<S: EventStore>(store: &S) {
    let law = Law::new("wait_for_the_past_returns", store);
    law.equal(law.succeeds(store.wait_for(0, LONG), "a wait"), 0, "the position of an empty store");
    law.append_any(&stream("a"), &facts(3));
    for timeout in [Duration::ZERO, LONG, Duration::MAX] {
        for position in 0..=3 {
            let reached = law.succeeds(store.wait_for(position, timeout), "a wait");
            law.equal(reached, 3, format_args!("the position after a wait for {position}"));
        }
    }
}

/// Waiting ends when another thread appends what is waited for, not before.
pub fn wait_ends_with_an_append<S: EventStore>(store: &S) {
    let law = Law::new("wait_ends_with_an_append", store);
    let a = stream("a");
    for (timeout, round) in [LONG, LONG, LONG, Duration::MAX].into_iter().cycle().take(20).zip(1..) {
        let ready = &Barrier::new(2);
        let (ended, end) = mpsc::channel();
        thread::scope(|scope| {
            // Moves `ended`, so that a wait that panics is not waited for.
            scope.spawn(move || {
                ready.wait();
                // Nobody listens any more if the law is broken already.
                let _ = ended.send(store.wait_for(3 * round, timeout));
            });
            ready.wait();
            // The first does not reach it, the second does.
            law.append_any(&a, &facts(2));
            // Half of the rounds see whether the wait ends early, the others whether it misses what comes as it begins.
            if round % 2 == 0 {
                let early = end.recv_timeout(Duration::from_millis(10));
                law.holds(early.is_err(), format_args!("the wait ended before the append: {early:?}"));
            }
            law.append_any(&a, &facts(1));
            let reached = end.recv().unwrap_or(Ok(0));
            let reached = law.succeeds(reached, "a wait");
            law.equal(reached, 3 * round, "the position after the wait");
        });
    }
}

/// Waiting for what does not come ends with the position that the store is at.
pub fn wait_that_runs_out_tells_the_position<S: EventStore>(store: &S) {
    let law = Law::new("wait_that_runs_out_tells_the_position", store);
    for position in 0..2 {
        for timeout in [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(50)] {
            for awaited in [position + 1, u64::MAX] {
                let reached = law.succeeds(store.wait_for(awaited, timeout), "a wait");
                law.equal(reached, position, format_args!("the position after a wait for {awaited}"));
            }
        }
        law.append_any(&stream("a"), &facts(1));
    }
}
