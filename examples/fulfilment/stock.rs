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

/// Goods left the shelf for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct StockDispatched {
    pub order: OrderId,
    pub quantity: u32,
}

/// A count found another number of free pieces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct StockCounted {
    pub free: u32,
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
#[command(internal)]
pub struct ReserveStock {
    #[command(id)]
    pub sku: Sku,
    pub order: OrderId,
    pub quantity: u32,
}

/// Put what an order has reserved back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
pub struct ReleaseStock {
    #[command(id)]
    pub sku: Sku,
    pub order: OrderId,
}

/// Take what an order has reserved off the shelf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
pub struct DispatchStock {
    #[command(id)]
    pub sku: Sku,
    pub order: OrderId,
}

/// Say how many pieces a count has found, free and reserved.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct CountStock {
    #[command(id)]
    pub sku: Sku,
    pub pieces: u32,
}

/// Why the stock refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StockError {
    #[error("{asked} are asked for, and {free} are free")]
    TooFew { free: u32, asked: u32 },
    #[error("the order {} has a reservation already", .0.0)]
    ReservedAlready(OrderId),
    #[error("the shelf can't hold so much")]
    TooMany,
    #[error("{0} pieces are reserved, and fewer were counted")]
    ReservedMore(u32),
}

/// What is free, and what is reserved.
#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = Sku, error = StockError, event(derive(PartialEq)),
    commands(AddStock, ReserveStock, ReleaseStock, DispatchStock, CountStock),
    events(StockAdded, StockReserved, StockReleased, StockDispatched, StockCounted),
)]
pub struct Stock {
    free: u32,
    reserved: BTreeMap<OrderId, u32>,
}

#[handlers]
impl Stock {
    #[execute]
    fn add(&self, command: AddStock) -> Result<StockAdded, StockError> {
        // What is reserved may come back, and must fit too.
        let now = self.reserved.values().try_fold(self.free, |sum, more| sum.checked_add(*more));
        let fits = now.and_then(|now| now.checked_add(command.quantity)).is_some();
        fits.then_some(StockAdded { quantity: command.quantity }).ok_or(StockError::TooMany)
    }

    #[execute]
    fn reserve(&self, command: ReserveStock) -> Result<StockReserved, StockError> {
        if self.reserved.contains_key(&command.order) {
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
        let quantity = *self.reserved.get(&command.order)?;
        Some(StockReleased { order: command.order, quantity })
    }

    #[execute]
    fn dispatch(&self, command: DispatchStock) -> Option<StockDispatched> {
        let quantity = *self.reserved.get(&command.order)?;
        Some(StockDispatched { order: command.order, quantity })
    }

    /// A count that finds what is known is no news.
    #[execute]
    fn count(&self, command: CountStock) -> Result<Option<StockCounted>, StockError> {
        let reserved = self.reserved.values().sum();
        let free = command.pieces.checked_sub(reserved).ok_or(StockError::ReservedMore(reserved))?;
        Ok((free != self.free).then_some(StockCounted { free }))
    }

    #[apply]
    fn added(&mut self, event: &StockAdded) {
        self.free += event.quantity;
    }

    #[apply]
    fn reserved(&mut self, event: &StockReserved) {
        self.free -= event.quantity;
        self.reserved.insert(event.order.clone(), event.quantity);
    }

    #[apply]
    fn released(&mut self, event: &StockReleased) {
        self.free += event.quantity;
        self.reserved.remove(&event.order);
    }

    #[apply]
    fn dispatched(&mut self, event: &StockDispatched) {
        self.reserved.remove(&event.order);
    }

    #[apply]
    fn counted(&mut self, event: &StockCounted) {
        self.free = event.free;
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
    fn what_is_dispatched_is_gone() {
        let dispatch = || DispatchStock { sku: "lamp".into(), order: "o-1".into() };
        let dispatched = || StockDispatched { order: "o-1".into(), quantity: 3 };
        let rest = Stock { free: 2, reserved: BTreeMap::new() };
        given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3)))
            .when(dispatch())
            .then(dispatched())
            .then_state(&rest);
        given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3), dispatched()))
            .when(dispatch())
            .then_nothing();
    }

    #[test]
    fn a_count_corrects_what_is_free() {
        let shelf = || given::<Stock>((StockAdded { quantity: 5 }, reserved("o-1", 3)));
        let count = |pieces| CountStock { sku: "lamp".into(), pieces };
        shelf().when(count(4)).then(StockCounted { free: 1 });
        shelf().when(count(5)).then_nothing();
        shelf().when(count(2)).then_error(&StockError::ReservedMore(3));
    }

    #[test]
    fn a_shelf_does_not_overflow() {
        given::<Stock>((StockAdded { quantity: u32::MAX }, reserved("o-1", u32::MAX)))
            .when(AddStock { sku: "lamp".into(), quantity: 1 })
            .then_error(&StockError::TooMany);
    }
}
