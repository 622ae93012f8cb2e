//! Keeping: a store returns names and events as they were given.

use std::thread;

use uuid::Uuid;

use super::law::{Fact, Law, Seen, facts, stored, stream};
use crate::domain::metadata::Metadata;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::ExpectedVersion::{Exactly, NoStream};
use crate::store::event_store::EventStore;

/// Streams differ if their keys differ in any character: slashes, quotes, NUL, the empty key, a very long
/// key. A store that tells its categories tells each once.
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
        // Equal to the eye, or to a database that folds case: é and e with an accent, ß and ss, ſ and s, zero
        // width.
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
    let categories = ["", "A", "a", "a b", "ä"];
    for category in categories {
        for key in keys {
            let stream = StreamName::new(category, key);
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
    let mut known = law.succeeds(store.categories(), "the categories");
    known.sort();
    law.holds(known.is_empty() || known == categories, format_args!("the categories are {known:?}"));
}

/// Every part of an event is read as it was written, to the byte.
pub fn events_come_back_whole<S: EventStore>(store: &S) {
    let law = Law::new("events_come_back_whole", store);
    let mut facts = Vec::new();
    for micros in [i64::MIN, i64::MIN + 1, -1, 0, 1, 1_111_532_400_000_001, i64::MAX] {
        facts.push(Fact { recorded_at: Timestamp::from_micros(micros), ..Fact::new("timed", "{}") });
    }
    for event_version in [0, 1, 2, 1 << 31, u32::MAX] {
        facts.push(Fact { event_version, ..Fact::new("versioned", "{}") });
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
        // The store keeps the text and not its meaning: spaces, the order of keys, keys that occur twice,
        // digits.
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
    // One by one as well as together, because a store may append several events in another way than one.
    law.append_any(&a, &facts);
    for fact in &facts {
        law.append_any(&a, std::slice::from_ref(fact));
    }
    let wanted = stored(&a, 1, 1, &[facts.clone(), facts].concat());
    law.same(&law.stream(&a, 0, usize::MAX), &wanted, "the events of the stream");
    law.has_exactly(&wanted, "after appends of events of all kinds");
}

/// A payload of a megabyte, and metadata of a megabyte, are stored like small ones.
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
