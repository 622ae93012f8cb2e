//! Queueing: an append that rests on a failed one is void, and order is kept.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::law::{Fact, Law, facts, stored, stream};
use crate::store::append::{Append, Appended};
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

/// A store with a queue has one for an empty list too: a repository finds out so.
pub fn queue_is_there_for_nothing_too<S: EventStore>(store: &S) {
    let law = Law::new("queue_is_there_for_nothing_too", store);
    let (a, facts) = (stream("a"), facts(1));
    let new = [facts[0].as_new()];
    let append = [Append::new(&a, 0, &new)];
    let has_queue = store.queue(&append, &[]).map(QueuedAppend::wait).is_some();
    let of_nothing = store.queue(&[], &[]).map(QueuedAppend::wait);
    law.equal(of_nothing.is_some(), has_queue, "whether there is a queue for nothing");
    let stores_nothing = |answer: &Appended| answer.first_position.is_none() && answer.versions.is_empty();
    let is_right = of_nothing.is_none_or(|answer| answer.as_ref().is_ok_and(stores_nothing));
    law.holds(is_right, "a queued list of nothing stores nothing");
}

/// A queued append that was decided on a state in memory is void if the stream ends with another event, at whatever
/// version. A store without a queue keeps this law.
pub fn queued_append_compares_the_last_event<S: EventStore>(store: &S) {
    let law = Law::new("queued_append_compares_the_last_event", store);
    let (a, facts) = (stream("a"), facts(3));
    law.append_any(&a, &facts[..2]);
    let new = [facts[2].as_new()];
    let append = [Append::new(&a, 2, &new)];
    let after = |fact: &Fact| [Chain::new(&Arc::default(), 0, true).after(Some(fact.id))];
    let (wrong, right) = (after(&facts[0]), after(&facts[1]));
    let Some(queued) = store.queue(&append, &wrong) else { return };
    law.holds(matches!(queued.wait(), Err(QueueError::Void)), "the stream ends with another event");
    law.holds(wrong[0].is_broken(), "the epoch has ended");
    let queued = store.queue(&append, &right).map(QueuedAppend::wait);
    law.holds(matches!(queued, Some(Ok(_))), "the stream ends with this event");
    law.has_exactly(&stored(&a, 1, 1, &facts), "after two queued appends");
}
