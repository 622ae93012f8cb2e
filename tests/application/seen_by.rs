//! Answers that come when followers have seen a command's events.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use factum::application::SeenError;
use factum::follow::WaitError;
use factum::prelude::*;

use super::shop::{LONG, Order, OrderError, OrderPlaced, Ship, Totals, id, place, shop};
use super::shop::{Mailer, Sales};

/// A view whose handler waits until the gate is open.
#[derive(Clone, Default, Projection)]
#[projection(events(OrderPlaced), from(Order))]
pub(super) struct Slow {
    pub(super) gate: Arc<(Mutex<Gate>, Condvar)>,
}

#[derive(Default)]
pub(super) struct Gate {
    is_open: bool,
    is_reached: bool,
}

#[handlers]
impl Slow {
    #[project]
    fn placed(&mut self, _: &OrderPlaced) {
        self.change(|gate| gate.is_reached = true);
        self.wait(|gate| gate.is_open);
    }
}

impl Slow {
    pub(super) fn open(&self) {
        self.change(|gate| gate.is_open = true);
    }

    pub(super) fn wait_until_reached(&self) {
        self.wait(|gate| gate.is_reached);
    }

    fn change(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.gate.0.lock().unwrap());
        self.gate.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&Gate) -> bool) {
        let (gate, changed) = &*self.gate;
        let waited = changed.wait_timeout_while(gate.lock().unwrap(), LONG, |gate| !until(gate));
        assert!(!waited.unwrap().1.timed_out(), "the gate stays as it is");
    }
}

#[derive(Application)]
#[application(aggregates(Order))]
pub(super) struct Halting {
    #[projection]
    pub(super) totals: Totals,
    #[projection]
    pub(super) slow: Slow,
}

#[test]
fn the_answer_comes_when_all_followers_have_seen_the_command() {
    let (shop, mail) = shop();
    let options =
        ExecuteOptions::new().seen_by::<Totals>(LONG).seen_by::<Mailer>(LONG).seen_by::<Sales>(LONG);
    for round in 1..=20 {
        let done = shop.execute_with(place("a", 10), &options.clone().retry(3)).unwrap();
        assert_eq!((done.version(), shop.view(|totals: &Totals| totals.orders)), (round, Some(round)));
        assert_eq!(mail.sent.lock().unwrap().len() as u64, round);
    }
    // A command without events has nothing to wait for.
    assert!(shop.execute_with(Ship(id("b")), &options).unwrap().is_unchanged());
    // A refusal is what it is.
    let refused = shop.execute_with(place("a", 1), &options).unwrap_err();
    assert!(
        matches!(&refused, SeenError::Execute(error) if error.refusal() == Some(&OrderError::TooSmall { cents: 1 }))
    );
    assert_eq!(refused.to_string(), "an order of 1 cents is too small");
}

#[test]
fn a_follower_that_is_late_is_named_and_the_command_has_happened() {
    let slow = Slow::default();
    let app = Halting { totals: Totals::default(), slow: slow.clone() }.start(&MemoryStore::new()).unwrap();
    let options = ExecuteOptions::new().seen_by::<Totals>(LONG).seen_by::<Slow>(Duration::from_millis(50));
    app.execute(place("b", 10)).unwrap();
    let error = app.execute_with(place("a", 10), &options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the command was carried out, and not all followers have seen it: `slow` has reached position 0 in the time \
         given, not 2"
    );
    let SeenError::Unseen { done, late, .. } = error else { panic!("{error}") };
    assert_eq!((done.version(), done.state().cents), (1, 10));
    assert!(matches!(&late[..], [WaitError::TimedOut { follower: "slow", wanted, .. }] if wanted.get() == 2));
    assert_eq!(app.view(|totals: &Totals| totals.orders), Some(2), "the other one was waited for");

    slow.open();
    app.wait_for::<Slow>(done.position().unwrap(), LONG).unwrap();
}
