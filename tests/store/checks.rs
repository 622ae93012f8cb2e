//! What a check of the file finds: one damage at a time.

use std::fs;

use factum::prelude::*;
use factum::store::ExpectedVersion::Any;
use factum::store::{Append, NewEvent, NewKey, StoredSnapshot};
use factum::{Metadata, Position, Timestamp};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::account::{Account, deposit, open};
use crate::support::events::{append, stream};
use crate::support::stores::{doctor, open_store};
use crate::support::views::Balances;

/// A store of each kind of rows, with eight events.
fn filled(folder: &TempDir) -> SqliteStore {
    let store = open_store(&folder.path().join("store.db"));
    let accounts = store.repository::<Account>();
    for account in ["a", "b"] {
        accounts.execute(open(account)).unwrap();
        accounts.execute(deposit(account, 5)).unwrap();
    }
    let balances = SqliteProjection::new(&store, Balances::default()).unwrap();
    balances.workers(3).catch_up().unwrap();
    append(&store, &stream("c"), Any, &["1", "2"]).unwrap();
    let snapshot = StoredSnapshot::new(2, Position::new(6), Timestamp::now(), 1, 2, b"state");
    store.save_snapshot(&stream("c"), &snapshot).unwrap();
    let metadata = Metadata::new(None, None, Some("\"custom\""));
    let (id, now) = (Uuid::now_v7(), Timestamp::now());
    let event = NewEvent::new("noted", 1, r#"{"text":"keyed"}"#, id, now, &metadata);
    let keys = [NewKey::new("key", 0..1, now)];
    store.append(&[Append::new(&stream("d"), Any, &[event]).with_keys(&keys)]).unwrap();
    append(&store, &stream("d"), Any, &["3"]).unwrap();
    assert_eq!(store.check().unwrap(), []);
    store
}

/// A check finds `expected` after `sql` was run on the file.
#[track_caller]
fn finds(sql: &str, expected: &str) {
    let folder = TempDir::new().unwrap();
    let store = filled(&folder);
    doctor(&folder.path().join("store.db"), sql);
    let found: Vec<_> = store.check().unwrap().into_iter().map(|damage| damage.message).collect();
    assert!(
        found.iter().any(|message| message.contains(expected)),
        "{sql}: wanted {expected}, found {found:#?}"
    );
}

#[test]
fn missing_events() {
    finds("DELETE FROM factum_events WHERE position = 3", "missing between position 2 and position 4");
    finds("DELETE FROM factum_events WHERE position = 1", "missing between position 0 and position 2");
    finds("DELETE FROM factum_events WHERE position = 1", "account/a has 1 events, and versions from 2 to 2");
}

#[test]
fn missing_last_events() {
    let last = |position: u64| format!("DELETE FROM factum_events WHERE position > {position}");
    finds(&last(6), "`key` of stream 4 has the outcome of versions 0 to 1, and the stream ends at version 0");
    finds(&last(5), "snapshot of stream 3 is of version 2 at position 6");
    finds(&last(3), "partition 0 of `balances` is at position");
    finds(&last(2), "partition 1 of `balances` is at position");
}

#[test]
fn positions_and_versions_out_of_order() {
    finds(
        "UPDATE factum_events SET position = 99 WHERE position = 1;
         UPDATE factum_events SET position = 1 WHERE position = 2; UPDATE factum_events SET position = 2 WHERE position = 99",
        "version 2 of stream 1 is at position 1, and the version before it is at position 2",
    );
}

#[test]
fn numbers_that_factum_never_writes() {
    finds(
        "UPDATE factum_events SET position = -3 WHERE position = 3",
        "position -3 is damaged: position is -3",
    );
    finds("UPDATE factum_events SET position = 0 WHERE position = 3", "position 0 is damaged: position is 0");
    finds(
        "UPDATE factum_events SET position = 9223372036854775807 WHERE position = 8",
        "missing between position 7 and position 9223372036854775807",
    );
    finds("UPDATE factum_events SET version = -1 WHERE position = 3", "position 3 is damaged: version is -1");
    finds("UPDATE factum_events SET schema = -1 WHERE position = 3", "position 3 is damaged: schema");
    finds("UPDATE factum_events SET schema = 1 << 40 WHERE position = 3", "position 3 is damaged: schema");
    finds("UPDATE factum_streams SET id = -4 WHERE id = 4", "tested/d is stream -4, and the first is 1");
}

#[test]
fn columns_of_an_event() {
    let not_utf8 = "CAST(x'ff' AS TEXT)";
    for (column, value, problem) in [
        ("id", "x'00'", "id"),
        ("correlation", "x'00'", "correlation"),
        ("causation", "zeroblob(17)", "causation"),
        ("name", not_utf8, "name"),
        ("payload", not_utf8, "payload"),
        ("custom", not_utf8, "custom"),
        ("payload", "replace(payload, 'keyed', 'other')", "checksum"),
        ("custom", "'\"other\"'", "checksum"),
    ] {
        let sql = format!("UPDATE factum_events SET {column} = {value} WHERE position = 7");
        finds(&sql, &format!("position 7 is damaged: {problem}"));
    }
    let custom = "UPDATE factum_events SET custom = 'no JSON', checksum = NULL WHERE position = 7";
    finds(custom, "custom metadata of the event at position 7 are not JSON");
    let payload = "UPDATE factum_events SET payload = 'no JSON', checksum = NULL WHERE position = 7";
    finds(payload, "payload of the event at position 7 is not JSON");
    finds("UPDATE factum_streams SET key = CAST(x'ff' AS TEXT) WHERE id = 4", "position 7 is damaged: key");
    finds("DELETE FROM factum_streams WHERE id = 4", "position 7 is damaged: category is missing");
}

#[test]
fn idempotency_keys() {
    for (change, outcome) in [
        ("version = 999", "versions 0 to 999"),
        ("before = -1", "versions -1 to 1"),
        ("before = 2", "versions 2 to 1"),
        ("stream = 77", "stream 77"),
        ("recorded_at = 0", "checksum"),
    ] {
        finds(&format!("UPDATE factum_keys SET {change}"), outcome);
    }
}

#[test]
fn the_progress_of_followers() {
    finds("UPDATE factum_checkpoints SET position = 999", "checkpoint of `balances` is position 999");
    finds("UPDATE factum_checkpoints SET position = -1", "checkpoint of `balances` is position -1");
    finds("UPDATE factum_checkpoints SET event = zeroblob(16)", "checkpoint of `balances` is position");
    finds(
        "UPDATE factum_parts SET position = 999 WHERE part = 2",
        "partition 2 of `balances` is at position 999",
    );
    finds("DELETE FROM factum_parts WHERE part = 0", "`balances` has 2 partitions, numbered from 1 to 2");
    finds("DELETE FROM factum_parts WHERE part = 1", "`balances` has 2 partitions, numbered from 0 to 2");
    finds(
        "UPDATE factum_parts SET part = 9 WHERE part = 2",
        "`balances` has 3 partitions, numbered from 0 to 9",
    );
    finds(
        "INSERT INTO factum_dead_letters (projection, position, error, attempts, set_aside_at) VALUES ('balances', 99, '', 1, 0)",
        "`balances` has a dead letter at position 99",
    );
}

/// Followers of another store's events have its positions.
#[test]
fn a_file_of_views_is_whole() {
    let folder = TempDir::new().unwrap();
    let store = filled(&folder);
    let views = open_store(&folder.path().join("views.db"));
    SqliteProjection::in_store(&views, &store, Balances::default()).unwrap().workers(2).catch_up().unwrap();
    assert_eq!(views.check().unwrap(), []);
}

/// Two entries of an index lead to each other's rows. Both rows have an entry, so that SQLite sees no error.
#[test]
fn exchanged_entries_of_an_index() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = filled(&folder);
    store.checkpoint_wal().unwrap();
    drop(store);
    let mut bytes = fs::read(&file).unwrap();
    // An entry: the length of its header, the types of stream, version and position, and their values.
    let entry = |stream, version, position| [4, 1, 1, 1, stream, version, position];
    let mut replace = |from: [u8; 7], to: [u8; 7]| {
        let at = bytes.windows(7).position(|found| found == from).expect("the entry is in the file");
        bytes[at..at + 7].copy_from_slice(&to);
    };
    replace(entry(2, 2, 4), entry(2, 2, 6));
    replace(entry(3, 2, 6), entry(3, 2, 4));
    fs::write(&file, bytes).unwrap();
    let found: Vec<_> = open_store(&file).check().unwrap().into_iter().map(|damage| damage.message).collect();
    let expected = "version 2 of stream 2 is at position 6, where another event is";
    assert!(found.iter().any(|message| message.contains(expected)), "{found:#?}");
}
