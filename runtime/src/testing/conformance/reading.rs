//! Reading: where a read begins and ends, what a filter passes, what a visitor may do.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::law::{Fact, Law, MANY, Seen, break_if, facts, first_position, stored, stream};
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::store::append::ExpectedVersion::{Any, NoStream};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;
use crate::store::read::Filter;

/// Versions or positions to read after, each with the number of events to skip; there are five events.
const AFTER: [(u64, usize); 7] =
    [(0, 0), (1, 1), (4, 4), (5, 5), (6, 6), (i64::MAX as u64, 9), (u64::MAX, 9)];

const LIMITS: [usize; 6] = [0, 1, 2, 5, 6, usize::MAX];

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

/// A stream that does not exist is at version 0 and has no events, and a read does not create it.
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

/// A filter passes the events with one of its names and one of its categories, compared character by
/// character.
///
/// The limit counts the events that pass.
pub fn filter_selects<S: EventStore>(store: &S) {
    let law = Law::new("filter_selects", store);
    let names = ["opened", "Opened", "opene", "opened ", "it's", "\"quoted\"", "eröffnet", "%"];
    let categories = ["account", "Account", "accoun", "it's", "", "konto-ä", "_______"];
    for category in categories {
        for name in names {
            law.append_any(&StreamName::new(category, "key"), &[Fact::new(name, "{}"), Fact::new(name, "1")]);
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
            let filter = Filter { names: &names, categories: &categories, ..Filter::default() };
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

/// A read up to a position returns no event beyond that position.
pub fn reads_end_where_told<S: EventStore>(store: &S) {
    let law = Law::new("reads_end_where_told", store);
    law.append_any(&stream("a"), &facts(6));
    law.append_any(&stream("b"), &facts(4));
    let everything = law.everything();
    for after in [0, 1, 6, 10, u64::MAX] {
        for until in [0, 1, 5, 6, 7, 10, 11, u64::MAX] {
            for limit in LIMITS {
                let filter = Filter { until: Some(Position::new(until)), ..Filter::default() };
                let within = |event: &&Seen| event.position > after && event.position <= until;
                let wanted: Vec<_> = everything.iter().filter(within).take(limit).cloned().collect();
                let of = format_args!("{limit} events after position {after} up to {until}");
                law.same(&law.all(filter, after, limit), &wanted, of);
            }
        }
    }
}

/// Each stream is in one partition, with all of its events, in order, and stays there.
///
/// A hundred streams do not all fall into one partition of several.
pub fn partitions_split_the_streams<S: EventStore>(store: &S) {
    let law = Law::new("partitions_split_the_streams", store);
    let streams: Vec<_> = (0..100).map(|index| stream(&index.to_string())).collect();
    for count in [1, 2, 3, 8] {
        let read = |partition| law.all(Filter { partition, ..Filter::default() }, 0, usize::MAX);
        let before: Vec<_> = Partition::all(count).map(read).collect();
        // One more event for each stream, which must be in the partition of the earlier ones.
        for stream in &streams {
            law.append_any(stream, &facts(1));
        }
        let partitions: Vec<_> = Partition::all(count).map(read).collect();
        let mut home = HashMap::new();
        for (index, partition) in partitions.iter().enumerate() {
            for event in partition {
                law.equal(
                    *home.entry(&event.stream).or_insert(index),
                    index,
                    format_args!("the partition of {}", event.stream),
                );
            }
            law.holds(
                partition.is_sorted_by_key(|event| event.position),
                format_args!("partition {index} is out of order"),
            );
            law.holds(
                before.get(index).is_some_and(|before| partition.starts_with(before)),
                format_args!("partition {index} of {count} has changed"),
            );
        }
        let mut all = partitions.concat();
        all.sort_by_key(|event| event.position);
        law.same(&all, &law.everything(), format_args!("all {count} partitions"));
        let used = partitions.iter().filter(|partition| !partition.is_empty()).count();
        law.holds(used > 1 || count == 1, format_args!("all streams are in one partition of {count}"));
    }
}

/// A visitor that breaks off sees no further event, and the read succeeds.
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
        let read = store.read_all(Filter::default(), Position::new(0), usize::MAX, &mut |event| {
            seen.push(event.envelope.position);
            break_if(event.envelope.position == Position::new(last))
        });
        law.succeeds(read, "a read of all streams that is broken off");
        law.equal(seen, (1..=last).map(Position::new).collect(), "the positions seen");
    }
}

/// A read of more events than a store reads at a time is complete, in order, and keeps its limit and filter.
pub fn long_reads_are_complete<S: EventStore>(store: &S) {
    let law = Law::new("long_reads_are_complete", store);
    let (a, b) = (stream("a"), StreamName::new("other", "b"));
    let mut wanted = Vec::with_capacity(MANY);
    for (round, chunk) in facts(MANY).chunks(500).enumerate() {
        // Every fifth chunk goes to the other stream, so that neither stream has all positions.
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
        // The first 2,000 events of the stream are also those of the store.
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
            law.equal(law.position(), first_position(&appended), "the position after an append of a visitor");
            let own = law.stream(&b, event.envelope.version - 1, 1);
            law.same(
                &own,
                &stored(&b, event.envelope.version, first_position(&appended), &answer),
                "its event",
            );
        }
        ControlFlow::Continue(())
    });
    law.succeeds(read, "a read with a visitor that appends");
    law.same(&seen, &stored(&a, 1, 1, &first), "what the visitor saw");

    let mut newest = 0;
    let read = store.read_all(Filter::default(), Position::new(0), usize::MAX, &mut |event| {
        law.equal(
            event.envelope.position,
            Position::new(newest + 1),
            "the next position that a visitor sees",
        );
        newest = event.envelope.position.get();
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

/// A visitor that panics leaves the store usable.
pub fn panic_of_a_visitor_poisons_nothing<S: EventStore>(store: &S) {
    let law = Law::new("panic_of_a_visitor_poisons_nothing", store);
    let a = stream("a");
    let facts = facts(3);
    law.append_any(&a, &facts[..2]);
    // `resume_unwind` panics without a message in the output of the tests.
    let panics = || resume_unwind(Box::new("the visitor's"));
    let reads: [&dyn Fn() -> Result<(), StoreError>; 2] =
        [&|| store.read_stream(&a, 0, 9, &mut |_| panics()), &|| {
            store.read_all(Filter::default(), Position::new(0), 9, &mut |_| panics())
        }];
    for read in reads {
        let panicked = catch_unwind(AssertUnwindSafe(read));
        law.holds(panicked.is_err(), "the visitor's panic did not pass through the read");
        law.same(&law.stream(&a, 0, 9), &stored(&a, 1, 1, &facts[..2]), "the events after a panic");
    }
    law.append_any(&a, &facts[2..]);
    law.has_exactly(&stored(&a, 1, 1, &facts), "after panics of visitors");
}
