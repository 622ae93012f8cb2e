//! What an instance can't handle or send holds that instance, and no other.

use std::any::Any;
use std::sync::Arc;

use factum::follow::{CommandRoutes, Commands, HappeningKind, SendError, SentCommand, Undelivered};
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::kept::{KeptProcess, set_event_version};
use crate::support::shop::{
    CancelOrder, Order, OrderId, OrderPlaced, OrderShipped, PlaceOrder, ShipOrder, Shop, TIME_TO_PAY, order,
    sku,
};

/// Ships each order, and cancels it when it has been shipped, which the order refuses.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(OrderPlaced by stream),
    events(OrderShipped by stream),
    from(Order),
    commands(ShipOrder unrefused, CancelOrder unrefused),
    timeouts(Late),
)]
struct Hasty {
    /// The price that the handler fails on.
    fails_on: u64,
    shipped: u32,
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Late {
    fails_on: u64,
}

#[handlers]
impl Hasty {
    #[react]
    fn placed(
        &self,
        event: &OrderPlaced,
        id: &OrderId,
    ) -> Result<(Option<ShipOrder>, After<Late>), BoxError> {
        if event.cents == self.fails_on {
            return Err("no such price".into());
        }
        let ships = event.cents < 100;
        let late = After(Late { fails_on: event.cents }, TIME_TO_PAY);
        Ok((ships.then(|| ShipOrder(id.clone())), late))
    }

    #[react]
    fn shipped(&self, _: &OrderShipped, id: &OrderId) -> CancelOrder {
        assert!(self.fails_on != 7, "a panic of the handler");
        CancelOrder { order: id.clone(), reason: "shipped".into() }
    }

    #[react]
    fn late(&self, timeout: &Late, id: &OrderId) -> Result<(CancelOrder, Done), BoxError> {
        if timeout.fails_on == 100 {
            return Err("too late".into());
        }
        Ok((CancelOrder { order: id.clone(), reason: "late".into() }, Done))
    }

    #[apply]
    fn count(&mut self, _: &OrderShipped) {
        self.shipped += 1;
    }
}

fn process(shop: &Shop, fails_on: u64) -> KeptProcess<Hasty> {
    let hasty = Hasty { fails_on, shipped: 0 };
    KeptProcess::new(&shop.store, hasty, shop.commands()).unwrap().clock(shop.clock.clone())
}

/// The dead letters: each instance, with what failed and the error.
fn letters(process: &KeptProcess<Hasty>) -> Vec<(String, String, String)> {
    let letters = process.instances().dead_letters().unwrap();
    letters.into_iter().map(|letter| (letter.instance, letter.name, letter.error)).collect()
}

fn kinds(process: &KeptProcess<Hasty>, name: &str) -> Vec<HappeningKind> {
    let history = process.instances().history(&order(name)).unwrap();
    history.into_iter().map(|entry| entry.kind).collect()
}

#[test]
fn an_event_that_fails_holds_its_instance_until_it_is_retried() {
    let shop = Shop::with_stock(0);
    for (name, cents) in [("a", 5), ("b", 50)] {
        shop.place(name, cents);
    }
    let mut broken = process(&shop, 5);
    broken.catch_up().unwrap();
    assert_eq!(letters(&broken)[0], ("a".into(), "order-placed".into(), "no such price".into()));
    assert_eq!((shop.end_of("a"), shop.end_of("b")), (None, Some("shipped")));
    // A later event of the instance waits.
    shop.orders.execute(ShipOrder(order("a"))).unwrap();
    broken.catch_up().unwrap();
    assert!(broken.instances().get(&order("a")).unwrap().is_none());

    let mut fixed = process(&shop, 0);
    fixed.catch_up().unwrap();
    assert_eq!(letters(&fixed)[0].0, "a", "not before it is retried");
    assert!(fixed.instances().retry(&order("a")).unwrap());
    assert!(!fixed.instances().retry(&order("a")).unwrap());
    fixed.catch_up().unwrap();
    // Shipped already: the order refuses to be shipped again, which is the next dead letter. The event that has waited may
    // come before that, or wait again.
    assert!(kinds(&fixed, "a").starts_with(&[HappeningKind::Failed, HappeningKind::Received]));
    assert_eq!(letters(&fixed)[0].1, "ship-order");
}

#[test]
fn a_retry_that_fails_holds_the_instance_again() {
    let shop = Shop::with_stock(0);
    shop.place("a", 5);
    let mut broken = process(&shop, 5);
    broken.catch_up().unwrap();
    broken.instances().retry(&order("a")).unwrap();
    broken.catch_up().unwrap();
    assert_eq!(letters(&broken).len(), 1);
    assert_eq!(kinds(&broken, "a"), [HappeningKind::Failed, HappeningKind::Failed]);
}

#[test]
fn a_discarded_event_is_skipped() {
    let shop = Shop::with_stock(0);
    shop.place("a", 5);
    shop.place("a", 50);
    let mut broken = process(&shop, 5);
    broken.catch_up().unwrap();
    let discarded = broken.instances().discard(&order("a"), "a test").unwrap().unwrap();
    assert!(matches!(discarded.what, Undelivered::Event(_)));
    assert_eq!(broken.instances().discard(&order("a"), "again").unwrap(), None);
    broken.catch_up().unwrap();
    assert_eq!(shop.end_of("a"), Some("shipped"), "the second event was handled");
    let history = broken.instances().history(&order("a")).unwrap();
    assert_eq!(history[1].kind, HappeningKind::Discarded);
    assert_eq!(history[1].detail.as_deref(), Some("a test"));
}

#[test]
fn a_handler_that_panics_holds_its_instance() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop, 7);
    shop.place("a", 8);
    process.catch_up().unwrap();
    assert_eq!(letters(&process)[0].2, "the handler panicked: a panic of the handler");
    assert_eq!(process.position().unwrap(), shop.store.position().unwrap());
}

#[test]
fn an_unrefused_command_that_is_refused_holds_its_instance() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop, 0);
    shop.place("a", 8);
    process.catch_up().unwrap();
    let letter = ("a".into(), "cancel-order".into(), "the command was refused: Over(\"shipped\")".into());
    assert_eq!(letters(&process), [letter]);
    // Its time-outs do not fire while it is held.
    shop.clock.forward(2 * TIME_TO_PAY);
    process.catch_up().unwrap();
    assert!(!kinds(&process, "a").contains(&HappeningKind::TimedOut));
    process.instances().discard(&order("a"), "it is shipped").unwrap();
    process.catch_up().unwrap();
    assert!(kinds(&process, "a").contains(&HappeningKind::TimedOut));
    // What is refused after the end has no handler.
    assert!(letters(&process)[0].2.starts_with("the command was refused after the process was done"));
}

#[test]
fn a_time_out_that_fails_holds_its_instance() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop, 0);
    shop.place("a", 100);
    shop.place("b", 200);
    process.catch_up().unwrap();
    shop.clock.forward(2 * TIME_TO_PAY);
    process.catch_up().unwrap();
    assert_eq!(letters(&process), [("a".into(), "late".into(), "too late".into())]);
    assert_eq!((shop.end_of("a"), shop.end_of("b")), (None, Some("cancelled")));
    let discarded = process.instances().discard(&order("a"), "enough").unwrap().unwrap();
    assert_eq!(discarded.what, Undelivered::Timeout);
    process.catch_up().unwrap();
    assert_eq!((letters(&process).len(), shop.end_of("a")), (0, None));
}

/// What was due first fires first, also after a dead letter.
#[test]
fn an_event_that_has_waited_comes_after_the_time_outs_due_before_it() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop, 300);
    shop.place("a", 200);
    shop.place("a", 300);
    let later = Timestamp::now().as_micros() + 2 * i64::try_from(TIME_TO_PAY.as_micros()).unwrap();
    let at = ExecuteOptions::new().recorded_at(Timestamp::from_micros(later));
    shop.orders.execute_with(ShipOrder(order("a")), &at).unwrap();
    process.catch_up().unwrap();
    assert_eq!(letters(&process)[0].1, "order-placed");
    shop.clock.forward(3 * TIME_TO_PAY);
    process.instances().discard(&order("a"), "a test").unwrap();
    process.catch_up().unwrap();
    let happened = kinds(&process, "a");
    let expected =
        [HappeningKind::Received, HappeningKind::Failed, HappeningKind::Discarded, HappeningKind::TimedOut];
    assert!(happened.starts_with(&expected), "{happened:?}");
}

/// A store that an older program, or a newer one, has written.
#[test]
fn what_cannot_be_read_is_never_skipped() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop, 0);
    for (name, cents) in [("a", 100), ("b", 200), ("c", 300)] {
        shop.place(name, cents);
    }
    process.catch_up().unwrap();
    shop.sql(
        "UPDATE factum_process_timeouts SET name = 'gone' WHERE instance = 'a';
         UPDATE factum_process_timeouts SET version = 2 WHERE instance = 'b';
         UPDATE factum_process_timeouts SET payload = '{}' WHERE instance = 'c';",
    );
    shop.clock.forward(2 * TIME_TO_PAY);
    process.catch_up().unwrap();
    let errors: Vec<_> = letters(&process).into_iter().map(|(_, _, error)| error).collect();
    assert_eq!(errors[0], "no time-out of the process is stored under the name `gone` (version 1)");
    assert_eq!(errors[1], "version 2 of `late` is newer than version 1, the newest this program knows");
    assert!(errors[2].starts_with("the payload of `late` version 1 does not fit"), "{}", errors[2]);
    shop.sql("UPDATE factum_process_timeouts SET version = 1 WHERE instance = 'b'");
    process.instances().retry(&order("b")).unwrap();
    process.catch_up().unwrap();
    assert_eq!(shop.end_of("b"), Some("cancelled"));
}

/// Executes no command.
struct Nothing;

impl Commands for Nothing {
    fn send(&self, command: &SentCommand<'_>, _: &mut dyn FnMut(&dyn Any, &str)) -> Result<(), SendError> {
        Err(SendError::Impossible(format!("no {}", command.name).into()))
    }
}

#[test]
fn a_command_that_no_aggregate_takes_holds_its_instance() {
    let shop = Shop::with_stock(0);
    shop.place("a", 8);
    let mut broken = KeptProcess::new(&shop.store, Hasty::default(), Arc::new(Nothing)).unwrap();
    broken.catch_up().unwrap();
    assert_eq!(letters(&broken)[0].2, "the command can't be executed: no ship-order");
    assert_eq!(shop.end_of("a"), None);
    let mut process = process(&shop, 0);
    process.instances().retry(&order("a")).unwrap();
    process.catch_up().unwrap();
    assert_eq!(shop.end_of("a"), Some("shipped"));
}

#[test]
fn a_command_that_two_repositories_take_holds_its_instance() {
    let shop = Shop::with_stock(0);
    shop.place("a", 8);
    let commands = CommandRoutes::new().to(shop.orders.clone()).to(shop.orders.clone()).shared();
    let mut process = KeptProcess::new(&shop.store, Hasty::default(), commands).unwrap();
    process.catch_up().unwrap();
    let error = "the command can't be executed: several of the repositories take a command `ship-order`";
    assert_eq!(letters(&process)[0].2, error);
    assert_eq!(shop.end_of("a"), None);
}

/// Its instance can't be told, so it can't hold one.
#[test]
fn an_event_that_cannot_be_read_stops_the_process() {
    let shop = Shop::with_stock(0);
    shop.place("a", 8);
    set_event_version(&shop.folder, "order-placed", 9);
    shop.orders.execute(PlaceOrder { order: order("b"), sku: sku(), cents: 8 }).unwrap();
    let mut process = process(&shop, 0);
    let error = process.catch_up().unwrap_err();
    assert_eq!(error.position().unwrap().get(), 2);
    set_event_version(&shop.folder, "order-placed", 1);
    process.catch_up().unwrap();
    assert_eq!((shop.end_of("a"), shop.end_of("b")), (Some("shipped"), Some("shipped")));
}
