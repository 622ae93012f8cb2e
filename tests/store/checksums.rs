//! The checksum of each event: a change that no column's type shows is an error of the next read.

use std::ops::ControlFlow;
use std::path::Path;

use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::store::ExpectedVersion::Any;
use factum::store::{Append, Filter, NewEvent, ReplayedEvent, StoreError, StoredEvent};
use factum::{Metadata, Position, StreamName, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::events::{append, read_all, stream};
use crate::support::stores::{doctor, open_store};

/// A store with events in two streams, each with all kinds of metadata.
fn filled(file: &Path) -> SqliteStore {
    let store = open_store(file);
    let metadata = Metadata::new(Some(Uuid::from_u128(1)), Some(Uuid::from_u128(2)), Some("\"custom\""));
    for key in ["a", "a", "b", "b"] {
        let (id, now) = (Uuid::now_v7(), Timestamp::now());
        let event = NewEvent::new("paid", 1, r#"{"cents":500}"#, id, now, &metadata);
        store.append(&[Append::new(&stream(key), Any, &[event])]).unwrap();
    }
    store
}

#[track_caller]
fn is_damaged(result: Result<(), StoreError>, is: bool, sql: &str) {
    match result {
        Err(StoreError::DamagedEvent { column: "checksum", .. }) if is => {}
        Ok(()) if !is => {}
        other => panic!("{sql}: wanted damage: {is}, found {other:?}"),
    }
}

/// Runs `sql` on a file, and reads it in each way. A replay, and a read without metadata, find no change in these.
#[track_caller]
fn finds(sql: &str, in_metadata: bool) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    drop(filled(&file));
    doctor(&file, sql);
    let store = open_store(&file);
    let all =
        |filter| store.read_all(filter, Position::START, usize::MAX, &mut |_| ControlFlow::Continue(()));
    is_damaged(all(Filter::new()), true, sql);
    is_damaged(all(Filter::new().without_metadata()), !in_metadata, sql);
    let in_stream = |read: &dyn Fn(&StreamName) -> Result<(), StoreError>| {
        ["a", "b", "other"].iter().try_for_each(|key| read(&stream(key)))
    };
    let read = |stream: &_| store.read_stream(stream, 0, usize::MAX, &mut |_| ControlFlow::Continue(()));
    is_damaged(in_stream(&read), true, sql);
    let replay =
        |stream: &_| store.replay(stream, 0, usize::MAX, &mut |_| ControlFlow::Continue(())).map(drop);
    is_damaged(in_stream(&replay), !in_metadata, sql);
    let found: Vec<_> = store.check().unwrap().into_iter().map(|damage| damage.message).collect();
    assert!(found.iter().any(|message| message.contains("checksum")), "{sql}: {found:?}");
}

#[test]
fn a_changed_event_is_an_error_of_each_read() {
    for change in [
        "payload = replace(payload, '500', '501')",
        "payload = replace(payload, '5', '4')",
        "payload = payload || ' '",
        "name = 'pais'",
        "schema = 3",
        "version = 7",
        "position = 9",
        "checksum = checksum + (1 << 40)",
        "checksum = checksum + (1 << 63)",
        "checksum = 0",
    ] {
        finds(&format!("UPDATE factum_events SET {change} WHERE position = 4"), false);
    }
}

#[test]
fn an_event_in_another_stream_or_place_is_an_error() {
    finds("UPDATE factum_events SET stream = 1, version = 3 WHERE position = 4", false);
    finds("UPDATE factum_streams SET key = 'other' WHERE key = 'b'", false);
    let exchange = "UPDATE factum_events SET position = 9 WHERE position = 4;
         UPDATE factum_events SET position = 4 WHERE position = 3; UPDATE factum_events SET position = 3 WHERE position = 9;
         UPDATE factum_events SET version = 3 WHERE position = 3; UPDATE factum_events SET version = 2 WHERE position = 4;
         UPDATE factum_events SET version = 1 WHERE position = 3";
    finds(exchange, false);
}

#[test]
fn changed_metadata_are_an_error_of_reads_that_want_them() {
    for change in [
        "id = x'00000000000000000000000000000009'",
        "recorded_at = recorded_at + 1",
        "correlation = causation",
        "correlation = NULL",
        "correlation = NULL, causation = correlation",
        "causation = NULL",
        "custom = NULL",
        "custom = '\"Custom\"'",
        "checksum = checksum + CASE WHEN checksum & 1 THEN -1 ELSE 1 END",
    ] {
        finds(&format!("UPDATE factum_events SET {change} WHERE position = 4"), true);
    }
}

/// Every bit of the payload, one at a time.
#[test]
fn each_changed_letter_is_found() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = filled(&file);
    let connection = Connection::open(&file).unwrap();
    for place in 1..=r#"{"cents":500}"#.len() {
        let change = format!(
            "UPDATE factum_events SET payload = substr(payload, 1, {place} - 1)
             || char(unicode(substr(payload, {place}, 1)) + 1) || substr(payload, {place} + 1) WHERE position = 2"
        );
        connection.execute_batch("BEGIN").unwrap();
        connection.execute_batch(&change).unwrap();
        connection.execute_batch("COMMIT").unwrap();
        assert!(read_all(&store).is_err(), "the letter at {place}");
        let back = "UPDATE factum_events SET payload = '{\"cents\":500}' WHERE position = 2";
        connection.execute_batch(back).unwrap();
        read_all(&store).unwrap();
    }
}

/// Reads that put several integers into one column have fewer bits for each.
#[test]
fn integers_of_every_size_are_read() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = open_store(&file);
    let metadata = Metadata::default();
    for (key, event_version) in
        [("a", 127), ("a", 128), ("a", u32::MAX), ("b", 1), ("b", 1), ("c", 1), ("d", 1)]
    {
        let (id, now) = (Uuid::now_v7(), Timestamp::now());
        let event = NewEvent::new("paid", event_version, "{}", id, now, &metadata);
        store.append(&[Append::new(&stream(key), Any, &[event])]).unwrap();
    }
    // Vacuuming gives the changed rows their checksums.
    doctor(
        &file,
        "UPDATE factum_events SET version = version + 16777214, checksum = NULL WHERE stream = 2;
         UPDATE factum_events SET stream = stream << 32, checksum = NULL WHERE stream = 3;
         UPDATE factum_streams SET id = id << 32 WHERE id = 3;
         UPDATE factum_events SET position = position << 57, checksum = NULL WHERE stream = 4",
    );
    store.vacuum().unwrap();
    let all = |filter| {
        let mut seen = Vec::new();
        let visit = &mut |event: &StoredEvent<'_>| {
            let envelope = &event.envelope;
            let position = envelope.position.get();
            seen.push((envelope.key.to_owned(), position, envelope.version, event.event_version));
            ControlFlow::Continue(())
        };
        store.read_all(filter, Position::START, usize::MAX, visit).unwrap();
        seen
    };
    let expected = [
        ("a", 1, 1, 127),
        ("a", 2, 2, 128),
        ("a", 3, 3, u32::MAX),
        ("b", 4, (1 << 24) - 1, 1),
        ("b", 5, 1 << 24, 1),
        ("c", 6, 1, 1),
        ("d", 7 << 57, 1, 1),
    ];
    let expected = expected.map(|(key, position, version, of)| (key.to_owned(), position, version, of));
    assert_eq!(all(Filter::new()), expected);
    assert_eq!(all(Filter::new().without_metadata()), expected);
    let mut replayed = Vec::new();
    for (key, after) in [("a", 0), ("b", (1 << 24) - 2), ("c", 0), ("d", 0)] {
        let visit = &mut |event: &ReplayedEvent<'_>| {
            replayed.push((key.to_owned(), event.position.get(), event.version, event.event_version));
            ControlFlow::Continue(())
        };
        store.replay(&stream(key), after, usize::MAX, visit).unwrap();
    }
    assert_eq!(replayed, expected);
}

#[test]
fn a_store_that_ignores_checksums_still_writes_and_checks_them() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    drop(filled(&file));
    doctor(&file, "UPDATE factum_events SET payload = '{\"cents\":501}', recorded_at = 0 WHERE position = 2");
    let store = SqliteOptions::new().ignore_checksums().open(&file).unwrap();
    append(&store, &stream("a"), Any, &["x"]).unwrap();
    let seen = |event: &mut Vec<String>, payload: &str| {
        event.push(payload.to_owned());
        ControlFlow::Continue(())
    };
    let (mut all, mut of_stream, mut replayed) = (Vec::new(), Vec::new(), Vec::new());
    store.read_all(Filter::new(), Position::START, 2, &mut |event| seen(&mut all, event.payload)).unwrap();
    store.read_stream(&stream("a"), 0, 2, &mut |event| seen(&mut of_stream, event.payload)).unwrap();
    let last =
        store.replay(&stream("a"), 0, 2, &mut |event| seen(&mut replayed, event.payload)).unwrap().unwrap();
    let expected = [r#"{"cents":500}"#, r#"{"cents":501}"#];
    assert_eq!([all, of_stream, replayed], [expected; 3]);
    assert_eq!(store.event_id(Position::new(2)).unwrap(), Some(last));
    assert!(store.check().unwrap().iter().any(|damage| damage.message.contains("checksum")));
    // The events that this store has appended have checksums.
    drop(store);
    doctor(&file, "UPDATE factum_events SET payload = '{}' WHERE position = 5");
    let read = read_all(&SqliteStore::open(&file).unwrap());
    assert!(matches!(read, Err(StoreError::DamagedEvent { column: "checksum", .. })), "{read:?}");
    doctor(&file, "UPDATE factum_events SET checksum = NULL WHERE position = 2");
    let read = read_all(&SqliteStore::open(&file).unwrap()).unwrap_err().to_string();
    assert!(read.contains("position 5"), "{read}");
}

/// Rows of an earlier factum have no checksum.
#[test]
fn a_vacuum_adds_the_checksums_that_are_missing() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = filled(&file);
    let payloads: Vec<_> = (0..1_500).map(|number: u32| number.to_string()).collect();
    append(&store, &stream("many"), Any, &payloads.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let checksums = || {
        let connection = Connection::open(&file).unwrap();
        let mut select = connection.prepare("SELECT checksum FROM factum_events ORDER BY position").unwrap();
        let checksums = select.query_map((), |row| row.get::<_, Option<i64>>(0)).unwrap();
        checksums.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let before = checksums();
    assert!(before.iter().all(Option::is_some));
    doctor(
        &file,
        "UPDATE factum_events SET checksum = NULL;
         UPDATE factum_events SET name = CAST(x'ff' AS TEXT) WHERE position = 2",
    );
    assert_eq!(read_all(&store).unwrap_err().to_string().matches("checksum").count(), 0);
    store.vacuum().unwrap();
    let mut expected = before.clone();
    expected[1] = None;
    assert_eq!(checksums(), expected, "an event that can't be read gets none");
    doctor(&file, "UPDATE factum_events SET name = 'paid' WHERE position = 2");
    store.vacuum().unwrap();
    assert_eq!(checksums(), before);
    assert_eq!(store.check().unwrap(), []);
}
