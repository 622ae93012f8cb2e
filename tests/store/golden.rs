//! Files that earlier versions wrote: each opens with all its content.
//!
//! The files in `golden` are never edited. `schema-1.db` was written before there was a second schema. To
//! write a file of the current schema, once it is released: `FACTUM_WRITE_GOLDEN=path cargo test -p
//! factum-tests --test suite write_golden`.

use std::fs;
use std::path::{Path, PathBuf};

use factum::prelude::*;
use factum::sqlite::rusqlite::{Connection, Transaction};
use factum::sqlite::{OpenError, SqliteOptions};
use factum::store::{Append, ExpectedVersion, Filter, NewEvent, NewKey, Outcome, StoredSnapshot};
use factum::{Metadata, Position, StreamName, Uuid};
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use tempfile::TempDir;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted {
    text: String,
}

#[derive(Projection)]
#[projection(
    name = "notes",
    events(Noted),
    from("diary"),
    into = Sqlite,
    init = "CREATE TABLE notes (stream TEXT NOT NULL, text TEXT NOT NULL)",
)]
struct Notes;

#[handlers]
impl Notes {
    #[project]
    fn noted(
        &self,
        event: &Noted,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        transaction.execute("INSERT INTO notes VALUES (?1, ?2)", [envelope.key, &event.text])?;
        Ok(())
    }
}

fn golden(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("store/golden/schema-{schema}.db"))
}

/// A copy of the file, in a writable folder.
fn copy(schema: u32) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    fs::copy(golden(schema), &file).unwrap();
    (folder, file)
}

/// The content of each of these files: stream, version, id and so on, computed from the position.
fn events() -> Vec<String> {
    let streams = [("alice", 1), ("alice", 2), ("alice", 3), ("bob", 1), ("", 1), ("", 2)];
    let event = |((key, version), position): ((&str, u64), u128)| {
        let metadata = metadata(position);
        let payload = format!(r#"{{"text":"{key} {} é"}}"#, version - 1);
        let id = Uuid::from_u128(position);
        let time = time(position);
        format!("{position} diary/{key} {version} {id} {time:?} {metadata:?} noted 1 {payload}")
    };
    streams.into_iter().zip(1..).map(event).collect()
}

fn time(position: u128) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + i64::try_from(position).unwrap())
}

fn metadata(position: u128) -> Metadata {
    let id =
        |base: u128, every: u128| position.is_multiple_of(every).then(|| Uuid::from_u128(base + position));
    Metadata::new(id(1000, 2), id(2000, 3), (position == 4).then_some(r#"{"user":"ü"}"#))
}

fn found(store: &SqliteStore) -> Vec<String> {
    let mut found = Vec::new();
    let read = store.read_all(Filter::default(), Position::START, usize::MAX, &mut |event| {
        let envelope = &event.envelope;
        found.push(format!(
            "{} {} {} {} {:?} {:?} {} {} {}",
            envelope.position,
            envelope.stream(),
            envelope.version,
            envelope.id,
            envelope.recorded_at,
            envelope.metadata(),
            event.name,
            event.event_version,
            event.payload,
        ));
        ControlFlow::Continue(())
    });
    read.unwrap();
    found
}

/// The view in the golden files is older than `from(..)`, which is part of its definition.
fn name_the_aggregate(file: &Path) {
    let store = SqliteStore::in_memory().unwrap();
    drop(SqliteProjection::new(&store, Notes).unwrap());
    let definition: i64 = store
        .query(|view| view.query_row("SELECT definition FROM factum_checkpoints", (), |row| row.get(0)))
        .unwrap();
    let file = Connection::open(file).unwrap();
    assert_eq!(file.execute("UPDATE factum_checkpoints SET definition = ?1", [definition]).unwrap(), 1);
}

/// Everything that a store does must work on a migrated file.
fn works(store: &SqliteStore) {
    name_the_aggregate(store.path().unwrap());
    let alice = StreamName::new("diary", "alice");
    let mut notes = SqliteProjection::new(store, Notes).unwrap();
    assert_eq!(notes.position().unwrap(), Position::new(6), "the view keeps its position");
    let metadata = Metadata::default();
    let payload = r#"{"text":"new"}"#;
    let event = NewEvent::new("noted", 1, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
    let keyed_at = Timestamp::now();
    let keys = [NewKey::new("new", 0..1, keyed_at)];
    let append = Append::new(&alice, 3, std::slice::from_ref(&event)).with_keys(&keys);
    assert_eq!(store.append(&[append]).unwrap().first_position, Some(Position::new(7)));
    assert_eq!(store.outcome(&alice, "new").unwrap(), Some(Outcome::new(3, 4, keyed_at, None)));
    let snapshot = StoredSnapshot::new(4, Position::new(7), Timestamp::now(), 1, 2, b"state");
    store.save_snapshot(&alice, &snapshot).unwrap();
    let mut kept = None;
    store.read_snapshot(&alice, &mut |snapshot| kept = Some(snapshot.version)).unwrap();
    assert_eq!(kept, Some(4));
    assert_eq!(notes.catch_up().unwrap().events, 1);
    assert_eq!(store.check().unwrap(), []);
    store.vacuum().unwrap();
    assert_eq!(store.check().unwrap(), []);
}

fn schema(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).unwrap();
    let mut select = connection
        .prepare("SELECT coalesce(sql, name) FROM sqlite_schema WHERE tbl_name LIKE 'factum_%' ORDER BY name")
        .unwrap();
    let rows = select.query_map((), |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[test]
fn golden_files_open_and_are_brought_up_to_date() {
    let fresh = TempDir::new().unwrap();
    drop(SqliteStore::open(fresh.path().join("store.db")).unwrap());
    let mut schemas = 0;
    for version in 1.. {
        if !golden(version).exists() {
            break;
        }
        schemas += 1;
        let (_folder, file) = copy(version);
        for _ in 0..2 {
            let store = SqliteStore::open(&file).unwrap();
            assert_eq!(found(&store), events(), "schema {version}");
        }
        works(&SqliteStore::open(&file).unwrap());
        assert_eq!(schema(&file), schema(&fresh.path().join("store.db")), "schema {version}");
    }
    assert_eq!(schemas, 4, "one file for each version of the schema");
}

#[test]
fn an_old_file_opened_for_reading_only_is_an_error_with_a_remedy() {
    let (_folder, file) = copy(1);
    let before = fs::read(&file).unwrap();
    let error = SqliteOptions::new().read_only().open(&file).unwrap_err();
    assert!(matches!(error, OpenError::OlderSchema { found: 1, known: 7, .. }), "{error}");
    assert!(error.to_string().ends_with("open it once for writing, which brings it to version 7"), "{error}");
    assert_eq!(fs::read(&file).unwrap(), before);
    drop(SqliteStore::open(&file).unwrap());
    assert_eq!(found(&SqliteOptions::new().read_only().open(&file).unwrap()), events());
}

/// Several programs that open an old file at once migrate it once.
#[test]
fn many_may_bring_a_file_up_to_date_at_once() {
    let (_folder, file) = copy(1);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(found(&SqliteStore::open(&file).unwrap()), events()));
        }
    });
}

/// A migration that fails leaves the old version complete.
#[test]
fn a_migration_is_made_whole_or_not_at_all() {
    let (_folder, file) = copy(1);
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE factum_snapshots (mine)").unwrap();
    let before = schema(&file);
    let error = SqliteStore::open(&file).unwrap_err();
    assert!(matches!(error, OpenError::Sqlite { .. }), "{error}");
    assert_eq!(schema(&file), before);
    Connection::open(&file).unwrap().execute_batch("DROP TABLE factum_snapshots").unwrap();
    works(&SqliteStore::open(&file).unwrap());
}

/// Writes a file of the current schema to the path that the environment names.
#[test]
fn write_golden_file() {
    let Some(path) = std::env::var_os("FACTUM_WRITE_GOLDEN") else { return };
    let store = SqliteStore::open(&path).unwrap();
    for (event, position) in events().iter().zip(1..) {
        let mut words = event.splitn(4, ' ').skip(1);
        let key = words.next().unwrap().strip_prefix("diary/").unwrap();
        let stream = StreamName::new("diary", key);
        let payload = &event[event.find(r#"{"text""#).unwrap()..];
        let metadata = metadata(position);
        let (id, recorded_at) = (Uuid::from_u128(position), time(position));
        let new = NewEvent::new("noted", 1, payload, id, recorded_at, &metadata);
        store.append(&[Append::new(&stream, ExpectedVersion::Any, &[new])]).unwrap();
    }
    SqliteProjection::new(&store, Notes).unwrap().catch_up().unwrap();
    let bob = StreamName::new("diary", "bob");
    let keys = [NewKey::new("golden", 0..0, time(9))];
    store.append(&[Append::new(&bob, 1, &[]).with_keys(&keys)]).unwrap();
    let snapshot = StoredSnapshot::new(1, Position::new(4), time(9), 3, 5, b"{}");
    store.save_snapshot(&bob, &snapshot).unwrap();
}
