//! Queueing: an append that rests on a failed one is void, and order is kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::law::{Law, facts, stored, stream};
use crate::store::append::Append;
use crate::store::event_store::EventStore;
use crate::store::queue::{Chain, QueueError, QueuedAppend};

/// Queued appends are stored in order, and none that rests on an append that was not stored. A store without a
/// queue keeps this law.
pub fn queued_appends_rest_on_each_other<S: EventStore>(store: &S) {
    let law = Law::new("queued_appends_rest_on_each_other", store);
    let (a, b) = (stream("a"), stream("b"));
    let epoch = Arc::new(AtomicU64::new(0));
    let facts = [facts(1), facts(2), facts(1), facts(1)];
    let new: Vec<Vec<_>> =
        facts.iter().map(|facts| facts.iter().map(|fact| fact.as_new()).collect()).collect();
    let [first, second, third, fourth] = &new[..] else { unreachable!("there are four") };
    let chain = |at| [Chain::new(&epoch, at, true)];
    let chains = [chain(0), chain(0), chain(0), chain(1)];
    // The second has another version than it expects. The third would fit, without what it rests on.
    let appends = [
        [Append::new(&a, 0, first)],
        [Append::new(&a, 7, second)],
        [Append::new(&a, 1, third)],
        [Append::new(&b, 0, fourth)],
    ];
    let mut queued = Vec::new();
    for (append, chain) in appends.iter().zip(&chains).take(3) {
        match store.queue(append, chain) {
            Some(append) => queued.push(append),
            None => return,
        }
    }
    let answers: Vec<_> = queued.into_iter().map(QueuedAppend::wait).collect();
    law.holds(answers[0].is_ok(), "the first append is stored");
    law.holds(matches!(answers[1], Err(QueueError::Append(_))), "the second is a conflict");
    law.holds(matches!(answers[2], Err(QueueError::Void)), "the third rests on it, and is void");
    law.holds(chains[0][0].is_broken(), "the epoch has ended");
    let later = store.queue(&appends[3], &chains[3]).map(QueuedAppend::wait);
    law.holds(matches!(later, Some(Ok(_))), "an append of the next epoch is stored");
    let wanted = [stored(&a, 1, 1, &facts[0]), stored(&b, 1, 2, &facts[3])].concat();
    law.has_exactly(&wanted, "after four queued appends");
}
