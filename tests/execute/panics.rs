//! Handlers and policies that panic: nothing of their work is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::Position;
use factum::prelude::*;
use serde::{Deserialize, Serialize, Serializer};

use crate::support::account::Refused;
use crate::support::fragile::{DUE_PANICS, Fragile, change};
use crate::support::stores::stores;

#[derive(Debug, Clone, Command)]
struct Explode(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Exploded {
    in_apply: bool,
}

/// How the next handler fails.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Fuse {
    #[default]
    None,
    Execute,
    Apply,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Fuse, error = Refused, commands(Explode), events(Exploded))]
struct Bomb;

#[handlers]
impl Bomb {
    #[execute]
    fn explode(&self, _: Explode, fuse: &Fuse) -> Result<Exploded, Refused> {
        assert!(*fuse != Fuse::Execute, "a handler that panics");
        Ok(Exploded { in_apply: *fuse == Fuse::Apply })
    }

    #[apply]
    fn exploded(&mut self, event: &Exploded) {
        assert!(!event.in_apply, "a handler that panics");
    }
}

#[test]
fn a_handler_that_panics_harms_no_other_command() {
    for fuse in [Fuse::Execute, Fuse::Apply] {
        for store in stores() {
            let bombs = store.repository::<Bomb>();
            let options = ExecuteOptions::new().services(&fuse);
            let explode = || Explode("a".into());
            let panics = |attempt: &dyn Fn()| catch_unwind(AssertUnwindSafe(attempt)).is_err();
            assert!(panics(&|| drop(bombs.execute_with(explode(), &options))));
            let batch = || [(explode(), ExecuteOptions::new()), (explode(), options.clone())];
            assert!(panics(&|| drop(bombs.execute_batch_with(&"a".into(), batch()))));
            assert!(panics(&|| {
                let mut work = store.unit_of_work();
                drop(work.execute(&bombs, explode()));
                drop(work.execute_with(&bombs, explode(), &options));
                drop(work.commit());
            }));
            // An event that cannot be applied is never stored: no load could read it.
            assert_eq!(store.position().unwrap(), Position::START);
            assert_eq!(bombs.execute(explode()).unwrap().version(), 1);
            assert_eq!(bombs.load(&"a".into()).unwrap().version(), 1);
        }
    }
}

/// A panic in `apply` leaves no half-done change behind.
#[test]
fn a_panic_leaves_the_state_in_memory_whole() {
    for store in stores() {
        let fragile = store.repository::<Fragile>();
        fragile.execute(change(false)).unwrap();
        for _ in 0..3 {
            catch_unwind(AssertUnwindSafe(|| fragile.execute(change(true)))).unwrap_err();
        }
        let done = fragile.execute(change(false)).unwrap();
        assert_eq!((done.state().begun, done.state().ended, done.version()), (2, 2, 2));
    }
}

#[test]
fn a_panic_in_a_unit_of_work_leaves_nothing_of_its_command_in_it() {
    for store in stores() {
        let fragile = store.repository::<Fragile>();
        let mut work = store.unit_of_work();
        work.execute(&fragile, change(false)).unwrap();
        catch_unwind(AssertUnwindSafe(|| work.execute(&fragile, change(true)).map(drop))).unwrap_err();
        assert_eq!(work.commit().unwrap().events, 1);
        assert_eq!(store.repository::<Fragile>().load(&"it".into()).unwrap().state().ended, 1);
        assert_eq!(fragile.load(&"it".into()).unwrap().state().ended, 1);
    }
}

#[derive(Debug, Clone, Command)]
struct Count {
    #[command(id)]
    counter: String,
    numbers: Vec<u64>,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Counted {
    #[serde(serialize_with = "not_13")]
    number: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn not_13<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    assert!(*number != 13, "a number that panics");
    serializer.serialize_u64(*number)
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Count), events(Counted))]
struct Counter {
    sum: u64,
}

#[handlers]
impl Counter {
    #[execute]
    fn count(&self, command: Count) -> Vec<Counted> {
        command.numbers.into_iter().map(|number| Counted { number }).collect()
    }

    #[apply]
    fn counted(&mut self, event: &Counted) {
        self.sum += event.number;
    }
}

#[test]
fn a_panic_while_events_are_encoded_leaves_none_of_them_in_the_unit_of_work() {
    let count = |numbers: &[u64]| Count { counter: "it".into(), numbers: numbers.to_vec() };
    for store in stores() {
        let counters = store.repository::<Counter>();
        let mut work = store.unit_of_work();
        work.execute(&counters, count(&[1])).unwrap();
        // The first two events are encoded, the third panics.
        let panics = || work.execute(&counters, count(&[2, 3, 13])).map(drop);
        catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        work.execute(&counters, count(&[4])).unwrap();
        assert_eq!(work.commit().unwrap().events, 2);
        for counters in [&counters, &store.repository()] {
            let counter = counters.load(&"it".into()).unwrap();
            assert_eq!((counter.version(), counter.state().sum), (2, 5));
        }
    }
}

#[test]
fn a_policy_that_panics_harms_no_command() {
    let store = MemoryStore::new();
    let fragile = store.repository::<Fragile>();
    fragile.execute(change(false)).unwrap();
    DUE_PANICS.set(true);
    let done = fragile.execute(change(false)).unwrap();
    assert_eq!((done.version(), done.state().ended), (2, 2));
    assert_eq!(fragile.load(&"it".into()).unwrap().version(), 2);
    DUE_PANICS.set(false);
    assert!(fragile.statistics().snapshots_failed > 0);
    assert_eq!(fragile.execute(change(false)).unwrap().version(), 3);
}
