//! The counters of the process, beside what it does. Each test waits for its turn: the counters are those of all.

#[allow(dead_code, reason = "other tests use the rest")]
mod domain;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use factum::Position;
use factum::prelude::*;
use factum::sqlite::SqliteReaction;
use factum::telemetry::{Statistics, statistics};

use self::domain::{BEFORE_DECISION, Bells, Drops, Jar, JarId, Levels, NONE, TOO_MANY, UNLUCKY, fill};

const LONG: Duration = Duration::from_mins(1);

static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What `work` adds to the counters.
fn counted(work: impl FnOnce()) -> Statistics {
    let before = statistics();
    work();
    statistics().since(&before)
}

#[test]
fn each_command_counts_once_by_its_outcome() {
    let _turn = turn();
    let store = MemoryStore::new();
    let (jars, others) = (store.repository::<Jar>(), store.repository::<Jar>());
    let key = ExecuteOptions::new().idempotency_key("once");
    let stale = ExecuteOptions::new().expected_version(9);
    let now = counted(|| {
        jars.execute_with(fill("a", 1), &key).unwrap();
        jars.execute_with(fill("a", 1), &key).unwrap();
        jars.execute(fill("a", NONE)).unwrap();
        jars.execute(fill("a", TOO_MANY)).unwrap_err();
        jars.execute_with(fill("a", 1), &stale).unwrap_err();
        BEFORE_DECISION.set(Some(Box::new(|| panic!("in the handler"))));
        catch_unwind(AssertUnwindSafe(|| jars.execute(fill("a", 1)))).unwrap_err();
    });
    let commands = now.commands;
    let outcomes = [commands.done, commands.unchanged, commands.repeated, commands.refused];
    assert_eq!((outcomes, commands.conflict, commands.failed), ([1, 1, 1, 1], 1, 1));
    assert_eq!((commands.durations.count(), commands.decided_again), (6, 0));
    let retried = counted(|| {
        BEFORE_DECISION.set(Some(Box::new(move || drop(others.execute(fill("a", 1)).unwrap()))));
        jars.execute_with(fill("a", 1), &ExecuteOptions::new().retry(1)).unwrap();
    });
    assert_eq!((retried.commands.done, retried.commands.decided_again), (2, 1));
    assert_eq!((retried.commands.durations.count(), retried.appends.failed), (2, 1));
}

#[test]
fn appends_count_their_requests_and_events() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let file = SqliteStore::open(folder.path().join("jars.db")).unwrap();
    let stores: [(Arc<dyn EventStore>, u64); 2] = [(Arc::new(MemoryStore::new()), 0), (Arc::new(file), 2)];
    for (store, timed) in stores {
        let jars = store.repository::<Jar>();
        let now = counted(|| {
            jars.execute(fill("a", 1)).unwrap();
            jars.execute_batch(&JarId("b".into()), [fill("b", 1), fill("b", 2)]).unwrap();
        });
        let appends = now.appends;
        assert_eq!((appends.events, appends.failed), (3, 0));
        assert_eq!((appends.groups.sum(), appends.groups.count(), appends.durations.count()), (2, 2, timed));
        assert_eq!(appends.groups.buckets().next(), Some((Some(1), 2)));
        assert_eq!((now.commands.done, now.units.done, now.units.durations.count()), (1, 1, 1));
    }
}

#[test]
fn loads_count_where_they_begin() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("jars.db")).unwrap();
    let id = JarId("a".into());
    let begun = counted(|| {
        let jars = store.repository::<Jar>();
        for _ in 0..5 {
            jars.execute(fill("a", 1)).unwrap();
        }
        // The last append has written the snapshot of version 4.
        jars.load(&id).unwrap();
    });
    let loads = begun.loads;
    assert_eq!((loads.from_start, loads.from_memory, loads.from_snapshot, loads.events), (1, 5, 0, 0));
    let from_snapshot = counted(|| drop(store.repository::<Jar>().load(&id).unwrap()));
    let loads = from_snapshot.loads;
    assert_eq!((loads.from_snapshot, loads.events, loads.durations.count()), (1, 1, 1));
    let at = counted(|| drop(store.repository::<Jar>().load_at(&id, 3).unwrap()));
    assert_eq!((at.loads.from_start, at.loads.events), (1, 3));
}

#[test]
fn steps_count_their_events() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("jars.db")).unwrap();
    let jars = store.repository::<Jar>();
    for drops in [1, 2, 3] {
        jars.execute(fill("a", drops)).unwrap();
    }
    let reacted = counted(|| {
        SqliteReaction::new(&store, Bells).unwrap().catch_up().unwrap();
    });
    assert_eq!((reacted.steps.events, reacted.steps.failed), (3, 0));
    assert_eq!(reacted.steps.durations.count(), 1);
    jars.execute(fill("a", UNLUCKY)).unwrap();
    let failed = counted(|| drop(SqliteProjection::new(&store, Levels).unwrap().catch_up().unwrap_err()));
    // The three events before the one that fails are handled once more, and stored.
    assert_eq!((failed.steps.failed, failed.steps.events, failed.steps.durations.count()), (1, 3, 0));
    let app = Kitchen { drops: Drops::default() };
    let followed = counted(|| {
        let app = app.start(&store).unwrap();
        app.wait_for::<Drops>(Position::new(4), LONG).unwrap();
        app.stop(LONG).unwrap();
    });
    assert_eq!(followed.steps.events, 4);
}

#[derive(Application)]
#[application(aggregates(Jar))]
struct Kitchen {
    #[projection]
    drops: Drops,
}

#[test]
fn statistics_are_data() {
    let _turn = turn();
    MemoryStore::new().repository::<Jar>().execute(fill("a", 1)).unwrap();
    let now = statistics();
    let json = serde_json::to_string(&now).unwrap();
    assert_eq!(serde_json::from_str::<Statistics>(&json).unwrap(), now);
    // An earlier reading of a process that began again is no error.
    let again = counted(|| {}).since(&now);
    assert_eq!((again.commands.done, again.commands.durations.count()), (0, 0));
}
