//! The stock of one kind of goods: how much is free, and how much is reserved for which order.

use std::collections::BTreeMap;

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{OrderId, Sku};

/// A delivery came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct StockAdded {
    pub quantity: u32,
}

/// Goods were put aside for an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct StockReserved {
    pub order: OrderId,
    pub quantity: u32,
}

/// Goods that were put aside are free again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct StockReleased {
    pub order: OrderId,
    pub quantity: u32,
}

/// Put a delivery on the shelf.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct AddStock {
    #[command(id)]
    pub sku: Sku,
    pub quantity: u32,
}

/// Put goods aside for an order: all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct ReserveStock {
    #[command(id)]
    pub sku: Sku,
    pub order: OrderId,
    pub quantity: u32,
}

/// Put what an order has reserved back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct ReleaseStock {
    #[command(id)]
    pub sku: Sku,
    pub order: OrderId,
}

/// Why the stock refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StockError {
    #[error("{asked} are asked for, and {free} are free")]
    TooFew { free: u32, asked: u32 },
    #[error("the order {0} has a reservation already")]
    ReservedAlready(OrderId),
    #[error("the shelf can't hold so much")]
    TooMany,
}

/// What is free, and what is reserved.
#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = Sku,
    error = StockError,
    commands(AddStock, ReserveStock, ReleaseStock),
    events(StockAdded, StockReserved, StockReleased),
    event(derive(PartialEq)),
)]
pub struct Stock {
    free: u32,
    reserved: BTreeMap<String, u32>,
}

#[handlers]
impl Stock {
    #[execute]
    fn add(&self, command: AddStock) -> Result<StockAdded, StockError> {
        // What is reserved may come back, and must fit too.
        let reserved = self.reserved.values().try_fold(self.free, |sum, more| sum.checked_add(*more));
        match reserved.and_then(|all| all.checked_add(command.quantity)) {
            Some(_) => Ok(StockAdded { quantity: command.quantity }),
            None => Err(StockError::TooMany),
        }
    }

    #[execute]
    fn reserve(&self, command: ReserveStock) -> Result<StockReserved, StockError> {
        if self.reserved.contains_key(&command.order.to_string()) {
            return Err(StockError::ReservedAlready(command.order));
        }
        if command.quantity > self.free {
            return Err(StockError::TooFew { free: self.free, asked: command.quantity });
        }
        Ok(StockReserved { order: command.order, quantity: command.quantity })
    }

    /// An order without a reservation has nothing to put back.
    #[execute]
    fn release(&self, command: ReleaseStock) -> Option<StockReleased> {
        let quantity = *self.reserved.get(&command.order.to_string())?;
        Some(StockReleased { order: command.order, quantity })
    }

    #[apply]
    fn added(&mut self, event: &StockAdded) {
        self.free += event.quantity;
    }

    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.free -= event.quantity;
        self.reserved.insert(event.order.to_string(), event.quantity);
    }

    #[apply]
    fn released(&mut self, event: &StockReleased) {
        self.free += event.quantity;
        self.reserved.remove(&event.order.to_string());
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    fn reserve(order: &str, quantity: u32) -> ReserveStock {
        ReserveStock { sku: "lamp".into(), order: order.into(), quantity }
    }

    fn reserved(order: &str, quantity: u32) -> StockReserved {
        StockReserved { order: order.into(), quantity }
    }

    #[test]
    fn no_more_is_reserved_than_is_free() {
        let shelf = || given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3)));
        shelf().when(reserve("o-2", 2)).then(reserved("o-2", 2));
        shelf().when(reserve("o-2", 3)).then_error(&StockError::TooFew { free: 2, asked: 3 });
        shelf().when(reserve("o-1", 1)).then_error(&StockError::ReservedAlready("o-1".into()));
    }

    #[test]
    fn a_reservation_is_released_once() {
        let release = || ReleaseStock { sku: "lamp".into(), order: "o-1".into() };
        let released = || StockReleased { order: "o-1".into(), quantity: 3 };
        let all_free = Stock { free: 5, reserved: BTreeMap::new() };
        given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3)))
            .when(release())
            .then(released())
            .then_state(&all_free);
        given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3), released()))
            .when(release())
            .then_nothing();
    }

    #[test]
    fn a_shelf_does_not_overflow() {
        given::<Stock>((StockAdded { quantity: u32::MAX }, reserved("o-1", u32::MAX)))
            .when(AddStock { sku: "lamp".into(), quantity: 1 })
            .then_error(&StockError::TooMany);
    }
}
