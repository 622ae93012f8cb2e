//! Instances that are done can be removed.

use std::time::Duration;

use factum::follow::InstanceState;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::kept::KeptProcess;
use crate::support::shop::{CancelOrder, Order, OrderId, OrderPlaced, ShipOrder, Shop, order};

fn in_an_hour(shop: &Shop) -> Timestamp {
    shop.clock.forward(Duration::from_hours(1));
    factum::follow::Clock::now(&shop.clock)
}

#[test]
fn instances_that_are_done_are_removed_with_their_histories() {
    let shop = Shop::with_stock(0);
    let mut process = shop.process();
    // Without stock, each is cancelled.
    for number in 0..250 {
        shop.place(&number.to_string(), 5);
    }
    process.catch_up().unwrap();
    shop.add_stock(1);
    shop.place("runs", 5);
    process.catch_up().unwrap();
    let (before, instances) = (Timestamp::from_micros(0), process.instances());
    assert_eq!(instances.remove_done(before).unwrap(), 0);
    assert!(matches!(instances.get(&order("7")).unwrap(), Some(InstanceState::Done(_))));
    assert_eq!(instances.remove_done(in_an_hour(&shop)).unwrap(), 250);
    assert_eq!(instances.get(&order("7")).unwrap(), None);
    assert_eq!(instances.history(&order("7")).unwrap(), []);
    assert!(matches!(instances.get(&order("runs")).unwrap(), Some(InstanceState::Running(_))));
    assert!(!instances.history(&order("runs")).unwrap().is_empty());
    // A late event starts it again.
    shop.place("7", 5);
    process.catch_up().unwrap();
    assert!(!instances.history(&order("7")).unwrap().is_empty());
}

/// Done at once; then its command is refused, which is a dead letter.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(ShipOrder unrefused))]
struct Brief;

#[handlers]
impl Brief {
    #[react]
    fn placed(&self, _: &OrderPlaced, id: &OrderId) -> (ShipOrder, Done) {
        (ShipOrder(id.clone()), Done)
    }
}

#[test]
fn an_instance_that_a_dead_letter_holds_stays() {
    let shop = Shop::with_stock(0);
    let mut process = KeptProcess::new(&shop.store, Brief, shop.commands()).unwrap();
    shop.place("a", 5);
    shop.orders.execute(CancelOrder { order: order("a"), reason: "mine".into() }).unwrap();
    process.catch_up().unwrap();
    let (instances, later) = (process.instances(), in_an_hour(&shop));
    assert_eq!(instances.dead_letters().unwrap().len(), 1);
    assert_eq!(instances.remove_done(later).unwrap(), 0);
    instances.retry(&order("a")).unwrap();
    assert_eq!(instances.remove_done(later).unwrap(), 0, "its command waits");
    process.catch_up().unwrap();
    instances.discard(&order("a"), "cancelled").unwrap();
    assert_eq!(instances.remove_done(later).unwrap(), 1);
}
