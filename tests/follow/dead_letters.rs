//! Events whose handler fails: retries, dead letters, and errors for which no event is at fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, ProjectionError, WaitError};
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;
use factum::sqlite::{SqliteOptions, rusqlite};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::retries::wait_for_retries_of_no_event;
use crate::support::stores::{LONG, open_store, sqlite_stores};
use crate::support::views::{Balances, Faults, row};

#[test]
fn an_event_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        for panics in [false, true] {
            let accounts = store.repository::<Account>();
            accounts.execute(open("alice")).unwrap();
            let done = accounts
                .execute_batch(&id("alice"), [1, 13, 2].map(|cents| deposit("alice", cents)))
                .unwrap();
            let faults = Arc::new(Faults { refused: 3.into(), panics: panics.into(), ..Faults::default() });
            let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
            let following = view.follow().retry(3, Duration::from_millis(1)).start().unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            let (cents, events) = Balances::rows(&store)["alice"];
            assert_eq!((cents, events), (done.state().cents, done.version()), "each event counts once");
            assert_eq!(faults.refused.load(Ordering::SeqCst), 0);
            assert_eq!(following.stop().unwrap().dead_letters().unwrap(), []);
        }
    }
}

#[test]
fn an_event_that_keeps_failing_stops_the_view_before_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [1, 13, 2].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: 3.into(), ..Faults::default() });
        let view = || SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
        let following = view().follow().retry(2, Duration::from_millis(1)).start().unwrap();
        let error = following.wait_for(Position::new(4), LONG).unwrap_err();
        let WaitError::Ended { position, wanted, .. } = error else { panic!("{error}") };
        assert_eq!((position.get(), wanted.get()), (2, 4));
        assert!(following.has_ended());
        let error = following.stop().unwrap_err();
        assert!(
            matches!(&error, ProjectionError::Follow(FollowError::Handler { position, .. }) if position.get() == 3),
            "{error}"
        );
        assert_eq!(Balances::rows(&store), row("alice", 1, 2));
        // The fault is gone, and a new start resumes there.
        let following = view().follow().start().unwrap();
        following.wait_for(Position::new(4), LONG).unwrap();
        assert_eq!(Balances::rows(&store), row("alice", 16, 4));
    }
}

#[test]
fn an_event_can_become_a_dead_letter_and_be_retried() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [1, 13, 13, 2].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: 5.into(), ..Faults::default() });
        let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
        let follow = view.follow().retry(1, Duration::from_millis(1)).on_failure(OnFailure::DeadLetter);
        let following = follow.start().unwrap();
        following.wait_for(Position::new(5), LONG).unwrap();
        let mut view = following.stop().unwrap();
        assert_eq!(Balances::rows(&store), row("alice", 3, 3), "without the two that failed");
        let letters = view.dead_letters().unwrap();
        let found: Vec<_> = letters
            .iter()
            .map(|letter| (letter.position.get(), letter.stream.to_string(), letter.version, letter.attempts))
            .collect();
        assert_eq!(found, [(3, "account/alice".into(), 3, 2), (4, "account/alice".into(), 4, 2)]);
        assert_eq!(letters[0].name, "deposited");
        assert!(letters[0].error.ends_with("13 is refused"), "{}", letters[0].error);

        // One more deposit will be refused.
        let retried = view.retry_dead_letters().unwrap();
        assert_eq!((retried.succeeded, retried.failed), (1, 1));
        assert_eq!(Balances::rows(&store), row("alice", 16, 4));
        let letters = view.dead_letters().unwrap();
        assert_eq!((letters.len(), letters[0].position.get(), letters[0].attempts), (1, 3, 3));
        let retried = view.retry_dead_letters().unwrap();
        assert_eq!((retried.succeeded, retried.failed), (1, 0));
        assert_eq!(Balances::rows(&store), row("alice", 29, 5));
        assert_eq!(view.dead_letters().unwrap(), []);
    }
}

/// SQL in a handler that fails because the disk is full or the file is locked. The handler is not at fault,
/// and its event does not become a dead letter.
#[test]
fn a_database_error_makes_no_dead_letter() {
    #[derive(Projection)]
    #[projection(name = "full", events(Opened), from(Account), into = Sqlite)]
    struct Full;

    #[handlers]
    impl Full {
        #[project]
        fn opened(&self, _: &Opened) -> Result<(), BoxError> {
            // The error that the transaction would return.
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            Err(rusqlite::Error::SqliteFailure(full, None).into())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let view = SqliteProjection::new(&store, Full).unwrap();
        let (changes, retried) = channel();
        let following = view
            .follow()
            .on_failure(OnFailure::DeadLetter)
            .on_change(move |change| drop(changes.send(change.clone())))
            .start()
            .unwrap();
        wait_for_retries_of_no_event(&retried, 2);
        let view = following.stop().unwrap();
        assert_eq!((view.position().unwrap(), view.dead_letters().unwrap()), (Position::START, vec![]));
    }
}

/// A file that another program locks for longer than the busy timeout. The follower neither ends nor moves an
/// event to the dead letters.
#[test]
fn a_busy_file_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    open_store(&file).repository::<Account>().execute(open("alice")).unwrap();
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(1)).open(&file).unwrap();
    let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
    let view = SqliteProjection::new(&store, Balances { faults }).unwrap();
    let following = view.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.busy_timeout(LONG).unwrap();
    for round in 1..=20 {
        let accounts = open_store(&file).repository::<Account>();
        let done = accounts.execute(deposit("alice", 13)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::sleep(Duration::from_millis(5));
        other.execute_batch("COMMIT").unwrap();
        assert!(!following.has_ended(), "round {round}");
        if round % 5 == 0 {
            following.wait_for(done.position().unwrap(), LONG).unwrap();
        }
    }
    assert_eq!(following.stop().unwrap().dead_letters().unwrap().len(), 20);
}

/// Fails at the calls with these numbers, from 1.
#[derive(Debug, Projection)]
#[projection(
    name = "flaky",
    events(Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE flaky (cents INTEGER NOT NULL)",
)]
struct Flaky {
    calls: AtomicU64,
    fails_at: &'static [u64],
}

#[handlers]
impl Flaky {
    #[project]
    fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let call = 1 + self.calls.fetch_add(1, Ordering::SeqCst);
        if self.fails_at.contains(&call) {
            return Err("flaky".into());
        }
        transaction.execute("INSERT INTO flaky VALUES (?1)", [event.cents])?;
        Ok(())
    }
}

/// The failure of the fifth event rolls four back. When these are handled again, the third one fails too.
#[test]
fn events_before_a_second_failure_are_not_skipped() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let done =
            accounts.execute_batch(&id("alice"), (1..=6).map(|cents| deposit("alice", cents))).unwrap();
        let flaky = Flaky { calls: 0.into(), fails_at: &[5, 8] };
        let view = SqliteProjection::new(&store, flaky).unwrap();
        let following = view.follow().on_failure(OnFailure::DeadLetter).on_change(|_| {}).start().unwrap();
        following.wait_for(done.position().unwrap(), LONG).unwrap();
        let mut view = following.stop().unwrap();
        let letters = view.dead_letters().unwrap().len();
        view.retry_dead_letters().unwrap();
        let mut cents: Vec<i64> = store
            .query(|view| view.prepare("SELECT cents FROM flaky")?.query_map((), |row| row.get(0))?.collect())
            .unwrap();
        cents.sort_unstable();
        assert_eq!((letters, cents), (1, vec![1, 2, 3, 4, 5, 6]));
    }
}
