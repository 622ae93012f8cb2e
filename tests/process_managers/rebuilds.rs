//! A state whose shape has changed is rebuilt from what the instance has remembered.

use std::any::Any;
use std::sync::Arc;

use factum::follow::{Commands, InstanceState, SendError, SentCommand};
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::kept::KeptProcess;
use crate::support::shop::{
    AskPayment, CancelOrder, Order, OrderError, OrderId, OrderPlaced, Payment, PaymentOverdue, PaymentTaken,
    ShipOrder, Shop, Sku, Stock, StockReserved, TIME_TO_PAY, order, sku,
};

/// The process as a later program has it: its state has other fields.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    name = "fulfilment",
    id = OrderId,
    starts(OrderPlaced by stream),
    events(StockReserved by order, PaymentTaken by order),
    from(Order, Stock, Payment),
    commands(AskPayment unrefused, ShipOrder unrefused, CancelOrder unrefused),
    timeouts(PaymentOverdue),
)]
struct Later {
    skus: Vec<Sku>,
    reserved: u32,
    overdue: u32,
}

#[handlers]
impl Later {
    #[react]
    fn reserved(&self, event: &StockReserved) -> AskPayment {
        AskPayment { order: event.order.clone(), cents: 0 }
    }
    #[react]
    fn paid(&self, _: &PaymentTaken, id: &OrderId) -> ShipOrder {
        ShipOrder(id.clone())
    }
    #[react]
    fn overdue(&self, _: &PaymentOverdue) {}
    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.skus.push(event.sku.clone());
    }
    #[apply]
    fn has_reserved(&mut self, _: &StockReserved) {
        self.reserved += 1;
    }
    #[apply]
    fn is_overdue(&mut self, _: &PaymentOverdue) {
        self.overdue += 1;
    }
}

#[test]
fn a_state_of_another_shape_is_replayed() {
    let shop = Shop::with_stock(1);
    shop.process().catch_up().unwrap();
    shop.place("a", 500);
    shop.process().catch_up().unwrap();
    let later = || {
        KeptProcess::new(&shop.store, Later::default(), shop.commands()).unwrap().clock(shop.clock.clone())
    };
    assert!(matches!(later().instances().get(&order("a")).unwrap(), Some(InstanceState::OtherShape)));
    shop.clock.forward(2 * TIME_TO_PAY);
    later().catch_up().unwrap();
    shop.pay("a");
    later().catch_up().unwrap();
    let Some(InstanceState::Running(state)) = later().instances().get(&order("a")).unwrap() else {
        panic!("not running")
    };
    assert_eq!((state.skus, state.reserved, state.overdue), (vec![sku()], 1, 1));
    assert_eq!(shop.end_of("a"), Some("shipped"));
}

/// Sends nothing.
struct Closed;

impl Commands for Closed {
    fn send(&self, _: &SentCommand<'_>, _: &mut dyn FnMut(&dyn Any, &str)) -> Result<(), SendError> {
        Err(SendError::Failed("closed".into()))
    }
}

/// Counts the orders that were placed under one id.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    name = "counting",
    id = OrderId,
    starts(OrderPlaced by stream),
    from(Order),
    commands(ShipOrder),
    timeouts(PaymentOverdue),
)]
struct Counting {
    placed: u32,
}

#[handlers]
impl Counting {
    #[react]
    fn placed(&self, event: &OrderPlaced) -> After<PaymentOverdue> {
        After(PaymentOverdue { cents: event.cents }, TIME_TO_PAY)
    }
    #[react]
    fn overdue(&self, _: &PaymentOverdue) {}
    #[refused]
    fn not_shipped(&self, _: &ShipOrder, _: &OrderError) {}
    #[apply]
    fn has_placed(&mut self, _: &OrderPlaced) {
        self.placed += 1;
    }
}

/// As a later program has it.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    name = "counting",
    id = OrderId,
    starts(OrderPlaced by stream),
    from(Order),
    commands(ShipOrder),
    timeouts(PaymentOverdue),
)]
struct CountingMore {
    placed: u32,
    overdue: u32,
    refused: Option<u32>,
}

#[handlers]
impl CountingMore {
    #[react]
    fn placed(&self, event: &OrderPlaced, id: &OrderId) -> Option<ShipOrder> {
        (event.cents == 7).then(|| ShipOrder(id.clone()))
    }
    #[react]
    fn overdue(&self, _: &PaymentOverdue) {}
    #[refused]
    fn not_shipped(&self, _: &ShipOrder, _: &OrderError) -> Result<(), String> {
        Err(format!("refused after {} orders", self.placed))
    }
    #[apply]
    fn has_placed(&mut self, _: &OrderPlaced) {
        self.placed += 1;
    }
    #[apply]
    fn is_overdue(&mut self, _: &PaymentOverdue) {
        self.overdue += 1;
    }
}

/// It takes several steps, between which others write.
#[test]
fn a_long_history_is_replayed() {
    const MANY: u32 = 2_500;
    let shop = Shop::with_stock(0);
    for _ in 0..MANY {
        shop.place("a", 5);
    }
    let earlier = KeptProcess::new(&shop.store, Counting::default(), shop.commands()).unwrap();
    earlier.clock(shop.clock.clone()).catch_up().unwrap();
    let mut later = KeptProcess::new(&shop.store, CountingMore::default(), shop.commands()).unwrap();
    later = later.clock(shop.clock.clone());
    let state = |process: &KeptProcess<CountingMore>| match process.instances().get(&order("a")).unwrap() {
        Some(InstanceState::Running(CountingMore { placed, overdue, .. })) => (placed, overdue),
        other => panic!("{other:?}"),
    };
    let forget = || {
        assert_eq!(shop.sql("UPDATE factum_process_instances SET fingerprint = 0 RETURNING 1"), ["1"]);
    };
    // A time-out finds the state in its earlier shape, then an event does, and then a refusal.
    shop.clock.forward(2 * TIME_TO_PAY);
    later.catch_up().unwrap();
    assert_eq!(state(&later), (MANY, 1));
    forget();
    shop.place("a", 5);
    later.catch_up().unwrap();
    assert_eq!(state(&later), (MANY + 1, 1));
    shop.orders.execute(ShipOrder(order("a"))).unwrap();
    let broken = Arc::new(Closed);
    shop.place("a", 7);
    let mut waits = KeptProcess::new(&shop.store, CountingMore::default(), broken).unwrap();
    waits.catch_up().unwrap_err();
    forget();
    later.catch_up().unwrap();
    let letters = later.instances().dead_letters().unwrap();
    assert_eq!(letters[0].error, format!("refused after {} orders", MANY + 2));
}
