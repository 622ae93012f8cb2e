//! Snapshots: a load begins at a valid snapshot, or else at the first event.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use factum::prelude::*;
use factum::store::StoredSnapshot;
use factum::{CacheOptions, Position, SnapshotError, StreamName};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::support::chain::chain;

thread_local! {
    static APPLIED: Cell<u64> = const { Cell::new(0) };
}

/// How many events `work` applied in this thread, and its result.
fn applied<T>(work: impl FnOnce() -> T) -> (u64, T) {
    APPLIED.set(0);
    let result = work();
    (APPLIED.get(), result)
}

#[derive(Debug, Serialize, Deserialize, Event)]
pub(crate) struct Counted {
    by: u64,
}

#[derive(Debug, Clone, Command)]
pub(crate) struct Count {
    #[command(id)]
    pub(crate) counter: String,
    pub(crate) by: u64,
}

/// One counter in many declarations: one of them stores what another one reads.
macro_rules! counter {
    ($module:ident, snapshot($($snapshot:tt)*), { $($field:ident: $ty:ty),* }) => {
        mod $module {
            use super::*;

            #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate)]
            #[aggregate(name = "counter", id = String, commands(Count), events(Counted), snapshot($($snapshot)*))]
            pub(in crate::execute::snapshots) struct Counter {
                pub(in crate::execute::snapshots) sum: u64,
                pub(in crate::execute::snapshots) events: u64,
                $($field: $ty,)*
            }

            #[handlers]
            impl Counter {
                #[execute]
                fn count(&self, command: Count) -> Counted {
                    Counted { by: command.by }
                }

                #[apply]
                fn counted(&mut self, event: &Counted) {
                    APPLIED.set(APPLIED.get() + 1);
                    self.sum += event.by;
                    self.events += 1;
                }

                #[allow(dead_code, reason = "only one declaration uses it")]
                fn is_round(&self) -> bool {
                    self.sum % 7 == 0
                }
            }
        }
    };
}

mod old {
    use super::*;

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
    pub(super) struct Known {
        pub(super) a: u64,
    }

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Unknown {
        pub(super) a: u64,
    }
}

mod new {
    use super::*;

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, EventSchema)]
    #[serde(default)]
    pub(super) struct Known {
        pub(super) a: u64,
        pub(super) b: u64,
    }

    #[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
    pub(super) struct Unknown {
        pub(super) b: u64,
    }
}

counter!(every_10, snapshot(every = 10), {});
counter!(one_more_field, snapshot(every = 10), { more: Option<u64> });
counter!(other_version, snapshot(every = 10, version = 2), {});
counter!(when_round, snapshot(when = Self::is_round), {});
counter!(older, snapshot(older_than = Duration::from_hours(1)), {});
counter!(any_age, snapshot(older_than = Duration::ZERO, every = 1_000), {});
counter!(known, snapshot(every = 10), { nested: Vec<old::Known> });
counter!(unknown, snapshot(every = 10), { nested: old::Unknown });

mod changed {
    use super::*;
    use new as old;

    counter!(known, snapshot(every = 10), { nested: Vec<old::Known> });
    counter!(unknown, snapshot(every = 10), { nested: old::Unknown });

    pub(super) type Known = known::Counter;
    pub(super) type Unknown = unknown::Counter;
}

use every_10::Counter;

fn count(counter: &str, by: u64) -> Count {
    Count { counter: counter.into(), by }
}

/// Adds this many events to a counter, one for each command: 1, 2, 3 ...
fn fill<A, S>(counters: &Repository<A, S>, counter: &str, events: u64)
where
    A: Aggregate<Id = String> + factum::Accepts<Count>,
    A::Error: std::fmt::Debug,
    S: EventStore,
{
    for by in 1..=events {
        counters.execute(count(counter, by)).unwrap();
    }
}

/// A store in a file, filled by `A` and closed.
fn filled<A>(file: &Path, events: u64) -> SqliteStore
where
    A: Aggregate<Id = String, Services = ()> + factum::Accepts<Count>,
    A::Error: std::fmt::Debug,
{
    fill(&SqliteStore::open(file).unwrap().repository::<A>(), "a", events);
    SqliteStore::open(file).unwrap()
}

fn id() -> String {
    "a".into()
}

#[test]
fn a_cold_load_applies_events_after_the_snapshot() {
    for store in crate::support::stores::stores() {
        fill(&store.repository::<Counter>(), "a", 107);
        let counters = store.repository::<Counter>();
        let (events, loaded) = applied(|| counters.load(&id()).unwrap());
        assert_eq!(events, 7);
        assert_eq!(*loaded.state(), Counter { sum: 107 * 108 / 2, events: 107 });
        assert_eq!(loaded.version(), 107);
        let statistics = counters.statistics();
        assert_eq!((statistics.snapshots_used, statistics.snapshots_ignored), (1, 0));
    }
}

/// A library like this one applied an event twice, within 300 commands with a snapshot every 100.
#[test]
fn no_event_is_applied_twice() {
    for store in crate::support::stores::stores() {
        for round in 1..=300 {
            // A new repository each time, which has nothing but the snapshots.
            let counters = store.repository::<Counter>();
            let done = counters.execute(count("a", 1)).unwrap();
            assert_eq!((done.version(), done.state().sum, done.state().events), (round, round, round));
        }
    }
}

#[test]
fn snapshots_survive_the_program_and_are_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counters.db");
    let rows = |store: &SqliteStore| -> u64 {
        store
            .query(|connection| {
                connection.query_row("SELECT count(*) FROM factum_snapshots", (), |row| row.get(0))
            })
            .unwrap()
    };
    let store = SqliteStore::open(&file).unwrap();
    let counters = store.repository::<Counter>();
    fill(&counters, "a", 10);
    assert_eq!((counters.statistics().snapshots_taken, rows(&store)), (1, 0), "it waits for an append");
    let cold = store.repository::<Counter>();
    assert_eq!(applied(|| cold.load(&id()).unwrap()).0, 0, "and is of use already");
    counters.execute(count("b", 1)).unwrap();
    assert_eq!(rows(&store), 1);
    fill(&counters, "c", 10);
    drop((counters, cold, store));
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(rows(&store), 2, "closing the store has written what waited");
    assert_eq!(applied(|| store.repository::<Counter>().load(&"c".into()).unwrap()).0, 0);
}

/// A program that reads much and writes nothing keeps a bounded number of snapshots in its queue.
#[test]
fn snapshots_do_not_pile_up() {
    let store = SqliteStore::in_memory().unwrap();
    let counters = store.repository::<Counter>();
    for counter in 0..40 {
        fill(&counters, &counter.to_string(), 9);
    }
    let other = store.repository::<any_age::Counter>();
    for counter in 0..40 {
        other.load(&counter.to_string()).unwrap();
    }
    assert_eq!(other.statistics().snapshots_taken, 40);
    let rows: u64 = store
        .query(|connection| {
            connection.query_row("SELECT count(*) FROM factum_snapshots", (), |row| row.get(0))
        })
        .unwrap();
    assert_eq!(rows, 32);
}

/// Damages to a snapshot, as a name and its SQL.
const DAMAGES: &[(&str, &str)] = &[
    ("a later version", "UPDATE factum_snapshots SET version = version + 1"),
    ("an earlier version", "UPDATE factum_snapshots SET version = version - 1"),
    ("no version", "UPDATE factum_snapshots SET version = 0"),
    ("a negative version", "UPDATE factum_snapshots SET version = -20"),
    ("another position", "UPDATE factum_snapshots SET position = position - 1"),
    ("another time", "UPDATE factum_snapshots SET taken_at = taken_at + 1"),
    ("another fingerprint", "UPDATE factum_snapshots SET fingerprint = fingerprint + 1"),
    ("another checksum", "UPDATE factum_snapshots SET checksum = 0"),
    ("an empty state", "UPDATE factum_snapshots SET state = X''"),
    ("a state cut off", "UPDATE factum_snapshots SET state = substr(state, 1, length(state) - 1)"),
    (
        "another number in the state",
        "UPDATE factum_snapshots SET state = CAST(replace(CAST(state AS TEXT), '210', '211') AS BLOB)",
    ),
    ("a default state", "UPDATE factum_snapshots SET state = CAST('{\"sum\":0,\"events\":0}' AS BLOB)"),
    ("the snapshot of another stream", "UPDATE factum_snapshots SET stream = 3 - stream"),
    ("bytes that are no text", "UPDATE factum_snapshots SET state = X'FF00FF'"),
];

#[test]
fn a_damaged_snapshot_is_ignored_and_replaced() {
    for (damage, sql) in DAMAGES {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("counters.db");
        let store = filled::<Counter>(&file, 20);
        store.repository::<Counter>().execute(count("b", 1)).unwrap();
        let changed = Connection::open(&file).unwrap().execute(sql, ()).unwrap();
        assert_eq!(changed, 1, "{damage}");
        let counters = store.repository::<Counter>();
        let victim = if damage.contains("another stream") { "b" } else { "a" };
        let (sum, events) = if victim == "b" { (1, 1) } else { (210, 20) };
        let loaded = counters.load(&victim.into()).unwrap();
        assert_eq!(*loaded.state(), Counter { sum, events }, "{damage}");
        assert_eq!(loaded.version(), events, "{damage}");
        assert_eq!(counters.statistics().snapshots_ignored, 1, "{damage}");
        assert_eq!(counters.statistics().snapshots_used, 0, "{damage}");
        if victim == "a" {
            assert_eq!(counters.statistics().snapshots_taken, 1, "{damage}");
        } else {
            fill(&counters, victim, 10);
        }
        drop((counters, store));
        let store = SqliteStore::open(&file).unwrap();
        let counters = store.repository::<Counter>();
        counters.load(&victim.into()).unwrap();
        assert_eq!(counters.statistics().snapshots_used, 1, "{damage}: replaced");
    }
}

/// A valid snapshot of events that are missing: the store's file was replaced or truncated.
#[test]
fn a_snapshot_of_events_that_are_not_there_is_ignored() {
    for sql in [
        "DELETE FROM factum_events WHERE version > 15",
        "DELETE FROM factum_events WHERE version >= 20",
        "UPDATE factum_events SET position = position + 100, checksum = NULL WHERE version = 20",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("counters.db");
        let store = filled::<Counter>(&file, 20);
        Connection::open(&file).unwrap().execute(sql, ()).unwrap();
        let counters = store.repository::<Counter>();
        let events = store.stream_version(&StreamName::new("counter", "a")).unwrap();
        let loaded = counters.load(&id()).unwrap();
        assert_eq!((loaded.version(), loaded.state().events), (events, events), "{sql}");
        assert_eq!(loaded.state().sum, events * (events + 1) / 2, "{sql}");
        assert_eq!(counters.statistics().snapshots_ignored, 1, "{sql}");
        let done = counters.execute(count("a", 1)).unwrap();
        assert_eq!(done.version(), events + 1, "{sql}");
    }
    // All events are gone: the aggregate does not exist, even with a snapshot.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counters.db");
    let store = filled::<Counter>(&file, 20);
    Connection::open(&file).unwrap().execute("DELETE FROM factum_events", ()).unwrap();
    let error = store.repository::<Counter>().load(&id()).unwrap_err();
    assert_eq!(error.to_string(), "counter/a does not exist");
}

#[test]
fn a_state_of_another_shape_is_replayed() {
    fn check<Before, After>(what: &str, used: u64, read: impl Fn(&After) -> (u64, u64))
    where
        Before: Aggregate<Id = String, Services = ()> + factum::Accepts<Count>,
        After: Aggregate<Id = String, Services = ()>,
        Before::Error: std::fmt::Debug,
    {
        let folder = tempfile::tempdir().unwrap();
        let store = filled::<Before>(&folder.path().join("counters.db"), 25);
        let after = store.repository::<After>();
        let (events, loaded) = applied(|| after.load(&id()).unwrap());
        assert_eq!(read(loaded.state()), (325, 25), "{what}");
        assert_eq!(events, if used == 1 { 5 } else { 25 }, "{what}");
        assert_eq!(after.statistics().snapshots_used, used, "{what}");
        assert_eq!(after.statistics().snapshots_ignored, 1 - used, "{what}");
    }
    check::<Counter, Counter>("the same", 1, |state| (state.sum, state.events));
    // serde would have read each of these without an error.
    check::<Counter, one_more_field::Counter>("a field more", 0, |state| (state.sum, state.events));
    check::<one_more_field::Counter, Counter>("a field less", 0, |state| (state.sum, state.events));
    check::<known::Counter, changed::Known>("a nested type", 0, |state| (state.sum, state.events));
    check::<Counter, other_version::Counter>("another version", 0, |state| (state.sum, state.events));
    // The snapshot policy is not part of the shape.
    check::<Counter, older::Counter>("another policy", 1, |state| (state.sum, state.events));
    // A nested type without a fingerprint: decoding the state fails.
    check::<unknown::Counter, changed::Unknown>("undecodable", 0, |state| (state.sum, state.events));
}

#[test]
fn a_snapshot_is_due_by_predicate_or_by_age() {
    let store = MemoryStore::new();
    let round = store.repository::<when_round::Counter>();
    fill(&round, "round", 14);
    // The sums 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78, 91, 105: four of them are multiples of 7.
    assert_eq!(round.statistics().snapshots_taken, 4);
    let older = store.repository::<older::Counter>();
    fill(&older, "older", 50);
    assert_eq!(older.statistics().snapshots_taken, 0, "no event is an hour old");
    let long_ago = ExecuteOptions::new().recorded_at(Timestamp::from_micros(0));
    older.execute_with(count("ancient", 1), &long_ago).unwrap();
    assert_eq!(older.statistics().snapshots_taken, 1);
    fill(&older, "ancient", 50);
    assert_eq!(older.statistics().snapshots_taken, 1, "the snapshot is not an hour old");
    let any = store.repository::<any_age::Counter>();
    fill(&any, "any", 5);
    assert_eq!(any.statistics().snapshots_taken, 5);
}

#[test]
fn dropping_snapshots_loses_nothing() {
    for store in crate::support::stores::stores() {
        let counters = store.repository::<Counter>();
        fill(&counters, "a", 25);
        fill(&counters, "b", 12);
        assert_eq!(counters.drop_snapshots().unwrap(), 2);
        let cold = store.repository::<Counter>();
        assert_eq!(applied(|| cold.load(&id()).unwrap()), (25, counters.load(&id()).unwrap()));
        assert_eq!(cold.statistics().snapshots_ignored, 0);
        assert_eq!(cold.statistics().snapshots_taken, 1, "and it is taken again");
    }
}

#[test]
fn the_past_begins_at_a_snapshot_too() {
    for store in crate::support::stores::stores() {
        fill(&store.repository::<Counter>(), "a", 25);
        let counters = store.repository::<Counter>();
        for version in 1..=25 {
            let (events, then) = applied(|| counters.load_at(&id(), version).unwrap());
            assert_eq!((then.state().sum, then.version()), (version * (version + 1) / 2, version));
            assert_eq!(events, if version < 20 { version } else { version - 20 });
        }
        let (events, now) = applied(|| counters.load_at(&id(), Timestamp::now()).unwrap());
        assert_eq!(
            (events, now.version()),
            (25, 25),
            "when its events were recorded, a snapshot does not know"
        );
        assert_eq!(
            counters.load_at(&id(), 26).unwrap_err().to_string(),
            "counter/a is at version 25, not yet at 26"
        );
    }
}

#[test]
fn a_snapshot_can_be_asked_for() {
    let store = MemoryStore::new();
    let counters = store.repository::<Counter>();
    fill(&counters, "a", 3);
    counters.take_snapshot(&id()).unwrap();
    assert_eq!(applied(|| store.repository::<Counter>().load(&id()).unwrap()).0, 0);
    let missing = counters.take_snapshot(&"missing".into()).unwrap_err();
    assert_eq!(missing.to_string(), "counter/missing does not exist");
    let undeclared = store.repository::<crate::support::account::Account>();
    undeclared.execute(crate::support::account::open("alice")).unwrap();
    let error = undeclared.take_snapshot(&crate::support::account::id("alice")).unwrap_err();
    assert!(matches!(error, SnapshotError::NotDeclared { aggregate: "account", .. }), "{error}");
}

/// A state that JSON cannot represent: the keys of its map are no strings.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Count), events(Counted), snapshot(every = 2))]
struct Unwritable {
    pairs: HashMap<(u64, u64), u64>,
}

#[handlers]
impl Unwritable {
    #[execute]
    fn count(&self, command: Count) -> Counted {
        Counted { by: command.by }
    }

    #[apply]
    fn counted(&mut self, event: &Counted) {
        self.pairs.insert((event.by, 0), 1);
    }
}

#[test]
fn a_state_that_can_not_be_encoded_fails_no_command() {
    let store = MemoryStore::new();
    let counters = store.repository::<Unwritable>();
    fill(&counters, "a", 7);
    let statistics = counters.statistics();
    assert_eq!((statistics.snapshots_taken, statistics.snapshots_failed), (0, 3));
    let error = counters.take_snapshot(&id()).unwrap_err();
    assert_eq!(chain(&error), "the state of unwritable/a can't be kept as a snapshot: key must be a string");
    assert_eq!(store.repository::<Unwritable>().load(&id()).unwrap().state().pairs.len(), 7);
}

/// A store that keeps no snapshots works as well.
#[test]
fn batches_and_units_of_work_take_snapshots() {
    let store = MemoryStore::new();
    let counters = store.repository::<Counter>().with_cache(CacheOptions::aggregates(0));
    counters.execute_batch(&id(), (1..=30).map(|by| count("a", by))).unwrap();
    assert_eq!(counters.statistics().snapshots_taken, 1);
    let mut work = store.unit_of_work();
    for by in 1..=10 {
        work.execute(&counters, count("a", by)).unwrap();
        work.execute(&counters, count("b", by)).unwrap();
    }
    work.commit().unwrap();
    assert_eq!(counters.statistics().snapshots_taken, 3);
    let cold = store.repository::<Counter>();
    let (events, loaded) = applied(|| cold.load(&id()).unwrap());
    assert_eq!((events, loaded.version(), loaded.state().sum), (0, 40, 465 + 55));
}

/// A store may return any bytes. The state is used only if it is exactly what was taken.
#[test]
fn a_snapshot_from_elsewhere_is_not_trusted() {
    let store = MemoryStore::new();
    let counters = store.repository::<Counter>();
    fill(&counters, "a", 10);
    let stream = StreamName::new("counter", "a");
    let mut kept = Vec::new();
    store.read_snapshot(&stream, &mut |snapshot| kept = snapshot.state.to_vec()).unwrap();
    let forged = StoredSnapshot::new(10, Position::new(10), Timestamp::now(), 1, 1, &kept);
    store.save_snapshot(&stream, &forged).unwrap();
    let cold = store.repository::<Counter>();
    assert_eq!(cold.load(&id()).unwrap().state().sum, 55);
    assert_eq!(cold.statistics().snapshots_ignored, 1);
}
