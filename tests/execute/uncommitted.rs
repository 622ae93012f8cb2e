//! Answers that rest on a state which is not stored in the end, as its append fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::bounded::{SetOnDrop, wait_until};
use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Added {
    count: i64,
}

#[derive(Debug, Clone, Command)]
struct Add {
    #[command(id)]
    counter: String,
    count: i64,
}

/// Leads to no event.
#[derive(Debug, Clone, Command)]
struct Look(#[command(id)] String);

/// Expects that nothing was added.
#[derive(Debug, Clone, Command)]
struct Assert(#[command(id)] String);

/// Counts its decisions.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = AtomicU32, commands(Add, Look, Assert), events(Added))]
struct Counter {
    sum: i64,
}

#[handlers]
impl Counter {
    #[execute]
    fn add(&self, command: Add, decisions: &AtomicU32) -> Added {
        decisions.fetch_add(1, Ordering::SeqCst);
        Added { count: command.count }
    }

    #[execute]
    fn look(&self, _: Look, decisions: &AtomicU32) -> Option<Added> {
        decisions.fetch_add(1, Ordering::SeqCst);
        None
    }

    #[execute]
    fn assert(&self, _: Assert, decisions: &AtomicU32) -> Option<Added> {
        decisions.fetch_add(1, Ordering::SeqCst);
        assert_eq!(self.sum, 0, "injected: a state that never was");
        None
    }

    #[apply]
    fn added(&mut self, event: &Added) {
        self.sum += event.count;
    }
}

fn name() -> String {
    "c".into()
}

/// Another program holds the file until the first append has failed. The other commands are decided meanwhile, on the
/// state that it would have led to.
#[test]
fn no_answer_rests_on_an_append_that_failed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("counters.db");
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(500)).open(&file).unwrap();
    let counters = store.repository_with::<Counter>(AtomicU32::new(0));
    let decisions = counters.services();
    let other = Connection::open(&file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    thread::scope(|scope| {
        let failed = scope.spawn(|| counters.execute(Add { counter: name(), count: 100 }).unwrap_err());
        wait_until(|| decisions.load(Ordering::SeqCst) > 0);
        // Now it is queued, or will be in a moment.
        thread::sleep(Duration::from_millis(50));
        let look = scope.spawn(|| counters.execute(Look(name())).map(|done| done.state().sum));
        let batch =
            scope.spawn(|| counters.execute_batch(&name(), [Look(name())]).map(|done| done.state().sum));
        let unit = scope.spawn(|| {
            store.atomically(0, |unit| Ok::<_, BoxError>(unit.execute(&counters, Look(name()))?.state().sum))
        });
        let own_error = scope.spawn(|| {
            store.atomically(0, |unit| {
                let sum = unit.execute(&counters, Look(name()))?.state().sum;
                if sum > 0 { Err(BoxError::from(format!("{sum} are too many"))) } else { Ok(()) }
            })
        });
        let panics =
            scope.spawn(|| catch_unwind(AssertUnwindSafe(|| counters.execute(Assert(name())).map(drop))));
        wait_until(|| decisions.load(Ordering::SeqCst) >= 6);
        assert!(factum::with_causes(&failed.join().unwrap()).contains("another writer"));
        other.execute_batch("ROLLBACK").unwrap();
        // Each may have failed as well, but none has seen the 100.
        assert!(look.join().unwrap().ok().is_none_or(|sum| sum == 0));
        assert!(batch.join().unwrap().ok().is_none_or(|sum| sum == 0));
        assert!(unit.join().unwrap().ok().is_none_or(|sum| sum == 0));
        let own_error = own_error.join().unwrap().err().map(|error| error.to_string());
        assert!(own_error.as_ref().is_none_or(|error| !error.contains("too many")), "{own_error:?}");
        assert!(panics.join().unwrap().is_ok(), "the panic counts for nothing");
    });
    assert!(!counters.exists(&name()).unwrap());
}

/// A slow handler loses its turns to others, until a retry's turn lasts long enough.
#[test]
fn a_slow_handler_gets_through_with_retries() {
    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = String, commands(Add), events(Added))]
    struct Slow {
        sum: i64,
    }

    #[handlers]
    impl Slow {
        #[execute]
        fn add(&self, command: Add) -> Added {
            // Longer than a turn, and than two.
            thread::sleep(Duration::from_millis(if command.count > 1 { 300 } else { 0 }));
            Added { count: command.count }
        }

        #[apply]
        fn added(&mut self, event: &Added) {
            self.sum += event.count;
        }
    }

    let store = MemoryStore::new();
    let slow = store.repository::<Slow>();
    let add = |count| Add { counter: name(), count };
    let is_done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_done.load(Ordering::SeqCst) {
                    let _ = slow.execute(add(1));
                }
            });
        }
        let _done = SetOnDrop(&is_done);
        slow.execute_with(add(1_000), &ExecuteOptions::new().retry(6)).unwrap();
    });
}
