// What a process sends is taken by an aggregate of the application, and a process is a field of its own.
use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
struct OrderId(String);

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct OrderPlaced;
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct PaymentTaken;

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct PlaceOrder(OrderId);
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct TakePayment(OrderId);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(PlaceOrder), events(OrderPlaced))]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, _: PlaceOrder) -> OrderPlaced {
        OrderPlaced
    }
    #[apply]
    fn placed(&mut self, _: &OrderPlaced) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(TakePayment), events(PaymentTaken))]
struct Payment;

#[handlers]
impl Payment {
    #[execute]
    fn take(&self, _: TakePayment) -> PaymentTaken {
        PaymentTaken
    }
    #[apply]
    fn taken(&mut self, _: &PaymentTaken) {}
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = OrderId, starts(OrderPlaced by stream), from(Order), commands(TakePayment))]
struct Fulfilment;

#[handlers]
impl Fulfilment {
    #[react]
    fn placed(&self, _: &OrderPlaced, id: &OrderId) -> TakePayment {
        TakePayment(id.clone())
    }
}

#[derive(Application)]
#[application(aggregates(Order))]
struct WithoutPayment {
    #[process]
    fulfilment: Fulfilment,
}

#[derive(Application)]
#[application(aggregates(Order, Payment))]
struct NoProcess {
    #[process]
    fulfilment: std::time::Duration,
}

#[derive(Application)]
#[application(aggregates(Order, Payment))]
struct Whole {
    #[process(senders = 8, retry(3))]
    fulfilment: Fulfilment,
}

fn main() {
    drop(Whole { fulfilment: Fulfilment }.start(&MemoryStore::new()));
}

// errors: 3
