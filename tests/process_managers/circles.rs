//! What goes in a circle is a dead letter in the end, and keeps no other instance from its work.

use factum::follow::HappeningKind;
use factum::prelude::*;
use factum::testing::given_process;
use serde::{Deserialize, Serialize};

use crate::support::kept::KeptProcess;
use crate::support::shop::{
    CancelOrder, Order, OrderError, OrderId, OrderPlaced, ShipOrder, Shop, TIME_TO_PAY, order, sku,
};

/// Sets its time-out for 1970 again, and sends what was refused again.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(OrderPlaced by stream),
    from(Order),
    commands(ShipOrder, CancelOrder unrefused),
    timeouts(Again, Later),
)]
struct Stubborn;

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Again;

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Later {
    left: u32,
}

/// The price of an order says which.
type OneOfThese = (Option<At<Again>>, Option<ShipOrder>, Option<After<Later>>, Option<CancelOrder>);

const LONG_AGO: Timestamp = Timestamp::from_micros(0);

#[handlers]
impl Stubborn {
    #[react]
    fn placed(&self, event: &OrderPlaced, id: &OrderId) -> OneOfThese {
        let cancel = CancelOrder { order: id.clone(), reason: "small".into() };
        (
            (event.cents == 1).then_some(At(Again, LONG_AGO)),
            (event.cents == 2).then(|| ShipOrder(id.clone())),
            (event.cents == 3).then_some(After(Later { left: 300 }, TIME_TO_PAY)),
            (event.cents == 4).then_some(cancel),
        )
    }

    #[react]
    fn again(&self, _: &Again) -> At<Again> {
        At(Again, LONG_AGO)
    }

    #[react]
    fn later(&self, timeout: &Later) -> Option<After<Later>> {
        let left = timeout.left.checked_sub(1)?;
        Some(After(Later { left }, TIME_TO_PAY))
    }

    #[refused]
    fn not_shipped(&self, command: &ShipOrder, _: &OrderError) -> ShipOrder {
        command.clone()
    }
}

fn process(shop: &Shop) -> KeptProcess<Stubborn> {
    KeptProcess::new(&shop.store, Stubborn, shop.commands()).unwrap().clock(shop.clock.clone())
}

fn count(process: &KeptProcess<Stubborn>, name: &str, kind: HappeningKind) -> usize {
    let history = process.instances().history(&order(name)).unwrap();
    history.iter().filter(|entry| entry.kind == kind).count()
}

#[test]
fn a_time_out_that_sets_itself_for_now_is_a_dead_letter() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop);
    shop.place("a", 1);
    shop.place("b", 4);
    process.catch_up().unwrap();
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!((letters.len(), letters[0].instance.as_str(), letters[0].name.as_str()), (1, "a", "again"));
    assert!(letters[0].error.starts_with("the time-out is the 101st in a row"), "{}", letters[0].error);
    assert_eq!(count(&process, "a", HappeningKind::TimedOut), 100);
    assert_eq!(shop.end_of("b"), Some("cancelled"));
    // A retry is bounded too.
    process.instances().retry(&order("a")).unwrap();
    process.catch_up().unwrap();
    assert_eq!(process.instances().dead_letters().unwrap().len(), 1);
}

#[test]
fn a_time_out_that_was_due_often_during_a_pause_fires_as_often() {
    let shop = Shop::with_stock(0);
    let mut process = process(&shop);
    shop.place("a", 3);
    process.catch_up().unwrap();
    shop.clock.forward(TIME_TO_PAY * 400);
    process.catch_up().unwrap();
    assert_eq!(process.instances().dead_letters().unwrap(), []);
    assert_eq!(count(&process, "a", HappeningKind::TimedOut), 301);
}

#[test]
fn a_refusal_that_sends_the_same_command_again_is_a_dead_letter() {
    let shop = Shop::with_stock(0);
    shop.place("a", 2);
    shop.orders.execute(CancelOrder { order: order("a"), reason: "too late".into() }).unwrap();
    let mut process = process(&shop);
    process.catch_up().unwrap();
    let letters = process.instances().dead_letters().unwrap();
    assert_eq!((letters[0].instance.as_str(), letters[0].name.as_str()), ("a", "ship-order"));
    assert!(
        letters[0].error.starts_with("the command was refused, as were 100 before it"),
        "{}",
        letters[0].error
    );
    assert_eq!(count(&process, "a", HappeningKind::Refused), 100);
}

#[test]
#[should_panic(expected = "the time-out is the 101st in a row")]
fn a_test_of_such_a_process_ends() {
    given_process::<Stubborn>(OrderPlaced { sku: sku(), cents: 1 }).after(TIME_TO_PAY).then_nothing();
}
