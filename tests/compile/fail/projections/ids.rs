use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, AggregateId)]
struct OrderId(String);

#[derive(Debug, Clone, PartialEq, Eq, AggregateId)]
struct Sku(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Placed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Stocked;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Renamed;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Unlisted;

#[derive(Debug, Command)]
struct Place(OrderId);

#[derive(Debug, Command)]
struct AddStock(Sku);

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, commands(Place), events(Placed, Renamed))]
struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, _: Place) -> Placed {
        Placed
    }

    #[apply]
    fn placed(&mut self, _: &Placed) {}

    #[apply]
    fn renamed(&mut self, _: &Renamed) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Sku, commands(AddStock), events(Stocked, Renamed))]
struct Stock;

#[handlers]
impl Stock {
    #[execute]
    fn add(&self, _: AddStock) -> Stocked {
        Stocked
    }

    #[apply]
    fn stocked(&mut self, _: &Stocked) {}

    #[apply]
    fn renamed(&mut self, _: &Renamed) {}
}

// The id of the other aggregate, and one of an event that both have.
#[derive(Debug, Default, Projection)]
#[projection(events(Placed, Stocked, Renamed), from(Order, Stock))]
struct Both;

#[handlers]
impl Both {
    #[project]
    fn placed(&mut self, _: &Placed, _: &Sku) {}

    #[project]
    fn stocked(&mut self, _: &Stocked, _: OrderId) {}

    #[project]
    fn renamed(&mut self, _: &Renamed, _: &Sku) {}
}

// What is no id at all, by value, and an id by `&mut`.
#[derive(Debug, Default, Projection)]
#[projection(events(Placed, Renamed), from(Order))]
struct Orders;

#[handlers]
impl Orders {
    #[project]
    fn placed(&mut self, _: &Placed, _: Option<OrderId>) {}

    #[project]
    fn renamed(&mut self, _: &Renamed, _: u64) {}

    #[project]
    fn unlisted(&mut self, _: &Unlisted, _: &OrderId) {}
}

#[derive(Debug, Reaction)]
#[reaction(events(Placed), from(Order))]
struct Mails;

#[handlers]
impl Mails {
    #[react]
    fn placed(&self, _: &Placed, _: &Sku, _: &Delivery) {}
}

fn main() {}

// errors: 7
