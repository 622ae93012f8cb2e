//! The domain of the cases.
#![allow(dead_code)]

use factum::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub struct OrderId(pub String);
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, AggregateId)]
pub struct Sku(pub String);

#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Placed {
    pub sku: Sku,
}
#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Shipped;
#[derive(Debug, Serialize, Deserialize, Event)]
pub struct Reserved {
    pub order: OrderId,
}

#[derive(Debug, Serialize, Deserialize, Command)]
pub struct Place(pub OrderId);
#[derive(Debug, Serialize, Deserialize, Command)]
pub struct Ship(pub OrderId);
#[derive(Debug, Serialize, Deserialize, Command)]
pub struct Reserve(pub Sku);
#[derive(Debug, Command)]
pub struct Count(pub Sku);
/// No aggregate takes it.
#[derive(Debug, Serialize, Deserialize, Command)]
pub struct Refund(pub OrderId);

#[derive(Debug)]
pub struct NoneLeft;
#[derive(Debug)]
pub struct TooLate;

#[derive(Debug, Serialize, Deserialize, Timeout)]
pub struct Overdue;
#[derive(Debug, Serialize, Deserialize, Timeout)]
pub struct Forgotten;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = OrderId, error = TooLate, commands(Place, Ship), events(Placed, Shipped))]
pub struct Order;

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: Place) -> Placed {
        Placed { sku: Sku(command.0.0) }
    }
    #[execute]
    fn ship(&self, _: Ship) -> Result<Shipped, TooLate> {
        Err(TooLate)
    }
    #[apply]
    fn placed(&mut self, _: &Placed) {}
    #[apply]
    fn shipped(&mut self, _: &Shipped) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = Sku, error = NoneLeft, commands(Reserve, Count), events(Reserved))]
pub struct Stock;

#[handlers]
impl Stock {
    #[execute]
    fn reserve(&self, command: Reserve) -> Result<Reserved, NoneLeft> {
        Ok(Reserved { order: OrderId(command.0.0) })
    }
    #[execute]
    fn count(&self, _: Count) {}
    #[apply]
    fn reserved(&mut self, _: &Reserved) {}
}
