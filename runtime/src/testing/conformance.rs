//! The laws that an [`EventStore`] keeps, as tests for any store.
//!
//! [`check_all`] is what the author of a store calls. Each law is also a function of its own, to be run alone on a
//! store that is empty; it panics with a message that names the law.
//!
//! No law looks at how long anything takes. A store that loses a wake-up or deadlocks shows it by hanging.

mod law;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::Duration;

use uuid::Uuid;

use self::law::{Fact, Law, Seen, facts, stored};
use crate::error::{AppendError, Conflict, StoreError};
use crate::id::StreamId;
use crate::metadata::Metadata;
use crate::store::ExpectedVersion::{Any, Exactly, NoStream};
use crate::store::{EventStore, Filter};
use crate::time::Timestamp;

/// How many threads use a store at once.
const THREADS: usize = 8;

/// More events than any store reads at a time.
const MANY: usize = 10_000;

/// Longer than any wait that ends as it should.
const LONG: Duration = Duration::from_mins(1);

/// Checks all laws, each on a store of its own: `new_store` gives an empty one at each call.
///
/// ```
/// use factum::MemoryStore;
/// use factum::testing::conformance;
///
/// conformance::check_all(MemoryStore::new);
/// ```
pub fn check_all<S: EventStore + Clone + 'static>(new_store: impl Fn() -> S) {
    let laws: [fn(&S); _] = [
        numbers_count_from_one,
        positions_of_one_append_are_consecutive,
        expected_versions_are_held_to,
        conflict_leaves_no_trace,
        append_to_several_streams_is_atomic,
        malformed_append_leaves_no_trace,
        append_to_no_stream_does_nothing,
        stream_is_read_from_any_version,
        missing_stream_is_empty,
        all_streams_are_read_from_any_position,
        filter_selects,
        visitor_breaks_off,
        similar_names_stay_apart,
        events_come_back_whole,
        large_events_come_back_whole,
        long_reads_are_complete,
        visitor_uses_the_store,
        panic_of_a_visitor_poisons_nothing,
        clones_share_events,
        wait_for_the_past_returns,
        wait_ends_with_an_append,
        wait_that_runs_out_tells_the_position,
        concurrent_appends_lose_nothing,
        concurrent_appends_to_several_streams_pass_each_other,
        concurrent_expectations_have_one_winner,
        reads_never_end_inside_an_append,
        follower_misses_nothing,
    ];
    for law in laws {
        law(&new_store());
    }
}

/// Versions count from 1 in each stream, positions from 1 in the store; an append tells where its events went.
pub fn numbers_count_from_one<S: EventStore>(store: &S) {
    let law = Law::new("numbers_count_from_one", store);
    let (a, b) = (stream("a"), stream("b"));
    law.equal(law.position(), 0, "the position of an empty store");
    let (first, second, third) = (facts(2), facts(1), facts(1));
    for (stream, facts, position, version) in [(&a, &first, 1, 2), (&b, &second, 3, 1), (&a, &third, 4, 3)] {
        let appended = law.append_any(stream, facts);
        law.equal(appended.first_position, position, "the first position of an append");
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
    // Backwards: the order is the caller's, not that of names.
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
    law.equal(appended.first_position, 3, "the first position");
    law.equal(appended.versions, versions, "the versions");
    law.has_exactly(&wanted, "after appending to fifty streams");
}

/// An append succeeds if the stream is as expected, and otherwise tells the stream, what was expected and what is.
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
    law.equal(law.version(&present), 4, "the version after all");
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

/// An append that names a stream twice, or with no events, is refused as that, and nothing of it is stored.
pub fn malformed_append_leaves_no_trace<S: EventStore>(store: &S) {
    let law = Law::new("malformed_append_leaves_no_trace", store);
    let (a, b) = (stream("a"), stream("b"));
    let fact = facts(1);
    for parts in [vec![(&b, Any, &[][..])], vec![(&a, Any, fact.as_slice()), (&b, Any, &[])]] {
        let refused = law.try_append(&parts);
        law.holds(
            matches!(&refused, Err(AppendError::NoEvents { stream }) if *stream == b),
            format_args!("wanted `NoEvents` for {b}, found {refused:?}"),
        );
    }
    let refused = law.try_append(&[(&a, Any, &fact), (&b, Any, &fact), (&a, Exactly(1), &fact)]);
    law.holds(
        matches!(&refused, Err(AppendError::StreamTwice { stream }) if *stream == a),
        format_args!("wanted `StreamTwice` for {a}, found {refused:?}"),
    );
    law.has_exactly(&[], "after refused appends");
    law.equal(law.append_any(&a, &fact).first_position, 1, "the first position after refused appends");
}

/// An append to no stream at all succeeds and stores nothing; its first position is 0, which no event has.
pub fn append_to_no_stream_does_nothing<S: EventStore>(store: &S) {
    let law = Law::new("append_to_no_stream_does_nothing", store);
    let a = stream("a");
    let fact = facts(1);
    law.append_any(&a, &fact);
    let appended = law.append(&[]);
    law.equal(appended.first_position, 0, "the first position");
    law.equal(appended.versions, vec![], "the versions");
    law.has_exactly(&stored(&a, 1, 1, &fact), "after an append to no stream");
}

/// A stream is read in order of version, from after any version, up to any number of events.
pub fn stream_is_read_from_any_version<S: EventStore>(store: &S) {
    let law = Law::new("stream_is_read_from_any_version", store);
    let (a, b) = (stream("a"), stream("b"));
    for _ in 0..5 {
        law.append(&[(&a, Any, &facts(1)), (&b, Any, &facts(2))]);
    }
    let of_a: Vec<_> = law.everything().into_iter().filter(|event| event.stream == a).collect();
    for (after, skipped) in AFTER {
        for limit in LIMITS {
            let wanted: Vec<_> = of_a.iter().skip(skipped).take(limit).cloned().collect();
            let of = format_args!("{limit} events of {a} after version {after}");
            law.same(&law.stream(&a, after, limit), &wanted, of);
        }
    }
}

/// A stream that does not exist is at version 0 and has no events, and reading it does not make it.
pub fn missing_stream_is_empty<S: EventStore>(store: &S) {
    let law = Law::new("missing_stream_is_empty", store);
    let missing = stream("missing");
    for _ in 0..2 {
        law.equal(law.version(&missing), 0, "the version");
        law.same(&law.stream(&missing, 0, usize::MAX), &[], "its events");
        law.same(&law.stream(&missing, 5, 1), &[], "its events after version 5");
        law.append_any(&stream("other"), &facts(1));
    }
    law.append(&[(&missing, NoStream, &facts(1))]);
}

/// All streams are read in order of position, from after any position, up to any number of events.
pub fn all_streams_are_read_from_any_position<S: EventStore>(store: &S) {
    let law = Law::new("all_streams_are_read_from_any_position", store);
    let (a, b) = (stream("a"), stream("b"));
    law.same(&law.everything(), &[], "the events of an empty store");
    let mut wanted = Vec::new();
    for (stream, version, position) in [(&b, 1, 1), (&a, 1, 2), (&b, 2, 3), (&b, 3, 4), (&a, 2, 5)] {
        let fact = facts(1);
        law.append_any(stream, &fact);
        wanted.extend(stored(stream, version, position, &fact));
    }
    for (after, skipped) in AFTER {
        for limit in LIMITS {
            let wanted: Vec<_> = wanted.iter().skip(skipped).take(limit).cloned().collect();
            let of = format_args!("{limit} events after position {after}");
            law.same(&law.all(Filter::default(), after, limit), &wanted, of);
        }
    }
}

/// A filter lets pass what has one of its names and one of its categories, letter for letter; the limit counts what
/// passes.
pub fn filter_selects<S: EventStore>(store: &S) {
    let law = Law::new("filter_selects", store);
    let names = ["opened", "Opened", "opene", "opened ", "it's", "\"quoted\"", "eröffnet", "%"];
    let categories = ["account", "Account", "accoun", "it's", "", "konto-ä", "_______"];
    for category in categories {
        for name in names {
            law.append_any(&StreamId::new(category, "key"), &[Fact::new(name, "{}"), Fact::new(name, "1")]);
        }
    }
    let everything = law.everything();
    let choices = |of: &[&'static str]| {
        let mut choices: Vec<Vec<&str>> = of.iter().map(|value| vec![*value]).collect();
        choices.extend([vec![], vec!["nobody"], vec![of[0], of[3]], vec![of[1], of[1]], of.to_vec()]);
        choices
    };
    for names in choices(&names) {
        for categories in choices(&categories) {
            let filter = Filter { names: &names, categories: &categories };
            let passes = |event: &&Seen| {
                (names.is_empty() || names.contains(&&*event.fact.name))
                    && (categories.is_empty() || categories.contains(&event.stream.category()))
            };
            for (after, limit) in [(0, usize::MAX), (0, 0), (0, 1), (2, 3), (49, 5), (u64::MAX, 1)] {
                let later = everything.iter().filter(|event| event.position > after);
                let wanted: Vec<_> = later.filter(passes).take(limit).cloned().collect();
                let of = format_args!("{limit} events after position {after} with {filter:?}");
                law.same(&law.all(filter, after, limit), &wanted, of);
            }
        }
    }
}

/// A visitor that breaks off sees no further event, and that is no error.
pub fn visitor_breaks_off<S: EventStore>(store: &S) {
    let law = Law::new("visitor_breaks_off", store);
    let a = stream("a");
    law.append_any(&a, &facts(5));
    for last in 1..=5 {
        let mut seen = Vec::new();
        let read = store.read_stream(&a, 0, usize::MAX, &mut |event| {
            seen.push(event.envelope.version);
            break_if(event.envelope.version == last)
        });
        law.succeeds(read, "a read of a stream that is broken off");
        law.equal(seen, (1..=last).collect(), "the versions seen");

        let mut seen = Vec::new();
        let read = store.read_all(Filter::default(), 0, usize::MAX, &mut |event| {
            seen.push(event.envelope.position);
            break_if(event.envelope.position == last)
        });
        law.succeeds(read, "a read of all streams that is broken off");
        law.equal(seen, (1..=last).collect(), "the positions seen");
    }
}

/// Streams are told apart letter by letter, whatever text the id is: slashes, quotes, NUL, none, or very much.
pub fn similar_names_stay_apart<S: EventStore>(store: &S) {
    let law = Law::new("similar_names_stay_apart", store);
    let long = "x".repeat(10_000);
    let longer = format!("{long}y");
    let keys = [
        "",
        "b",
        "B",
        "b ",
        " b",
        "bb",
        "b/",
        "/b",
        "b/c",
        "b//c",
        "/",
        "//",
        "b\0",
        "b\0c",
        "\0",
        "b\n",
        "b\\",
        "'",
        "''",
        "\"",
        "`",
        "%",
        "_",
        "*",
        "?1",
        "b'; DROP TABLE factum_events; --",
        "1",
        "01",
        "1.0",
        "1e0",
        "NULL",
        // The same to the eye, or to a database that folds: é and e with an accent, ß and ss, ſ and s, zero width.
        "\u{e9}",
        "e\u{301}",
        "ß",
        "ss",
        "ſ",
        "s",
        "b\u{200b}",
        "日本語",
        "🦀",
        "\u{feff}b",
        &long,
        &longer,
    ];
    let mut wanted = Vec::new();
    for category in ["a", "A", "", "a b", "ä"] {
        for key in keys {
            let stream = StreamId::new(category, key);
            let fact = [Fact::new("named", format!("{:?}", (category, key.len())))];
            law.append(&[(&stream, NoStream, &fact)]);
            let position = wanted.last().map_or(1, |event: &Seen| event.position + 1);
            wanted.extend(stored(&stream, 1, position, &fact));
        }
    }
    for event in &wanted {
        let stream = &event.stream;
        law.equal(law.version(stream), 1, format_args!("the version of {stream:?}"));
        let only = std::slice::from_ref(event);
        law.same(&law.stream(stream, 0, usize::MAX), only, format_args!("the events of {stream:?}"));
    }
    law.has_exactly(&wanted, "of streams with similar names");
}

/// Every part of an event is read as it was written, to the byte.
pub fn events_come_back_whole<S: EventStore>(store: &S) {
    let law = Law::new("events_come_back_whole", store);
    let mut facts = Vec::new();
    for micros in [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_111_532_400_000_001, i64::MAX] {
        facts.push(Fact { recorded_at: Timestamp::from_micros(micros), ..Fact::new("timed", "{}") });
    }
    for schema in [0, 1, 2, 1 << 31, u32::MAX] {
        facts.push(Fact { schema, ..Fact::new("versioned", "{}") });
    }
    for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(1)] {
        facts.push(Fact { id, ..Fact::new("identified", "{}") });
        for metadata in [
            Metadata::new(Some(id), None, None),
            Metadata::new(None, Some(id), None),
            Metadata::new(Some(id), Some(Uuid::from_u128(2)), Some("{}")),
        ] {
            facts.push(Fact { metadata, ..Fact::new("caused", "{}") });
        }
    }
    let texts = [
        // The text is kept, not what it means: its spaces, the order of its keys, keys that come twice, digits.
        "{ \"b\" : 1,\n\t\"a\":2, \"a\":3 }",
        "[1.0, 1e400, -0, 123456789012345678901234567890]",
        r#""\u0000 \ud83e\udd80 \/""#,
        r#"{"owner":"Zoë 日本語 🦀 'quoted' \"quoted\" e\u0301"}"#,
        "\"\u{7f}\u{80}\u{2028}\u{feff}\u{fffd}\u{10ffff}\"",
        "null",
        "\"\"",
        "{}",
        "[]",
        "0",
    ];
    for text in texts {
        facts.push(Fact::new("written", text));
        facts.push(Fact { metadata: Metadata::new(None, None, Some(text)), ..Fact::new("annotated", "{}") });
    }
    for name in ["it's", "\"", "naïve-日本語-🦀", "a/b c", "0"] {
        facts.push(Fact::new(name, "{}"));
    }
    let a = stream("a");
    // One by one as well as together: a store may have a way of its own for many.
    law.append_any(&a, &facts);
    for fact in &facts {
        law.append_any(&a, std::slice::from_ref(fact));
    }
    let wanted = stored(&a, 1, 1, &[facts.clone(), facts].concat());
    law.same(&law.stream(&a, 0, usize::MAX), &wanted, "the events of the stream");
    law.has_exactly(&wanted, "after appends of events of all kinds");
}

/// A payload, and metadata, of a megabyte are stored like small ones.
pub fn large_events_come_back_whole<S: EventStore>(store: &S) {
    let law = Law::new("large_events_come_back_whole", store);
    let a = stream("a");
    let large = format!("\"{}\"", "0123456789abcdé".repeat(1 << 16));
    let mut facts = facts(3);
    facts[1].payload.clone_from(&large);
    facts[2].metadata = Metadata::new(None, None, Some(&large));
    law.append_any(&a, &facts);
    let wanted = stored(&a, 1, 1, &facts);
    law.same(&law.stream(&a, 0, usize::MAX), &wanted, "the events of the stream");
    law.has_exactly(&wanted, "after an append of large events");
}

/// A read of more events than a store takes at a time is complete, in order, and keeps to its limit and filter.
pub fn long_reads_are_complete<S: EventStore>(store: &S) {
    let law = Law::new("long_reads_are_complete", store);
    let (a, b) = (stream("a"), StreamId::new("other", "b"));
    let mut wanted = Vec::with_capacity(MANY);
    for (round, chunk) in facts(MANY).chunks(500).enumerate() {
        // Every fifth chunk to the other stream, so that neither has all positions.
        let stream = if round % 5 == 4 { &b } else { &a };
        let position = law.position() + 1;
        let version = law.version(stream) + 1;
        law.append_any(stream, chunk);
        wanted.extend(stored(stream, version, position, chunk));
    }
    law.has_exactly(&wanted, "of a large store");

    let of_a: Vec<_> = wanted.iter().filter(|event| event.stream == a).cloned().collect();
    let categories = Filter { categories: &[a.category()], ..Filter::default() };
    let names = Filter { names: &["counted"], ..Filter::default() };
    for (after, limit) in [(0, usize::MAX), (0, 4096), (0, 7999), (1, 5001), (1023, 256)] {
        let part = |all: &[Seen]| all.iter().skip(after).take(limit).cloned().collect::<Vec<_>>();
        let of = format_args!("{limit} events after {after}");
        let from = u64::try_from(after).unwrap_or(u64::MAX);
        law.same(&law.stream(&a, from, limit), &part(&of_a), of);
        law.same(&law.all(names, from, limit), &part(&wanted), of);
        // The stream's first 2,000 events are the store's.
        law.same(&law.all(categories, from, limit), &part(&of_a), of);
    }
}

/// A visitor may append to the store that it reads, and read from it.
pub fn visitor_uses_the_store<S: EventStore>(store: &S) {
    let law = Law::new("visitor_uses_the_store", store);
    let (a, b) = (stream("a"), stream("b"));
    let (first, answer) = (facts(300), facts(1));
    law.append_any(&a, &first);

    let mut seen = Vec::new();
    let read = store.read_stream(&a, 0, usize::MAX, &mut |event| {
        seen.push(Seen::new(event));
        if event.envelope.version <= 2 {
            let appended = law.append_any(&b, &answer);
            law.equal(law.position(), appended.first_position, "the position after an append of a visitor");
            let own = law.stream(&b, event.envelope.version - 1, 1);
            law.same(
                &own,
                &stored(&b, event.envelope.version, appended.first_position, &answer),
                "its event",
            );
        }
        ControlFlow::Continue(())
    });
    law.succeeds(read, "a read with a visitor that appends");
    law.same(&seen, &stored(&a, 1, 1, &first), "what the visitor saw");

    let mut newest = 0;
    let read = store.read_all(Filter::default(), 0, usize::MAX, &mut |event| {
        law.equal(event.envelope.position, newest + 1, "the next position that a visitor sees");
        newest = event.envelope.position;
        if newest <= 2 {
            law.append_any(&b, &answer);
            law.same(
                &law.all(Filter::default(), newest - 1, 1),
                &stored(&a, newest, newest, &first[usize::from(newest == 2)..][..1]),
                "an event read while it is visited",
            );
        }
        ControlFlow::Continue(())
    });
    law.succeeds(read, "a read of all streams with a visitor that appends");
    law.holds(newest >= 302, format_args!("the read of all streams ended early, at position {newest}"));
    law.equal(law.has_no_gaps().len(), 304, "the number of events");
}

/// A visitor that panics leaves the store as usable as it was.
pub fn panic_of_a_visitor_poisons_nothing<S: EventStore>(store: &S) {
    let law = Law::new("panic_of_a_visitor_poisons_nothing", store);
    let a = stream("a");
    let facts = facts(3);
    law.append_any(&a, &facts[..2]);
    // `resume_unwind` panics without a message in the output of the tests.
    let panics = || resume_unwind(Box::new("the visitor's"));
    let reads: [&dyn Fn() -> Result<(), StoreError>; 2] =
        [&|| store.read_stream(&a, 0, 9, &mut |_| panics()), &|| {
            store.read_all(Filter::default(), 0, 9, &mut |_| panics())
        }];
    for read in reads {
        let panicked = catch_unwind(AssertUnwindSafe(read));
        law.holds(panicked.is_err(), "the visitor's panic did not pass through the read");
        law.same(&law.stream(&a, 0, 9), &stored(&a, 1, 1, &facts[..2]), "the events after a panic");
    }
    law.append_any(&a, &facts[2..]);
    law.has_exactly(&stored(&a, 1, 1, &facts), "after panics of visitors");
}

/// A clone of a store, in another thread, is the same store.
pub fn clones_share_events<S: EventStore + Clone + 'static>(store: &S) {
    let law = Law::new("clones_share_events", store);
    let a = stream("a");
    let facts = facts(4);
    law.append_any(&a, &facts[..1]);
    let (clone, to, second) = (store.clone(), a.clone(), facts[1..2].to_vec());
    let appended = thread::spawn(move || {
        let law = Law::new("clones_share_events", &clone);
        law.append(&[(&to, Exactly(1), &second)]);
    });
    law.holds(appended.join().is_ok(), "a clone could not append");
    law.append(&[(&a, Exactly(2), &facts[2..])]);
    Law::new("clones_share_events", &store.clone()).has_exactly(&stored(&a, 1, 1, &facts), "in a clone");
}

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

/// Of the appends of many threads at once none is lost, doubled or torn, and no number is left out.
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
            written.extend(stored(stream, version, appended.first_position, &facts));
        }
        written
    });
    law.has_no_gaps();
    // What each append was told of where its events are is true.
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

/// Of all who append at the same expected version exactly one does; the others are told of a conflict.
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
                    law.equal(appended.versions, vec![version + 1], "the version after an append");
                    won.extend(stored(&a, version + 1, appended.first_position, &fact));
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
            law.equal(law.everything().len() % 3, 0, "the rest of an append that was read");
            law.equal(law.position() % 3, 0, "the rest of an append that the position tells of");
            law.equal(law.stream(&a, 0, usize::MAX).len() % 2, 0, "the rest of an append in its stream");
            let (of_b, of_a) = (law.version(&b), law.version(&a));
            law.holds(of_a >= 2 * of_b, format_args!("{b} is at {of_b}, {a} still at {of_a}"));
        },
    );
    law.equal(law.has_no_gaps().len(), 3 * ROUNDS, "the number of events");
}

/// Who reads on from the last position seen, while others append, gets every event once and in order.
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
            let reached = law.succeeds(store.wait_for(after + 1, Duration::from_millis(10)), "a wait");
            let next = law.all(Filter::default(), after, 7);
            law.holds(
                reached <= after || !next.is_empty(),
                format_args!("nothing after {after}, though the store was at {reached}"),
            );
            followed.extend(next);
        },
    );
    let after = followed.last().map_or(0, |event| event.position);
    followed.extend(law.all(Filter::default(), after, usize::MAX));
    law.same(&followed, &law.has_no_gaps(), "what the follower saw");
}

/// What to read after, and how many of five events that skips.
const AFTER: [(u64, usize); 7] =
    [(0, 0), (1, 1), (4, 4), (5, 5), (6, 6), (i64::MAX as u64, 9), (u64::MAX, 9)];

const LIMITS: [usize; 6] = [0, 1, 2, 5, 6, usize::MAX];

fn stream(key: &str) -> StreamId {
    StreamId::new("conformance", key)
}

fn break_if(last: bool) -> ControlFlow<()> {
    if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// Runs `work` in [`THREADS`] threads that begin together, and gives the result of each.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(THREADS);
    thread::scope(|scope| {
        let (begin, work) = (&begin, &work);
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    begin.wait();
                    work(thread)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

/// Runs `read` again and again, as long as any of `writers` threads runs `write`, and at least once after.
fn while_writing(writers: usize, write: impl Fn(usize) + Sync, mut read: impl FnMut()) {
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        let (write, written) = (&write, &written);
        let threads: Vec<_> = (0..writers).map(|thread| scope.spawn(move || write(thread))).collect();
        // A thread of its own watches the writers, so that the end of a writer that panics is noticed too.
        let watch = scope.spawn(move || {
            let ends: Vec<_> = threads.into_iter().map(thread::ScopedJoinHandle::join).collect();
            written.store(true, Ordering::Release);
            ends.into_iter().find_map(Result::err)
        });
        loop {
            let last = written.load(Ordering::Acquire);
            read();
            if last {
                break;
            }
        }
        match watch.join() {
            Ok(None) => {}
            Ok(Some(panic)) | Err(panic) => resume_unwind(panic),
        }
    });
}
