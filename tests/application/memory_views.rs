//! Views in memory that follow in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use factum::follow::Activity;
use factum::prelude::*;
use factum::with_causes;

use super::shop::{LONG, Order, OrderPlaced, Totals, place};
use crate::support::bounded::wait_until;

#[derive(Application)]
#[application(aggregates(Order))]
struct Small {
    #[projection]
    totals: Totals,
}

/// A view begins with the first event, and takes later ones as they come, from whichever store.
#[test]
fn a_view_follows_any_store() {
    fn run<S: EventStore + Clone + 'static>(store: &S) {
        let orders = store.repository::<Order>();
        orders.execute_batch(&super::shop::id("a"), (0..3000).map(|_| place("a", 5))).unwrap();
        let small = Small { totals: Totals::default() }.start(store).unwrap();
        for round in 1..=20 {
            let position = orders.execute(place("b", 10)).unwrap().position().unwrap();
            small.wait_for::<Totals>(position, LONG).unwrap();
            let orders = small.view(|totals: &Totals| totals.orders);
            assert_eq!(orders, Some(3000 + round));
        }
        small.stop(LONG).unwrap();
    }
    run(&MemoryStore::new());
    run(&SqliteStore::in_memory().unwrap());
    // A store that wakes no follower: the view has a thread of its own.
    run(&Unwatched(MemoryStore::new()));
}

#[derive(Clone)]
struct Unwatched(MemoryStore);

impl EventStore for Unwatched {
    factum::testing::delegate!(self => self.0; append, read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);
}

/// Fails while it is off.
#[derive(Clone, Default, Projection)]
#[projection(events(OrderPlaced), from(Order))]
struct Fragile {
    is_on: Arc<AtomicBool>,
    attempts: u64,
}

#[handlers]
impl Fragile {
    #[project]
    fn placed(&mut self, _: &OrderPlaced) -> Result<(), BoxError> {
        self.attempts += 1;
        if self.is_on.load(Ordering::SeqCst) { Ok(()) } else { Err("it is off".into()) }
    }
}

#[test]
fn an_event_that_fails_is_tried_again_or_ends_the_view() {
    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Patient(#[projection(retry(1000), delay = Duration::from_millis(1))] Fragile);

    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Impatient(#[projection(retry(2), delay = Duration::from_millis(1))] Fragile);

    let is_on = Arc::new(AtomicBool::new(false));
    let view = Fragile { is_on: Arc::clone(&is_on), attempts: 0 };
    let app = Patient(view.clone()).start(&MemoryStore::new()).unwrap();
    let position = app.execute(place("a", 10)).unwrap().position().unwrap();
    wait_until(|| app.view(|view: &Fragile| view.attempts) >= Some(3));
    assert!(
        matches!(&app.health()[0].activity, Activity::Retrying { position: Some(at), .. } if *at == position)
    );
    is_on.store(true, Ordering::SeqCst);
    app.wait_for::<Fragile>(position, LONG).unwrap();
    assert_eq!(app.health()[0].activity, Activity::Running);
    app.stop(LONG).unwrap();

    is_on.store(false, Ordering::SeqCst);
    let app = Impatient(view).start(&MemoryStore::new()).unwrap();
    let position = app.execute(place("a", 10)).unwrap().position().unwrap();
    assert!(app.wait_for::<Fragile>(position, LONG).is_err());
    assert_eq!(app.view(|view: &Fragile| view.attempts), Some(3));
    let error = app.stop(LONG).unwrap_err();
    let text = with_causes(&*error.failed[0].1);
    assert!(text.contains("it is off"), "{text}");
}

/// An event that fails has no other place than the store: a view in memory is gone with its dead letters.
#[test]
fn a_view_in_memory_has_no_dead_letters() {
    #[derive(Application)]
    #[application(aggregates(Order))]
    struct Wrong(#[projection(dead_letters)] Fragile);

    let error = Wrong(Fragile::default()).start(&MemoryStore::new()).unwrap_err();
    assert!(with_causes(&error).contains("a view in memory has no dead letters"), "{error}");
}
