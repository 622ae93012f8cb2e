//! Positions and stream numbers that factum never writes: no reader walks without an end, and nothing is passed over.

use std::time::Duration;

use factum::Position;
use factum::follow::SubscriptionOptions;
use factum::prelude::*;
use factum::sqlite::{SqliteStore, ViewTransaction};
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, Filter, Partition, StoreError};
use tempfile::TempDir;

use crate::support::account::{Account, Closed, Opened, deposit, open};
use crate::support::bounded::wait_until;
use crate::support::events::{append, read, stream};
use crate::support::stores::{LONG, doctor, open_store};

/// A store with five events in as many streams, after `sql` was run on its file.
fn doctored(sql: &str) -> (TempDir, SqliteStore) {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = open_store(&file);
    for number in 1..=5 {
        append(&store, &stream(&number.to_string()), Any, &[&number.to_string()]).unwrap();
    }
    drop(store);
    doctor(&file, sql);
    let store = open_store(&file);
    (folder, store)
}

fn moved_to(position: i64) -> (TempDir, SqliteStore) {
    doctored(&format!("UPDATE factum_events SET position = {position}, checksum = NULL WHERE position = 5"))
}

#[track_caller]
fn is_damage<T: std::fmt::Debug>(result: Result<T, StoreError>, at: i64) {
    match result {
        Err(StoreError::DamagedEvent { position, column: "position", .. }) => assert_eq!(position, at),
        other => panic!("wanted damage of the position {at}, found {other:?}"),
    }
}

fn read_all(store: &SqliteStore) -> Result<Vec<u64>, StoreError> {
    let mut seen = Vec::new();
    store.read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
        seen.push(event.envelope.position.get());
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(seen)
}

#[test]
fn a_position_below_one_is_an_error_of_every_read() {
    for position in [0, -1, i64::MIN + 1, i64::MIN] {
        let (_folder, store) = moved_to(position);
        is_damage(store.position(), position);
        is_damage(read_all(&store), position);
        is_damage(read(&store, &stream("5")), position);
        is_damage(store.next_position(Position::START), position);
        is_damage(store.wait_for(Position::new(9), Duration::ZERO), position);
        assert_eq!(read(&store, &stream("1")).unwrap(), ["1"]);
    }
    let (_folder, store) =
        doctored("DELETE FROM factum_events WHERE position < 5; UPDATE factum_events SET position = -7");
    match append(&store, &stream("a"), Any, &["6"]) {
        Err(AppendError::Store { source, .. }) => is_damage::<()>(Err(source), -7),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_version_below_one_is_an_error() {
    for version in ["0", "-9223372036854775808"] {
        let sql = format!("UPDATE factum_events SET version = {version} WHERE position = 2");
        let (_folder, store) = doctored(&sql);
        for result in [
            read(&store, &stream("2")).map(drop),
            store.replay(&stream("2"), 0, usize::MAX, &mut |_| std::ops::ControlFlow::Continue(())).map(drop),
            read_all(&store).map(drop),
        ] {
            assert!(
                matches!(result, Err(StoreError::DamagedEvent { position: 2, column: "version", .. })),
                "{result:?}"
            );
        }
    }
}

#[test]
fn no_event_comes_after_the_greatest_position() {
    let (_folder, store) = moved_to(i64::MAX - 2);
    append(&store, &stream("a"), Any, &["6"]).unwrap();
    for payloads in [&["7", "8"][..], &["7", "8", "9"]] {
        match append(&store, &stream("a"), Any, payloads) {
            Err(AppendError::Store { source, .. }) => is_damage::<()>(Err(source), i64::MAX - 1),
            other => panic!("{other:?}"),
        }
    }
    append(&store, &stream("a"), Any, &["7"]).unwrap();
    assert!(append(&store, &stream("a"), Any, &["8"]).is_err());
    assert!(append(&store, &stream("1"), Any, &["8"]).is_err());
    let greatest = i64::MAX.unsigned_abs();
    assert_eq!(read_all(&store).unwrap(), [1, 2, 3, 4, greatest - 2, greatest - 1, greatest]);
    assert_eq!(store.next_position(Position::new(4)).unwrap(), Some(Position::new(greatest - 2)));
    assert_eq!(store.next_position(Position::new(greatest)).unwrap(), None);
    assert_eq!(store.next_position(Position::new(u64::MAX)).unwrap(), None);
}

/// A walk in steps of thousands of positions would not come to its end.
#[test]
fn readers_jump_over_a_wide_gap() {
    let (_folder, store) = moved_to(i64::MAX - 2);
    let mut subscription = store.subscribe(SubscriptionOptions::new().buffer(2));
    for position in [1, 2, 3, 4, i64::MAX.unsigned_abs() - 2] {
        let event = subscription.next_within(LONG).unwrap().unwrap();
        assert_eq!(event.envelope().position, Position::new(position));
    }
    let mut none = store.subscribe(SubscriptionOptions::new().names(["other"]));
    wait_until(|| {
        assert!(none.try_next().is_none());
        none.seen() == store.position().unwrap()
    });
}

/// Counts the accounts that were opened.
#[derive(Clone, Projection)]
#[projection(
    from(Account),
    events(Opened),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE opened (account TEXT)"
)]
struct OpenedAccounts;

#[handlers]
impl OpenedAccounts {
    #[project]
    fn opened(&self, _: &Opened, key: &str, transaction: &ViewTransaction<'_>) -> Result<(), BoxError> {
        transaction.execute("INSERT INTO opened VALUES (?1)", [key])?;
        Ok(())
    }
}

/// Does nothing after an account was closed.
#[derive(Reaction)]
#[reaction(from(Account), events(Closed))]
struct AfterClosing;

#[handlers]
impl AfterClosing {
    #[react]
    fn closed(&self, _: &Closed) {}
}

#[test]
fn followers_jump_over_a_wide_gap() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("store.db");
    let store = open_store(&file);
    let accounts = store.repository::<Account>();
    for account in ["a", "b", "c"] {
        accounts.execute(open(account)).unwrap();
    }
    drop((accounts, store));
    let last = i64::MAX.unsigned_abs() - 9;
    doctor(&file, &format!("UPDATE factum_events SET position = {last}, checksum = NULL WHERE position = 3"));
    let store = open_store(&file);
    let caught_up = SqliteProjection::new(&store, OpenedAccounts).unwrap().catch_up().unwrap();
    assert_eq!((caught_up.events, caught_up.position.get()), (3, last));
    let caught_up = SqliteReaction::new(&store, AfterClosing).unwrap().catch_up().unwrap();
    assert_eq!((caught_up.events, caught_up.position.get()), (0, last));
    let views = open_store(&folder.path().join("views.db"));
    let mut elsewhere = SqliteProjection::in_store(&views, &store, OpenedAccounts).unwrap().workers(3);
    assert_eq!(elsewhere.catch_up().unwrap().events, 3);
}

#[test]
fn a_negative_stream_number_is_in_one_partition() {
    let (_folder, store) = doctored(
        "UPDATE factum_streams SET id = -id WHERE id <> 2; UPDATE factum_events SET stream = -stream WHERE stream <> 2",
    );
    for count in [2, 3, 7] {
        let mut seen = Vec::new();
        for partition in Partition::all(count) {
            let filter = Filter::new().partition(partition);
            store
                .read_all(filter, Position::START, usize::MAX, &mut |event| {
                    seen.push(event.envelope.position.get());
                    std::ops::ControlFlow::Continue(())
                })
                .unwrap();
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5], "{count} partitions");
    }
}

#[test]
fn commands_refuse_a_store_without_room() {
    let (_folder, store) = moved_to(i64::MAX);
    let accounts = store.repository::<Account>();
    let error = accounts.execute(open("a")).unwrap_err();
    let text = factum::with_causes(&error);
    assert!(text.contains("position 9223372036854775807 is damaged"), "{text}");
    assert!(accounts.execute(deposit("a", 1)).is_err());
}
