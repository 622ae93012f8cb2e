//! Appending: numbers, expected versions, all or nothing.

use super::law::{Law, facts, first_position, stored, stream};
use crate::store::append::ExpectedVersion::{Any, Exactly, NoStream};
use crate::store::error::{AppendError, Conflict};
use crate::store::event_store::EventStore;

/// Versions count from 1 in each stream, positions from 1 in the store; an append returns those of its
/// events.
pub fn numbers_count_from_one<S: EventStore>(store: &S) {
    let law = Law::new("numbers_count_from_one", store);
    let (a, b) = (stream("a"), stream("b"));
    law.equal(law.position(), 0, "the position of an empty store");
    let (first, second, third) = (facts(2), facts(1), facts(1));
    for (stream, facts, position, version) in [(&a, &first, 1, 2), (&b, &second, 3, 1), (&a, &third, 4, 3)] {
        let appended = law.append_any(stream, facts);
        law.equal(first_position(&appended), position, "the first position of an append");
        law.equal(appended.versions, vec![version], "the version after an append");
        law.equal(law.version(stream), version, "the version of a stream");
    }
    let wanted = [stored(&a, 1, 1, &first), stored(&b, 1, 3, &second), stored(&a, 3, 4, &third)].concat();
    law.has_exactly(&wanted, "after three appends");
}

/// The positions of one append follow each other in the order given, over all of its streams.
pub fn positions_of_one_append_are_consecutive<S: EventStore>(store: &S) {
    let law = Law::new("positions_of_one_append_are_consecutive", store);
    let streams: Vec<_> = (0..50).map(|number| stream(&number.to_string())).collect();
    law.append_any(&streams[1], &facts(2));
    let before = law.everything();

    let facts: Vec<_> = (0..streams.len()).map(|number| facts(number % 3 + 1)).collect();
    // In reverse: the positions follow the caller's order, not the order of names.
    let parts: Vec<_> =
        streams.iter().zip(&facts).rev().map(|(stream, facts)| (stream, Any, facts.as_slice())).collect();
    let appended = law.append(&parts);

    let mut wanted = before;
    let mut versions = Vec::new();
    for (stream, _, facts) in parts {
        let earlier = if *stream == streams[1] { 2 } else { 0 };
        let position = wanted.last().map_or(1, |event| event.position + 1);
        wanted.extend(stored(stream, earlier + 1, position, facts));
        versions.push(wanted.last().map_or(0, |event| event.version));
    }
    law.equal(first_position(&appended), 3, "the first position");
    law.equal(appended.versions, versions, "the versions");
    law.has_exactly(&wanted, "after appending to fifty streams");
}

/// An append succeeds if its expected version holds; otherwise the conflict names the stream and both
/// versions.
pub fn expected_versions_are_held_to<S: EventStore>(store: &S) {
    let law = Law::new("expected_versions_are_held_to", store);
    let fact = facts(1);
    for (index, expected) in [Any, NoStream, Exactly(0)].into_iter().enumerate() {
        law.append(&[(&stream(&index.to_string()), expected, &fact)]);
    }

    let missing = stream("missing");
    let present = stream("present");
    law.append(&[(&present, NoStream, &facts(2))]);
    let mut wrong: Vec<_> = [1, 2, u64::MAX].map(|version| (&missing, Exactly(version), 0)).into();
    wrong.push((&present, NoStream, 2));
    wrong.extend([0, 1, 3, u64::MAX].map(|version| (&present, Exactly(version), 2)));
    for (stream, expected, actual) in wrong {
        let conflict = law.conflicts(&[(stream, expected, &fact)]);
        law.equal(conflict, Conflict::new(stream.clone(), expected, actual), "the conflict");
    }

    law.append(&[(&present, Exactly(2), &fact)]);
    law.append(&[(&present, Any, &fact)]);
    law.equal(law.version(&present), 4, "the version after all appends");
    law.equal(law.version(&missing), 0, "the version of a stream with conflicts only");
}

/// A conflict leaves nothing behind: no event, no stream, no hole in the positions.
pub fn conflict_leaves_no_trace<S: EventStore>(store: &S) {
    let law = Law::new("conflict_leaves_no_trace", store);
    let (a, b) = (stream("a"), stream("b"));
    let (first, second) = (facts(2), facts(1));
    law.append_any(&a, &first);
    law.conflicts(&[(&a, NoStream, &facts(3))]);
    law.conflicts(&[(&b, Exactly(1), &facts(3))]);

    let mut wanted = stored(&a, 1, 1, &first);
    law.has_exactly(&wanted, "after two conflicts");
    law.append(&[(&b, NoStream, &second)]);
    wanted.extend(stored(&b, 1, 3, &second));
    law.has_exactly(&wanted, "after a conflict and an append");
}

/// An append to several streams is all or nothing, whichever of them is in conflict.
pub fn append_to_several_streams_is_atomic<S: EventStore>(store: &S) {
    let law = Law::new("append_to_several_streams_is_atomic", store);
    let (a, b, c) = (stream("a"), stream("b"), stream("c"));
    let (one, two) = (facts(1), facts(2));
    for parts in [
        [(&a, NoStream, one.as_slice()), (&b, NoStream, &two), (&c, Exactly(7), &one)],
        [(&a, NoStream, &one), (&c, Exactly(7), &one), (&b, NoStream, &two)],
        [(&c, Exactly(7), &one), (&a, NoStream, &one), (&b, NoStream, &two)],
    ] {
        let conflict = law.conflicts(&parts);
        law.equal(conflict, Conflict::new(c.clone(), Exactly(7), 0), "the conflict");
        law.has_exactly(&[], "after a conflict in one of three streams");
        for stream in [&a, &b, &c] {
            law.equal(law.version(stream), 0, "the version of a stream");
        }
    }
    law.append(&[(&a, NoStream, &one), (&b, NoStream, &two), (&c, NoStream, &one)]);
    let wanted = [stored(&a, 1, 1, &one), stored(&b, 1, 2, &two), stored(&c, 1, 4, &one)].concat();
    law.has_exactly(&wanted, "after an append to three streams");
}

/// An append that names a stream twice fails with `StreamTwice`, and stores nothing.
pub fn malformed_append_leaves_no_trace<S: EventStore>(store: &S) {
    let law = Law::new("malformed_append_leaves_no_trace", store);
    let (a, b) = (stream("a"), stream("b"));
    let fact = facts(1);
    let refused = law.try_append(&[(&a, Any, &fact), (&b, Any, &fact), (&a, Exactly(1), &fact)]);
    law.holds(
        matches!(&refused, Err(AppendError::StreamTwice { stream }) if *stream == a),
        format_args!("wanted `StreamTwice` for {a}, found {refused:?}"),
    );
    law.has_exactly(&[], "after refused appends");
    law.equal(first_position(&law.append_any(&a, &fact)), 1, "the first position after refused appends");
}

/// A stream without new events is only checked for its version; the append to the other streams depends on
/// that.
pub fn append_of_nothing_checks_the_version<S: EventStore>(store: &S) {
    let law = Law::new("append_of_nothing_checks_the_version", store);
    let (a, b) = (stream("a"), stream("b"));
    let fact = facts(1);
    law.append_any(&a, &fact);
    let conflict = law.conflicts(&[(&b, NoStream, &fact), (&a, NoStream, &[])]);
    law.equal(conflict, Conflict::new(a.clone(), NoStream, 1), "the conflict");
    law.has_exactly(&stored(&a, 1, 1, &fact), "after a conflict in a stream with nothing to append");
    let appended = law.append(&[(&a, Exactly(1), &[]), (&b, NoStream, &fact)]);
    law.equal(first_position(&appended), 2, "the first position");
    law.equal(appended.versions, vec![1, 1], "the versions");
    let appended = law.append(&[(&a, Any, &[]), (&stream("c"), NoStream, &[])]);
    law.equal(appended.first_position, None, "the first position of nothing");
    law.equal(appended.versions, vec![1, 0], "the versions");
    let wanted = [stored(&a, 1, 1, &fact), stored(&b, 1, 2, &fact)].concat();
    law.has_exactly(&wanted, "after appends of nothing");
}

/// An append to no stream succeeds, stores nothing, and has no first position.
pub fn append_to_no_stream_does_nothing<S: EventStore>(store: &S) {
    let law = Law::new("append_to_no_stream_does_nothing", store);
    let a = stream("a");
    let fact = facts(1);
    law.append_any(&a, &fact);
    let appended = law.append(&[]);
    law.equal(appended.first_position, None, "the first position");
    law.equal(appended.versions, vec![], "the versions");
    law.has_exactly(&stored(&a, 1, 1, &fact), "after an append to no stream");
}
