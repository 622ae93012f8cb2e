//! Views whose constraints SQLite checks at the commit: the event that breaks one is found, also among others.

use std::ops::ControlFlow;
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::with_causes;

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::stores::{LONG, open_store, sqlite_stores};

#[derive(Clone, Projection)]
#[projection(
    name = "entries",
    from(Account),
    events(Opened, Deposited),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE owners (name TEXT PRIMARY KEY);
            CREATE TABLE entries (owner TEXT NOT NULL REFERENCES owners DEFERRABLE INITIALLY DEFERRED)",
)]
struct Entries;

#[handlers]
impl Entries {
    #[project]
    fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO owners VALUES (?1)", [key]).map(drop)
    }

    #[project]
    fn deposited(&self, event: &Deposited, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let owner = if event.cents == 13 { "an account that is not there" } else { key };
        transaction.execute("INSERT INTO entries VALUES (?1)", [owner]).map(drop)
    }
}

/// The deposits that `Entries` can't commit are at these positions, of 101 for `alice` and 101 for `bob`.
const REFUSED: [u64; 2] = [38, 139];

fn fill(store: &SqliteStore) {
    let accounts = store.repository::<Account>();
    for name in ["alice", "bob"] {
        accounts.execute(open(name)).unwrap();
        let cents = |number| if number == 36 { 13 } else { 1 };
        accounts.execute_batch(&id(name), (0..100).map(|number| deposit(name, cents(number)))).unwrap();
    }
}

fn entries(store: &SqliteStore) -> u64 {
    store.query(|view| view.query_row("SELECT count(*) FROM entries", (), |row| row.get(0))).unwrap()
}

#[track_caller]
fn check(error: &FollowError, position: u64) {
    let FollowError::CommitRefused { position: found, .. } = error else { panic!("{}", with_causes(error)) };
    assert_eq!((found.get(), error.position()), (position, Some(*found)));
    let text = with_causes(error);
    let begin =
        format!("`entries`: what its handler has written at position {position} can't be committed: ");
    assert!(text.starts_with(&begin) && text.contains("FOREIGN KEY constraint failed"), "{text}");
}

#[test]
fn a_catch_up_names_the_event() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let mut view = SqliteProjection::new(&store, Entries).unwrap();
        for _ in 0..2 {
            let ProjectionError::Follow(error) = view.catch_up().unwrap_err() else { panic!() };
            check(&error, REFUSED[0]);
            assert_eq!(view.position().unwrap(), Position::new(REFUSED[0] - 1), "those before it count");
            assert_eq!(entries(&store), 36);
        }
        // The new view is made in another file, and meets the event there.
        let ProjectionError::Follow(error) = view.rebuild().unwrap_err() else { panic!() };
        check(&error, REFUSED[0]);
    }
}

#[test]
fn the_event_becomes_a_dead_letter() {
    for workers in [1, 3] {
        let folder = tempfile::tempdir().unwrap();
        for store in sqlite_stores(&folder) {
            fill(&store);
            let view = SqliteProjection::new(&store, Entries).unwrap().workers(workers);
            let follow = view.follow().retry(1, Duration::ZERO).on_failure(OnFailure::DeadLetter);
            let running = follow.start().unwrap();
            running.wait_for(Position::new(202), LONG).unwrap();
            let mut view = running.stop().unwrap();
            let letters = view.dead_letters().unwrap();
            assert_eq!(letters.iter().map(|letter| letter.position.get()).collect::<Vec<_>>(), REFUSED);
            assert!(letters.iter().all(|letter| letter.error.contains("FOREIGN KEY constraint failed")));
            assert_eq!((letters[0].attempts, entries(&store)), (2, 198));
            let retried = view.retry_dead_letters().unwrap();
            assert_eq!((retried.succeeded, retried.failed), (0, 2));
            assert_eq!(view.dead_letters().unwrap()[1].attempts, 3);
        }
    }
}

/// The transaction that replaces the view also has the events that came meanwhile.
#[test]
fn a_rebuild_replaces_the_view_before_the_event() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        SqliteProjection::new(&store, Entries).unwrap().catch_up().unwrap();
        let other = store.clone();
        let mut view = SqliteProjection::new(&store, Entries).unwrap().on_progress(move |progress| {
            let accounts = other.repository::<Account>();
            if progress.done == progress.total && other.position().unwrap() == Position::new(2) {
                accounts.execute(deposit("alice", 2)).unwrap();
                accounts.execute(deposit("alice", 13)).unwrap();
            }
            ControlFlow::Continue(())
        });
        let ProjectionError::Follow(error) = view.rebuild().unwrap_err() else { panic!() };
        check(&error, 4);
        assert_eq!((entries(&store), view.position().unwrap()), (2, Position::new(3)));
    }
}

/// Another program has written the event. Appends go on without the view, which stays before it.
#[test]
fn an_event_of_another_program_stops_no_append() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    SqliteProjection::new(&with, Entries).unwrap().inline().unwrap();
    fill(&without);
    let accounts = with.repository::<Account>();
    for _ in 0..2 {
        accounts.execute(deposit("alice", 1)).unwrap();
        let [view] = &with.inline_views().unwrap()[..] else { panic!() };
        check(view.error.as_ref().unwrap(), REFUSED[0]);
        assert_eq!((view.position, entries(&with)), (Some(Position::new(REFUSED[0] - 1)), 36));
    }
}

#[test]
fn an_event_of_the_append_itself_makes_it_fail() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        SqliteProjection::new(&store, Entries).unwrap().inline().unwrap();
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let error = accounts.execute(deposit("alice", 13)).unwrap_err();
        assert!(with_causes(&error).contains("FOREIGN KEY constraint failed"), "{}", with_causes(&error));
        accounts.execute(deposit("alice", 1)).unwrap();
        assert_eq!((entries(&store), store.position().unwrap()), (1, Position::new(2)));
    }
}
