//! A state whose shape has changed is rebuilt from what the instance has remembered.

use factum::follow::InstanceState;
use factum::prelude::*;
use serde::{Deserialize, Serialize};

use crate::support::shop::{
    AskPayment, CancelOrder, Order, OrderId, OrderPlaced, Payment, PaymentOverdue, PaymentTaken, ShipOrder,
    Shop, Sku, Stock, StockReserved, TIME_TO_PAY, order, sku,
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
        SqliteProcess::new(&shop.store, Later::default(), shop.commands()).unwrap().clock(shop.clock.clone())
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
