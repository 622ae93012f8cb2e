//! Rows that factum never writes: the error names the event and the column.

use std::ops::ControlFlow;

use factum::Position;
use factum::sqlite::SqliteStore;
use factum::store::ExpectedVersion::NoStream;
use factum::store::{EventStore, Filter, StoreError};
use tempfile::TempDir;

use crate::support::events::{append, read, stream};
use crate::support::stores::doctor;

/// The position of the damaged event: the second one of stream `a`.
const DOCTORED: i64 = 2;

/// A store with three events in stream `a` and two in stream `b`, after `sql` was run on its file.
fn doctored(sql: &str) -> (TempDir, SqliteStore) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    append(&store, &stream("a"), NoStream, &["1", "2", "3"]).unwrap();
    append(&store, &stream("b"), NoStream, &["4", "5"]).unwrap();
    drop(store);
    doctor(&file, sql);
    let store = SqliteStore::open(&file).unwrap();
    (folder, store)
}

/// Stores `value` in a column of the second event. Both ways to read must report it, and the rest must stay
/// readable.
#[track_caller]
fn tells_damage(column: &'static str, value: &str) {
    let sql = format!("UPDATE factum_events SET {column} = {value} WHERE position = {DOCTORED}");
    let (_folder, store) = doctored(&sql);
    is_damage(read_versions(&store, "a"), &[1], DOCTORED, column);
    is_damage(read_positions(&store, 0), &[1], DOCTORED, column);
    // A replay reads fewer columns, and checks those that it reads.
    if !["id", "correlation", "causation", "custom"].contains(&column) {
        is_damage(replay(&store, "a"), &[1], DOCTORED, column);
    }
    // The other stream and the later events can still be read.
    assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
    let (later, result) = read_positions(&store, 2);
    result.unwrap();
    assert_eq!(later, [3, 4, 5]);
}

/// The read must pass on these events, then report the damage.
#[track_caller]
fn is_damage(read: (Vec<u64>, Result<(), StoreError>), before: &[u64], at: i64, what: &str) {
    let (seen, result) = read;
    assert_eq!(seen, before, "the events before the damaged one");
    match result {
        Err(StoreError::DamagedEvent { position, column, problem, .. }) => {
            assert_eq!((position, column), (at, what));
            assert!(!problem.is_empty());
        }
        other => panic!("wanted damage of `{what}`, found {other:?}"),
    }
}

fn replay(store: &SqliteStore, key: &str) -> (Vec<u64>, Result<(), StoreError>) {
    let mut versions = Vec::new();
    let result = store.replay(&stream(key), 0, usize::MAX, &mut |event| {
        versions.push(event.version);
        ControlFlow::Continue(())
    });
    (versions, result.map(drop))
}

fn read_versions(store: &SqliteStore, key: &str) -> (Vec<u64>, Result<(), StoreError>) {
    let mut seen = Vec::new();
    let result = store.read_stream(&stream(key), 0, usize::MAX, &mut |event| {
        seen.push(event.envelope.version);
        ControlFlow::Continue(())
    });
    (seen, result)
}

fn read_positions(store: &SqliteStore, after: u64) -> (Vec<u64>, Result<(), StoreError>) {
    let mut seen = Vec::new();
    let result = store.read_all(Filter::default(), Position::new(after), usize::MAX, &mut |event| {
        seen.push(event.envelope.position.get());
        ControlFlow::Continue(())
    });
    (seen, result)
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    for column in ["payload", "name", "custom"] {
        tells_damage(column, "CAST(x'ff' AS TEXT)");
        tells_damage(column, "CAST(x'61c3' AS TEXT)");
    }
}

#[test]
fn an_id_of_the_wrong_length_is_an_error() {
    for column in ["id", "correlation", "causation"] {
        for value in ["x''", "x'00'", "zeroblob(15)", "zeroblob(17)"] {
            tells_damage(column, value);
        }
    }
}

#[test]
fn an_impossible_event_version_is_an_error() {
    for value in ["-1", "4294967296", "9223372036854775807"] {
        tells_damage("schema", value);
    }
}

/// Values that STRICT tables refuse can be in a file whose tables are not strict.
#[test]
fn a_value_of_the_wrong_type_is_an_error() {
    for (column, value) in [
        ("payload", "x'7b7d'"),
        ("payload", "7"),
        ("payload", "NULL"),
        ("name", "x'61'"),
        ("custom", "1.5"),
        ("schema", "'one'"),
        ("id", "'0123456789abcdef'"),
        ("id", "NULL"),
        ("correlation", "7"),
        ("recorded_at", "'yesterday'"),
    ] {
        let update = format!("UPDATE factum_events SET {column} = {value} WHERE position = {DOCTORED};");
        let (_folder, store) = doctored(&format!("{WITHOUT_TYPES}{update}"));
        is_damage(read_versions(&store, "a"), &[1], DOCTORED, column);
        is_damage(read_positions(&store, 0), &[1], DOCTORED, column);
        assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
    }
}

/// The events table, as another program could have written it, without types.
const WITHOUT_TYPES: &str = "
    CREATE TABLE copied (
        position INTEGER PRIMARY KEY, stream, version, name, schema, id, recorded_at, correlation, causation, custom,
        payload, checksum, UNIQUE (stream, version)
    );
    INSERT INTO copied SELECT * FROM factum_events;
    DROP TABLE factum_events;
    ALTER TABLE copied RENAME TO factum_events;
";

#[test]
fn a_negative_version_is_an_error() {
    let (_folder, store) = doctored("UPDATE factum_events SET version = -1 WHERE position = 2");
    // It is the first in its stream, but keeps its place among all events.
    is_damage(read_versions(&store, "a"), &[], 2, "version");
    is_damage(read_positions(&store, 0), &[1], 2, "version");
    assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
}

#[test]
fn a_negative_position_is_an_error() {
    let (_folder, store) = doctored("UPDATE factum_events SET position = -7 WHERE position = 2");
    is_damage(read_versions(&store, "a"), &[1], -7, "position");
    is_damage(read_positions(&store, 0), &[], -7, "position");
    assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
}

#[test]
fn a_stream_name_that_is_not_utf8_is_an_error() {
    for column in ["category", "key"] {
        let sql = format!("UPDATE factum_streams SET {column} = CAST(x'ff' AS TEXT) WHERE key = 'a'");
        let (_folder, store) = doctored(&sql);
        is_damage(read_positions(&store, 0), &[], 1, column);
        assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
    }
}

#[test]
fn events_of_a_stream_that_is_gone() {
    let (_folder, store) = doctored("DELETE FROM factum_streams WHERE key = 'a'");
    is_damage(read_positions(&store, 0), &[], 1, "category");
    assert_eq!(read(&store, &stream("b")).unwrap(), ["4", "5"]);
}

/// A version that has no successor is an error, not a wrap-around or a panic. Nothing is stored.
#[test]
fn the_greatest_version() {
    let (_folder, store) =
        doctored("UPDATE factum_events SET version = 9223372036854775807 WHERE position = 3");
    let refused = append(&store, &stream("a"), factum::store::ExpectedVersion::Any, &["6"]);
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(store.position().unwrap(), Position::new(5));
    append(&store, &stream("b"), factum::store::ExpectedVersion::Exactly(2), &["6"]).unwrap();
}
