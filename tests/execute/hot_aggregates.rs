//! Hot aggregates: a state in memory is used only while it is current.

use factum::prelude::*;
use factum::{CacheOptions, ExecuteError, ExecuteOptions, StreamName};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Refused, deposit, id, open, withdraw};
use crate::support::stores::stores;

#[test]
fn appends_of_another_repository_are_seen() {
    for store in stores() {
        let (ours, theirs) = (store.repository::<Account>(), store.repository::<Account>());
        ours.execute(open("alice")).unwrap();
        for round in 1..=20 {
            theirs.execute(deposit("alice", 10)).unwrap();
            assert_eq!(ours.load(&id("alice")).unwrap().state().cents, round * 10);
        }
        // A refusal is based on the current state, not on the cached one.
        theirs.execute(withdraw("alice", 200)).unwrap();
        let refused = ours.execute(withdraw("alice", 1)).unwrap_err();
        assert_eq!(refused.refusal(), Some(&Refused::Overdrawn { missing: 1 }));
        theirs.execute(deposit("alice", 5)).unwrap();
        let done = ours.execute(withdraw("alice", 5)).unwrap();
        assert_eq!((done.state().cents, done.version()), (0, 24));
        let statistics = ours.statistics();
        assert_eq!((statistics.misses, statistics.hits, statistics.outdated), (1, 0, 22));
    }
}

/// A second store on the same file, as another process would have. `processes` has tests with real processes.
#[test]
fn appends_of_another_store_on_the_file_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (ours, theirs) = (SqliteStore::open(&file).unwrap(), SqliteStore::open(&file).unwrap());
    let (ours, theirs) = (ours.repository::<Account>(), theirs.repository::<Account>());
    ours.execute(open("alice")).unwrap();
    for round in 1..=20 {
        let done = theirs.execute(deposit("alice", 1)).unwrap();
        assert_eq!(done.version(), 2 * round);
        let done = ours.execute(deposit("alice", 1)).unwrap();
        assert_eq!((done.version(), done.state().cents), (2 * round + 1, 2 * round.cast_signed()));
    }
}

#[test]
fn threads_of_many_repositories_lose_nothing() {
    for store in stores() {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let shared = store.repository::<Account>();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let accounts = if thread % 2 == 0 { shared.clone() } else { store.repository::<Account>() };
                scope.spawn(move || {
                    let options = ExecuteOptions::new().retry(1_000);
                    for _ in 0..25 {
                        accounts.execute_with(deposit("alice", 1), &options).unwrap();
                        accounts.execute_with(withdraw("alice", 1), &options).unwrap();
                        accounts.execute_with(deposit("alice", 1), &options).unwrap();
                    }
                });
            }
        });
        let loaded = shared.load(&id("alice")).unwrap();
        assert_eq!((loaded.state().cents, loaded.version()), (100, 301));
        assert_eq!(store.repository::<Account>().load(&id("alice")).unwrap(), loaded);
    }
}

#[test]
fn a_hot_aggregate_is_not_read_again() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for _ in 0..9 {
            accounts.execute(deposit("alice", 1)).unwrap();
        }
        let statistics = accounts.clone().statistics();
        assert_eq!((statistics.misses, statistics.hits, statistics.outdated), (1, 9, 0));
        assert_eq!(statistics.cached, 1);
        let off = store.repository::<Account>().with_cache(CacheOptions::aggregates(0));
        for _ in 0..3 {
            off.execute(deposit("alice", 1)).unwrap();
        }
        let statistics = off.statistics();
        assert_eq!((statistics.misses, statistics.hits, statistics.cached), (3, 0, 0));
    }
}

/// Otherwise each command of a hot aggregate reads the stream's last event.
#[test]
fn a_store_that_is_idle_can_tell_the_end_of_a_stream() {
    fn check(store: &(impl EventStore + Clone)) {
        let accounts = store.repository::<Account>();
        let first = accounts.execute(open("alice")).unwrap().events()[0].id;
        let last = accounts.execute(deposit("alice", 1)).unwrap().events()[0].id;
        let alice = StreamName::of::<Account>(&id("alice"));
        assert!(store.ends_with(&alice, 2, last));
        assert!(!store.ends_with(&alice, 1, first));
    }
    check(&MemoryStore::new());
    check(&SqliteStore::in_memory().unwrap());
}

#[test]
fn memory_is_bounded() {
    let store = MemoryStore::new();
    let few = store.repository::<Account>().with_cache(CacheOptions::aggregates(5));
    let weigh = |account: &Account| account.owner.as_ref().map_or(0, |owner| owner.len() as u64);
    let light = store.repository::<Account>().with_cache(CacheOptions::aggregates(1_000).bytes(1_000, weigh));
    for number in 0..100 {
        few.execute(open(&format!("{number:0>50}"))).unwrap();
    }
    for number in 0..100 {
        light.load(&id(&format!("{number:0>50}"))).unwrap();
    }
    assert_eq!(few.statistics().cached, 5);
    assert_eq!(light.statistics().cached, 20, "of 50 bytes each");
    // An evicted state can still be loaded.
    assert_eq!(few.load(&id(&format!("{:0>50}", 0))).unwrap().version(), 1);
}

/// A state that a caller holds never changes.
#[test]
fn states_given_to_a_caller_do_not_change() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let opened = accounts.execute(open("alice")).unwrap();
        let loaded = accounts.load(&id("alice")).unwrap();
        accounts.execute(deposit("alice", 7)).unwrap();
        assert_eq!((opened.state().cents, loaded.state().cents), (0, 0));
        let mut taken = accounts.load(&id("alice")).unwrap().into_state();
        taken.cents = -1;
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 7);
    }
}

/// An append that is refused leaves the state in memory as it was.
#[test]
fn a_conflict_leaves_the_state_in_memory_as_it_was() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        let stale = ExecuteOptions::new().expected_version(1);
        let error = accounts.execute_with(deposit("alice", 1), &stale).unwrap_err();
        assert!(matches!(error, ExecuteError::Conflict(_)), "{error}");
        let mut work = store.unit_of_work();
        work.execute(&accounts, deposit("alice", 100)).unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        work.commit().unwrap_err();
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 6);
        let mut work = store.unit_of_work();
        work.execute(&accounts, deposit("alice", 100)).unwrap();
        drop(work);
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 6);
    }
}

/// The next command begins at the first event.
#[test]
fn a_store_that_has_lost_events_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 5)).unwrap();
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute("DELETE FROM factum_events WHERE version = 2", ())
        .unwrap();
    let done = accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!((done.state().cents, done.version()), (1, 2));
}

/// A state whose destructor, which is user code, calls the repository that drops it.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Note), events(Noted))]
struct Ending;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted;

#[derive(Debug, Command)]
struct Note(String);

#[handlers]
impl Ending {
    #[execute]
    fn note(&self, _: Note) -> Noted {
        Noted
    }

    #[apply]
    fn noted(&mut self, _: &Noted) {}
}

type Endings = Repository<Ending, MemoryStore>;

thread_local! {
    static ENDS: std::cell::RefCell<(Option<Endings>, u32)> = const { std::cell::RefCell::new((None, 0)) };
}

impl Drop for Ending {
    fn drop(&mut self) {
        ENDS.with(|ends| {
            if let Ok(mut ends) = ends.try_borrow_mut() {
                ends.1 += 1;
                // Deadlocks if the cache's lock is held.
                ends.0.as_ref().map(Repository::statistics);
            }
        });
    }
}

/// Weights whose sum overflows, and many states evicted at once.
#[test]
fn a_dropped_state_may_use_its_repository_and_a_weight_may_be_extreme() {
    let store = MemoryStore::new();
    let heavy = |_: &Ending| u64::MAX / 2 + 1;
    let light = |_: &Ending| 7;
    for (aggregates, bytes, weight) in
        [(usize::MAX, u64::MAX, heavy as fn(&Ending) -> u64), (10, 100, light), (10, u64::MAX, light)]
    {
        let options = CacheOptions::aggregates(aggregates).bytes(bytes, weight);
        let notes = store.repository::<Ending>().with_cache(options);
        ENDS.with(|ends| ends.borrow_mut().0 = Some(notes.clone()));
        for number in 0..50 {
            notes.execute(Note(number.to_string())).unwrap();
        }
        assert!(notes.statistics().cached <= 14);
    }
    let ends = ENDS.with(std::cell::RefCell::take);
    assert!(ends.1 > 100, "{}", ends.1);
}
