//! Concurrency: threads that append and read at once.

use std::time::Duration;

use super::law::{Fact, Law, Seen, facts, first_position, stored, stream};
use super::threads::{THREADS, at_once, while_writing};
use crate::domain::position::Position;
use crate::store::append::ExpectedVersion::{Any, Exactly};
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::read::Filter;

/// Concurrent appends are not lost, doubled or torn, and leave no gap in versions and positions.
pub fn concurrent_appends_lose_nothing<S: EventStore>(store: &S) {
    const ROUNDS: usize = 20;
    let law = Law::new("concurrent_appends_lose_nothing", store);
    let shared = stream("shared");
    let own: Vec<_> = (0..THREADS).map(|thread| stream(&thread.to_string())).collect();
    let written = at_once(|thread| {
        let mut written = Vec::new();
        for round in 0..ROUNDS {
            let stream = if round % 2 == 0 { &shared } else { &own[thread] };
            let facts = facts(round % 3 + 1);
            let appended = law.append_any(stream, &facts);
            let version = appended.versions[0] + 1 - u64::try_from(facts.len()).unwrap_or(u64::MAX);
            written.extend(stored(stream, version, first_position(&appended), &facts));
        }
        written
    });
    law.has_no_gaps();
    // The events are where each append says that they are.
    let mut written = written.concat();
    written.sort_by_key(|event| event.position);
    law.has_exactly(&written, "after concurrent appends");
    for stream in own.iter().chain([&shared]) {
        let of: Vec<_> = written.iter().filter(|event| event.stream == *stream).cloned().collect();
        law.same(&law.stream(stream, 0, usize::MAX), &of, format_args!("the events of {stream}"));
    }
}

/// Appends to the same streams in different order neither deadlock nor mix.
pub fn concurrent_appends_to_several_streams_pass_each_other<S: EventStore>(store: &S) {
    const ROUNDS: usize = 15;
    let law = Law::new("concurrent_appends_to_several_streams_pass_each_other", store);
    let (a, b) = (stream("a"), stream("b"));
    at_once(|thread| {
        for round in 0..ROUNDS {
            let fact = [Fact::new("paired", format!("[{thread},{round}]"))];
            let mut parts = [(&a, Any, fact.as_slice()), (&b, Any, &fact)];
            parts.rotate_left(thread % 2);
            let appended = law.append(&parts);
            law.equal(
                appended.versions[0],
                appended.versions[1],
                "the versions of two streams written together",
            );
        }
    });
    let everything = law.has_no_gaps();
    law.equal(everything.len(), 2 * THREADS * ROUNDS, "the number of events");
    for pair in everything.chunks(2) {
        law.equal(&pair[0].fact, &pair[1].fact, "the event in the other stream, beside this one");
    }
}

/// Of concurrent appends with the same expected version exactly one succeeds; the others fail with a
/// conflict.
pub fn concurrent_expectations_have_one_winner<S: EventStore>(store: &S) {
    const ROUNDS: u64 = 30;
    let law = Law::new("concurrent_expectations_have_one_winner", store);
    let a = stream("a");
    let won = at_once(|_| {
        let mut won = Vec::new();
        for version in 0..ROUNDS {
            let fact = facts(1);
            match law.try_append(&[(&a, Exactly(version), &fact)]) {
                Ok(appended) => {
                    let first_position = first_position(&appended);
                    law.equal(appended.versions, vec![version + 1], "the version after an append");
                    won.extend(stored(&a, version + 1, first_position, &fact));
                }
                Err(AppendError::Conflict(conflict)) => {
                    law.holds(conflict.actual > version, format_args!("no reason for {conflict}"));
                }
                Err(error) => law.holds(false, format_args!("wanted a conflict, found: {error}")),
            }
        }
        won
    });
    let mut won = won.concat();
    won.sort_by_key(|event| event.position);
    law.equal(won.len(), usize::try_from(ROUNDS).unwrap_or(usize::MAX), "the number of winners");
    law.has_no_gaps();
    law.has_exactly(&won, "after a race");
}

/// A reader sees the whole of an append or nothing of it.
pub fn reads_never_end_inside_an_append<S: EventStore>(store: &S) {
    const ROUNDS: usize = 60;
    let law = Law::new("reads_never_end_inside_an_append", store);
    let (a, b) = (stream("a"), stream("b"));
    while_writing(
        1,
        |_| {
            for _ in 0..ROUNDS {
                law.append(&[(&a, Any, &facts(2)), (&b, Any, &facts(1))]);
            }
        },
        || {
            law.equal(law.everything().len() % 3, 0, "the events of half an append");
            law.equal(law.position() % 3, 0, "the events of half an append, by the position");
            law.equal(law.stream(&a, 0, usize::MAX).len() % 2, 0, "the events of half an append in a stream");
            let (of_b, of_a) = (law.version(&b), law.version(&a));
            law.holds(of_a >= 2 * of_b, format_args!("{b} is at {of_b}, {a} still at {of_a}"));
        },
    );
    law.equal(law.has_no_gaps().len(), 3 * ROUNDS, "the number of events");
}

/// A reader that continues from the last position seen gets every event once and in order, during appends
/// too.
pub fn follower_misses_nothing<S: EventStore>(store: &S) {
    const ROUNDS: usize = 25;
    let law = Law::new("follower_misses_nothing", store);
    let streams: Vec<_> = (0..3).map(|number| stream(&number.to_string())).collect();
    let mut followed = Vec::new();
    while_writing(
        4,
        |thread| {
            for round in 0..ROUNDS {
                law.append_any(&streams[(thread + round) % streams.len()], &facts(round % 3 + 1));
            }
        },
        || {
            let after = followed.last().map_or(0, |event: &Seen| event.position);
            let reached =
                law.succeeds(store.wait_for(Position::new(after + 1), Duration::from_millis(10)), "a wait");
            let next = law.all(Filter::default(), after, 7);
            law.holds(
                reached <= Position::new(after) || !next.is_empty(),
                format_args!("nothing after {after}, though the store was at {reached}"),
            );
            followed.extend(next);
        },
    );
    let after = followed.last().map_or(0, |event| event.position);
    followed.extend(law.all(Filter::default(), after, usize::MAX));
    law.same(&followed, &law.has_no_gaps(), "what the follower saw");
}
