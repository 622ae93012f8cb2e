//! Inline projections: a part of each append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::sqlite::{Durability, SqliteOptions};
use factum::store::AppendError;

use crate::support::account::{Account, Deposited, deposit, id, open};
use crate::support::bounded::{SetOnDrop, wait_until};
use crate::support::chain::chain;
use crate::support::stores::{doctor, open_store, sqlite_stores};
use crate::support::views::{Balances, Faults, Rows, row};

#[test]
fn an_inline_view_is_always_current() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        SqliteProjection::new(&store, Balances::default()).unwrap().inline().unwrap();
        assert_eq!(Balances::rows(&store), row("alice", 5, 2), "the view has the earlier events");
        for round in 1..=10 {
            accounts.execute(deposit("alice", 1)).unwrap();
            assert_eq!(Balances::rows(&store), row("alice", 5 + round, 2 + round.unsigned_abs()));
        }
        let again = SqliteProjection::new(&store, Balances::default()).unwrap().inline().unwrap_err();
        assert!(matches!(again, ProjectionError::AlreadyInline { projection: "balances", .. }), "{again}");
    }
}

#[test]
fn an_inline_view_that_fails_makes_its_command_fail() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        for panics in [false, true] {
            let faults =
                Arc::new(Faults { refused: u32::MAX.into(), panics: panics.into(), ..Faults::default() });
            let accounts = store.repository::<Account>();
            accounts.execute(open("alice")).unwrap();
            if !panics {
                let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
                view.inline().unwrap();
            }
            let before = store.position().unwrap();
            let error = accounts.execute(deposit("alice", 13)).unwrap_err();
            let ExecuteError::Append(AppendError::Hook { stream, source, .. }) = &error else {
                panic!("{error}")
            };
            let position = source.downcast_ref::<FollowError>().and_then(FollowError::position);
            assert_eq!((stream.to_string().as_str(), position), ("account/alice", Some(before.next())));
            let begin =
                "can't append to account/alice: a hook that runs in each append failed: `balances` failed at";
            assert!(chain(&error).starts_with(begin), "{}", chain(&error));
            assert_eq!(store.position().unwrap(), before, "nothing is stored");
            // Neither the view nor the cached state has anything of it.
            let cents = accounts.load(&id("alice")).unwrap().state().cents;
            assert_eq!(Balances::rows(&store)["alice"].0, cents);
            accounts.execute(deposit("alice", 1)).unwrap();
            assert_eq!(Balances::rows(&store)["alice"].0, cents + 1);
        }
    }
}

/// In a group commit, only the command fails whose events the view refuses.
#[test]
fn an_inline_view_fails_one_command_of_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    let accounts = store.repository::<Account>();
    let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
    SqliteProjection::new(&store, Balances { faults }).unwrap().inline().unwrap();
    thread::scope(|scope| {
        for thread in 0..16 {
            let accounts = &accounts;
            scope.spawn(move || {
                let name = thread.to_string();
                accounts.execute(open(&name)).unwrap();
                for round in 0..10 {
                    let cents = if round % 2 == 0 { 13 } else { 1 };
                    assert_eq!(accounts.execute(deposit(&name, cents)).is_ok(), cents == 1);
                }
            });
        }
    });
    let rows = Balances::rows(&store);
    assert_eq!(rows.len(), 16);
    assert!(rows.values().all(|row| *row == (5, 6)), "{rows:?}");
}

/// A program without the view leaves it behind. The next append of a program with the view brings it up to
/// date.
#[test]
fn an_inline_view_catches_up_with_programs_that_do_not_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    SqliteProjection::new(&with, Balances::default()).unwrap().inline().unwrap();
    without.repository::<Account>().execute(open("alice")).unwrap();
    without.repository::<Account>().execute(deposit("alice", 3)).unwrap();
    assert_eq!(Balances::rows(&with), Rows::new());
    with.repository::<Account>().execute(deposit("alice", 4)).unwrap();
    assert_eq!(Balances::rows(&with), row("alice", 7, 3));
}

/// A view that counts its events, and waits at each until `is_free`, a little.
#[derive(Projection)]
#[projection(
    name = "slow",
    from(Account),
    events(Deposited),
    into = Sqlite,
    init = "CREATE TABLE slow (position INTEGER PRIMARY KEY)",
)]
struct Slow(Arc<AtomicBool>);

#[handlers]
impl Slow {
    #[project]
    fn deposited(
        &self,
        _: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        if !self.0.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(2));
        }
        transaction.execute("INSERT INTO slow VALUES (?1)", [envelope.position.get()]).map(drop)
    }
}

impl Slow {
    fn rows(store: &SqliteStore) -> u64 {
        store.query(|view| view.query_row("SELECT count(*) FROM slow", (), |row| row.get(0))).unwrap()
    }
}

/// Other programs have left the view far behind. While it catches up, they and other threads get their turn.
#[test]
fn a_view_that_is_far_behind_catches_up_in_batches() {
    catches_up_in_batches(false);
}

/// The trouble of one view does not let another one catch up in the transaction of an append.
#[test]
fn a_view_beside_one_in_trouble_catches_up_in_batches() {
    catches_up_in_batches(true);
}

fn catches_up_in_batches(has_other_in_trouble: bool) {
    const EVENTS: u64 = 5_000;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    // The file would be held for 10 seconds.
    let with = SqliteOptions::new().durability(Durability::Normal).open(&file).unwrap();
    let without = SqliteOptions::new().durability(Durability::Normal).open(&file).unwrap();
    let is_free = Arc::new(AtomicBool::new(false));
    if has_other_in_trouble {
        SqliteProjection::new(&with, Balances::default()).unwrap().inline().unwrap();
        // As if a newer program had made the view.
        doctor(&file, "UPDATE factum_checkpoints SET version = 9 WHERE projection = 'balances'");
    }
    SqliteProjection::new(&with, Slow(is_free.clone())).unwrap().inline().unwrap();
    let others = without.repository::<Account>();
    others.execute(open("alice")).unwrap();
    others.execute_batch(&id("alice"), (0..EVENTS).map(|_| deposit("alice", 1))).unwrap();
    others.execute(open("bob")).unwrap();
    thread::scope(|scope| {
        let append = scope.spawn(|| with.repository::<Account>().execute(deposit("bob", 1)));
        wait_until(|| {
            assert!(!append.is_finished(), "the batches are committed");
            Slow::rows(&without) > 0
        });
        others.execute(open("carol")).unwrap();
        // Another thread of the same process gets the writer too.
        with.forget_keys_before(Timestamp::from_micros(0)).unwrap();
        let seen = Slow::rows(&without);
        is_free.store(true, Ordering::SeqCst);
        assert!(seen < EVENTS, "the appends have not waited for the whole catch-up");
        append.join().unwrap().unwrap();
    });
    assert_eq!(Slow::rows(&with), EVENTS + 1);
    let views = with.inline_views().unwrap();
    let view = views.iter().find(|view| view.name == "slow").unwrap();
    assert_eq!((view.position, view.error.is_none()), (Some(with.position().unwrap()), true));
    assert_eq!(views.iter().any(|view| view.error.is_some()), has_other_in_trouble);
}

/// Other programs append faster than the handlers follow: the append is carried out all the same.
#[test]
fn a_view_reaches_programs_that_are_faster() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    SqliteProjection::new(&with, Slow(Arc::default())).unwrap().inline().unwrap();
    let others = without.repository::<Account>();
    others.execute(open("alice")).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::SeqCst) {
                others.execute_batch(&id("alice"), (0..8).map(|_| deposit("alice", 1))).unwrap();
            }
        });
        let _done = SetOnDrop(&is_done);
        with.repository::<Account>().execute(open("bob")).unwrap();
    });
}
