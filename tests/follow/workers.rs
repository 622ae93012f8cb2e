//! Workers: views and shards, where each worker has a partition of the streams.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, PartitionPlace, ProjectionError, RunningFollower};
use factum::memory::MemoryShards;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::bounded::wait_until;
use crate::support::events::append_event;
use crate::support::stores::{LONG, open_store, sqlite_stores, stores};
use crate::support::views::{Balances, Rows};

/// Fills a store with accounts and deposits, one account after the other.
fn fill(store: &SqliteStore, accounts: u32, deposits: u32) -> Rows {
    let repository = store.repository::<Account>();
    for name in 0..accounts {
        let name = name.to_string();
        repository.execute(open(&name)).unwrap();
    }
    for name in 0..accounts {
        let name = name.to_string();
        repository.execute_batch(&id(&name), (0..deposits).map(|_| deposit(&name, 2))).unwrap();
    }
    expected(accounts, deposits)
}

fn expected(accounts: u32, deposits: u32) -> Rows {
    let row = |name: u32| (name.to_string(), (i64::from(deposits) * 2, u64::from(deposits) + 1));
    (0..accounts).map(row).collect()
}

#[test]
fn workers_share_a_view_and_keep_the_order_of_each_stream() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let rows = fill(&store, 40, 200);
        let view = Balances::in_order();
        let mut workers = SqliteProjection::new(&store, view.clone()).unwrap().workers(4);
        let caught = workers.catch_up().unwrap();
        assert_eq!((caught.events, caught.position.get()), (8_040, 8_040));
        assert_eq!(Balances::rows(&store), rows);
        let threads = view.faults.threads.lock().unwrap().clone();
        assert_eq!(threads.len(), 4, "each worker has had a partition: {threads:?}");
        assert_eq!(workers.position().unwrap(), Position::new(8_040));
        assert_eq!(workers.catch_up().unwrap().events, 0);
        assert_eq!(view.faults.taken(), 8_040);
    }
}

/// The number of workers changes from run to run: each worker resumes where the others stopped.
#[test]
fn the_number_of_workers_may_change() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    let mut deposits = 0;
    let view = Balances::in_order();
    for (round, workers) in [1, 4, 3, 7, 1, 2, 5].into_iter().enumerate() {
        let accounts = store.repository::<Account>();
        for name in 0..20 {
            let name = name.to_string();
            if round == 0 {
                accounts.execute(open(&name)).unwrap();
            }
            accounts.execute_batch(&id(&name), (0..150).map(|_| deposit(&name, 2))).unwrap();
        }
        deposits += 150;
        // Stopped early, so that the partitions have different positions.
        let projection = || SqliteProjection::new(&store, view.clone()).unwrap();
        let stop = projection().workers(workers).on_progress(|_| ControlFlow::Break(())).catch_up();
        if let Err(error) = stop {
            assert!(matches!(error, ProjectionError::Follow(FollowError::Stopped { .. })), "{error}");
        }
        let other = if round % 2 == 0 { workers + 1 } else { 1 };
        let caught = projection().workers(other).catch_up().unwrap();
        assert_eq!(caught.position, store.position().unwrap());
        assert_eq!(Balances::rows(&store), expected(20, deposits), "round {round}");
    }
    assert_eq!(view.faults.taken(), store.position().unwrap().get(), "each event once");
    // Without workers, or inline, the view is the same one.
    SqliteProjection::new(&store, view.clone()).unwrap().workers(3).catch_up().unwrap();
    store.repository::<Account>().execute(deposit("0", 2)).unwrap();
    SqliteProjection::new(&store, view).unwrap().inline().unwrap();
    store.repository::<Account>().execute(deposit("1", 2)).unwrap();
    let rows = Balances::rows(&store);
    let one_more = (i64::from(deposits + 1) * 2, u64::from(deposits) + 2);
    assert_eq!((rows["0"], rows["1"]), (one_more, one_more));
}

/// A partition that fails loses no work, and neither do the others.
#[test]
fn an_event_that_fails_ends_all_workers_and_none_loses_anything() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    fill(&store, 10, 50);
    let accounts = store.repository::<Account>();
    accounts.execute(deposit("3", 13)).unwrap();
    accounts.execute(deposit("3", 1)).unwrap();
    let view = Balances::in_order();
    view.faults.refused.store(1, Ordering::SeqCst);
    let mut workers = SqliteProjection::new(&store, view).unwrap().workers(4);
    let error = workers.catch_up().unwrap_err();
    let ProjectionError::Follow(FollowError::Handler { position, .. }) = error else { panic!("{error}") };
    assert_eq!(position, Position::new(511));
    assert!(workers.position().unwrap() < Position::new(511));
    workers.catch_up().unwrap();
    let mut rows = expected(10, 50);
    rows.insert("3".into(), (114, 53));
    assert_eq!(Balances::rows(&store), rows);
}

#[test]
fn background_workers_make_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, 10, 10);
        let view = Balances::in_order();
        view.faults.refused.store(2, Ordering::SeqCst);
        let workers = SqliteProjection::new(&store, view.clone()).unwrap().workers(3);
        let following = workers
            .follow()
            .retry(1, Duration::from_millis(1))
            .on_failure(OnFailure::DeadLetter)
            .start()
            .unwrap();
        let accounts = store.repository::<Account>();
        for round in 0..20 {
            let name = (round % 10).to_string();
            let done = accounts.execute(deposit(&name, 2)).unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            assert_eq!(Balances::rows(&store)[&name].1, done.version());
        }
        let last = accounts.execute(deposit("5", 13)).unwrap().position().unwrap();
        following.wait_for(last, LONG).unwrap();
        let mut workers = following.stop().unwrap();
        assert_eq!(Balances::rows(&store), expected(10, 12));
        assert_eq!(workers.dead_letters().unwrap().len(), 1);
        assert_eq!(workers.retry_dead_letters().unwrap().succeeded, 1);
        assert_eq!(Balances::rows(&store)["5"], (37, 14));
    }
}

/// Two sets of workers of different size contend: one set writes.
#[test]
fn of_two_sets_of_workers_one_works() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (one, two) = (open_store(&file), open_store(&file));
    let rows = fill(&one, 20, 300);
    let views = [Balances::in_order(), Balances::in_order()];
    let start = |store, view: &Balances, workers| {
        SqliteProjection::new(store, view.clone()).unwrap().workers(workers).follow().start().unwrap()
    };
    let (first, second) = (start(&one, &views[0], 2), start(&two, &views[1], 3));
    for following in [&first, &second] {
        following.wait_for(Position::new(6_020), LONG).unwrap();
    }
    assert_eq!(Balances::rows(&one), rows);
    let taken = views.map(|view| view.faults.taken());
    assert_eq!(taken.iter().sum::<u64>(), 6_020, "{taken:?}");
    assert!(taken.contains(&0), "{taken:?}");
    first.stop().unwrap();
    second.stop().unwrap();
}

/// Each has a thread, so a number without bounds would end the program.
#[test]
fn the_number_of_workers_has_a_bound() {
    let store = SqliteStore::in_memory().unwrap();
    let mut view = SqliteProjection::new(&store, Balances::default()).unwrap().workers(u32::MAX);
    assert_eq!(view.catch_up().unwrap().events, 0);
}

/// Programs on one file share the workers of a view.
#[test]
fn two_programs_share_a_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let stores = [open_store(&file), open_store(&file)];
    let views = [Balances::in_order(), Balances::in_order()];
    let start = |index: usize| {
        let view = SqliteProjection::new(&stores[index], views[index].clone()).unwrap().workers(4);
        view.follow().start().unwrap()
    };
    let here = |running: &RunningFollower<SqliteProjection<Balances>>| {
        let partitions = running.state().partitions.into_iter();
        partitions.filter(|partition| partition.place == PartitionPlace::Here).count()
    };
    let first = start(0);
    let second = start(1);
    wait_until(|| (here(&first), here(&second)) == (2, 2));
    let rows = fill(&stores[0], 20, 50);
    for running in [&first, &second] {
        running.wait_for(Position::new(1_020), LONG).unwrap();
    }
    assert_eq!(Balances::rows(&stores[0]), rows);
    assert_eq!(views.each_ref().map(|view| view.faults.taken()), [510; 2]);
    first.stop().unwrap();
    wait_until(|| here(&second) == 4);
    second.stop().unwrap();
}

/// Workers also share a rebuild.
#[test]
fn workers_rebuild_a_view() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    let rows = fill(&store, 20, 300);
    let mut workers = SqliteProjection::new(&store, Balances::in_order()).unwrap().workers(3);
    workers.catch_up().unwrap();
    let caught = workers.rebuild().unwrap();
    assert_eq!((caught.events, caught.position.get()), (6_020, 6_020));
    assert_eq!(Balances::rows(&store), rows);
    store.repository::<Account>().execute(deposit("0", 2)).unwrap();
    assert_eq!(workers.catch_up().unwrap().events, 1);
}

/// A progress callback that panics in a worker ends the catch-up with an error. Nothing is lost.
#[test]
fn a_panic_of_the_progress_callback_is_an_error() {
    let store = SqliteStore::in_memory().unwrap();
    let rows = fill(&store, 10, 10);
    let workers = || SqliteProjection::new(&store, Balances::in_order()).unwrap().workers(3);
    let error = workers().on_progress(|_| panic!("not today")).catch_up().unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::Panicked { follower: "balances", .. })),
        "{error}"
    );
    workers().catch_up().unwrap();
    assert_eq!(Balances::rows(&store), rows);
}

/// Sums in shards and in one view, over any store.
#[derive(Debug, Default, Clone, PartialEq, Projection)]
#[projection(events(Opened, Deposited), from(Account), partition_by = stream)]
struct Sums {
    cents: BTreeMap<String, i64>,
}

#[handlers]
impl Sums {
    #[project]
    fn opened(&mut self, _: &Opened, key: &str) -> Result<(), BoxError> {
        match self.cents.insert(key.to_owned(), 0) {
            None => Ok(()),
            Some(_) => Err("opened twice".into()),
        }
    }

    #[project]
    fn deposited(&mut self, event: &Deposited, key: &str) -> Result<(), BoxError> {
        *self.cents.get_mut(key).ok_or("not opened yet")? += event.cents;
        Ok(())
    }
}

#[test]
fn shards_in_memory_have_each_stream_in_one_of_them() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let mut shards = MemoryShards::new(&store, Sums::default(), 4);
        let mut whole = MemoryProjection::new(&store, Sums::default());
        for round in 1..=3 {
            for name in 0..30 {
                let name = name.to_string();
                if round == 1 {
                    accounts.execute(open(&name)).unwrap();
                }
                accounts.execute(deposit(&name, round)).unwrap();
            }
            let (sharded, caught) = (shards.catch_up().unwrap(), whole.catch_up().unwrap());
            assert_eq!(sharded, caught);
            let parts: Vec<_> = shards.views().map(|view| view.cents.len()).collect();
            assert_eq!(parts.iter().sum::<usize>(), 30, "{parts:?}");
            assert!(parts.iter().all(|part| *part > 0), "{parts:?}");
            let all: BTreeMap<_, _> = shards.views().flat_map(|view| view.cents.clone()).collect();
            assert_eq!(all, whole.view().cents);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any number of workers, stopped or not, and any appends in between: the view equals that of one worker.
    #[test]
    fn any_run_of_workers_makes_the_same_view(
        steps in prop::collection::vec((1_u32..6, prop::collection::vec(0_u32..12, 0..60), any::<bool>()), 1..8),
    ) {
        let store = SqliteStore::in_memory().unwrap();
        let accounts = store.repository::<Account>();
        let mut expected = Rows::new();
        for (workers, deposits, stopped) in steps {
            for name in deposits {
                let name = name.to_string();
                if let Some(row) = expected.get_mut(&name) {
                    accounts.execute(deposit(&name, 2)).unwrap();
                    *row = (row.0 + 2, row.1 + 1);
                } else {
                    accounts.execute(open(&name)).unwrap();
                    expected.insert(name, (0, 1));
                }
            }
            let view = SqliteProjection::new(&store, Balances::in_order()).unwrap().workers(workers);
            if stopped {
                // The position at the stop does not matter, only that the next run resumes there.
                drop(view.on_progress(|_| ControlFlow::Break(())).catch_up());
            } else {
                let mut view = view;
                view.catch_up().unwrap();
                prop_assert_eq!(Balances::rows(&store), expected.clone());
            }
        }
        SqliteProjection::new(&store, Balances::in_order()).unwrap().catch_up().unwrap();
        prop_assert_eq!(Balances::rows(&store), expected);
    }
}

/// Events of an earlier program, with old names and shapes, are read by workers as by one thread.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event(name = "noted", aliases("jotted"), version = 2)]
struct Noted {
    text: String,
    #[event(added(since = 2, default = None))]
    by: Option<String>,
}

#[derive(Debug, Clone, Projection)]
#[projection(
    events(Noted),
    from("notes"),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE notes (text TEXT NOT NULL)",
)]
struct Notes;

#[handlers]
impl Notes {
    #[project]
    fn noted(&self, event: &Noted, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO notes VALUES (?1)", [&event.text]).map(drop)
    }
}

#[test]
fn old_events_are_upcast_in_workers() {
    let store = SqliteStore::in_memory().unwrap();
    let events =
        [("jotted", 1, r#"{"text":"a"}"#), ("noted", 2, r#"{"text":"b","by":"c"}"#), ("noted", 9, "{}")];
    for (name, schema, payload) in events {
        append_event(&store, "notes", name, name, schema, payload);
    }
    let mut workers = SqliteProjection::new(&store, Notes).unwrap().workers(2);
    let error = workers.catch_up().unwrap_err();
    assert!(matches!(error, ProjectionError::Follow(FollowError::Read { .. })), "{error}");
    assert_eq!(error.position(), Some(Position::new(3)));
    let texts: String = store
        .query(|connection| {
            let sql = "SELECT group_concat(text, '' ORDER BY text) FROM notes";
            connection.query_row(sql, (), |row| row.get(0))
        })
        .unwrap();
    // The event of a newer program may be in the partition of either worker.
    assert!(texts.ends_with('b') || texts == "a", "{texts}");
}
