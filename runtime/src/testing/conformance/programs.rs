//! Several programs on one store, each with handles of its own.

use super::law::{Fact, Law, facts, stream};
use super::threads::{THREADS, at_once, while_writing};
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::store::append::ExpectedVersion::{Any, Exactly};
use crate::store::append::{Append, NewKey};
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::read::Filter;

/// How long a reader waits before it reads again.
const WAIT: std::time::Duration = std::time::Duration::from_millis(10);

/// While two programs append, a third reader sees each position after the one before it. So a position is never seen before
/// a smaller one, and commits have the order of positions.
pub fn positions_follow_the_commits_of_all_programs<S: EventStore>(stores: &[S; 2]) {
    const ROUNDS: usize = 20;
    let law = Law::new("positions_follow_the_commits_of_all_programs", &stores[0]);
    let shared = stream("shared");
    let mut newest = 0;
    while_writing(
        THREADS,
        |thread| {
            let law = Law::new("positions_follow_the_commits_of_all_programs", &stores[thread % 2]);
            for round in 0..ROUNDS {
                let own = stream(&format!("{thread}-{round}"));
                law.append(&[(&own, Exactly(0), &facts(1)), (&shared, Any, &facts(2))]);
            }
        },
        || {
            law.succeeds(stores[0].wait_for(Position::new(newest + 1), WAIT), "a wait");
            for event in law.all(Filter::default(), newest, usize::MAX) {
                law.equal(event.position, newest + 1, "the position that a reader sees next");
                newest = event.position;
            }
        },
    );
    law.equal(newest, (THREADS * ROUNDS * 3) as u64, "the position of the last event");
    law.has_no_gaps();
}

/// Of the appends of two programs with one expected version, one succeeds, and so it is for one idempotency key. A check that
/// is made before the append has its turn would let both succeed.
pub fn checks_see_the_commits_of_all_programs<S: EventStore>(stores: &[S; 2]) {
    const ROUNDS: u64 = 25;
    let law = Law::new("checks_see_the_commits_of_all_programs", &stores[0]);
    let (versions, keys) = (stream("versions"), stream("keys"));
    let won = at_once(|thread| {
        let law = Law::new("checks_see_the_commits_of_all_programs", &stores[thread % 2]);
        let mut won = [0, 0];
        for round in 0..ROUNDS {
            match law.try_append(&[(&versions, Exactly(round), &facts(1))]) {
                Ok(appended) => {
                    law.equal(appended.versions, vec![round + 1], "the version after an append");
                    won[0] += 1;
                }
                Err(AppendError::Conflict(conflict)) => {
                    law.holds(conflict.actual > round, format_args!("no reason for {conflict}"));
                }
                Err(error) => law.holds(false, format_args!("wanted a conflict, found: {error}")),
            }
            let (fact, key) = (Fact::new("once", "{}"), round.to_string());
            let key = [NewKey::new(&key, 0..1, Timestamp::from_micros(1))];
            match law.store.append(&[Append::new(&keys, Any, &[fact.as_new()]).with_keys(&key)]) {
                Ok(_) => won[1] += 1,
                Err(AppendError::KnownKey { .. }) => {}
                Err(error) => law.holds(false, format_args!("wanted a known key, found: {error}")),
            }
        }
        won
    });
    for (index, of) in ["a version", "a key"].into_iter().enumerate() {
        law.equal(won.iter().map(|won| won[index]).sum::<u64>(), ROUNDS, format_args!("the winners of {of}"));
    }
    law.equal([law.version(&versions), law.version(&keys)], [ROUNDS; 2], "the versions of the streams");
    law.has_no_gaps();
}
