//! An order: it is placed, then shipped or cancelled.

use factum::prelude::*;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{Cents, Line, OrderId, Sku, total};

/// A customer ordered goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderPlaced {
    pub lines: Vec<Line>,
    pub total: Cents,
}

/// The goods left the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderShipped;

/// The order ended without a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderCancelled {
    pub reason: Reason,
}

/// Why an order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, EventSchema)]
pub enum Reason {
    Withdrawn,
    OutOfStock(Sku),
    NotPaid,
}

/// Place a new order.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct PlaceOrder {
    #[command(id)]
    pub order: OrderId,
    #[validate(are_complete)]
    pub lines: Vec<Line>,
}

/// An order needs goods, each kind once.
fn are_complete(lines: &[Line]) -> Result<(), &'static str> {
    let mut skus: Vec<&Sku> = lines.iter().map(|line| &line.sku).collect();
    skus.sort();
    skus.dedup();
    match lines {
        [] => Err("there are none"),
        _ if lines.iter().any(|line| line.quantity == 0) => Err("one is about no piece"),
        _ if skus.len() < lines.len() => Err("two are about the same goods"),
        _ => Ok(()),
    }
}

/// Hand the goods to the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct ShipOrder {
    #[command(id)]
    pub order: OrderId,
}

/// Cancel an order that is not shipped yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
pub struct CancelOrder {
    #[command(id)]
    pub order: OrderId,
    pub reason: Reason,
}

/// Why an order refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OrderError {
    #[error("there is no such order")]
    Unknown,
    #[error("there is such an order already")]
    PlacedAlready,
    #[error("the sum of the order does not fit")]
    TooMuch,
    #[error("the order is shipped")]
    Shipped,
    #[error("the order is cancelled")]
    Cancelled,
}

/// How far an order is.
#[derive(Debug, Default, Clone, PartialEq, Eq, Aggregate)]
#[aggregate(
    id = OrderId,
    error = OrderError,
    commands(PlaceOrder, ShipOrder, CancelOrder),
    events(OrderPlaced, OrderShipped, OrderCancelled),
    event(derive(PartialEq)),
)]
pub enum Order {
    #[default]
    Unknown,
    Placed,
    Shipped,
    Cancelled,
}

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: PlaceOrder) -> Result<OrderPlaced, OrderError> {
        if *self != Self::Unknown {
            return Err(OrderError::PlacedAlready);
        }
        let lines = command.lines;
        let total = total(&lines).ok_or(OrderError::TooMuch)?;
        Ok(OrderPlaced { lines, total })
    }

    #[execute]
    fn ship(&self, _: ShipOrder) -> Result<OrderShipped, OrderError> {
        self.is_open().map(|()| OrderShipped)
    }

    /// An order that is cancelled already stays as it is.
    #[execute]
    fn cancel(&self, command: CancelOrder) -> Result<Option<OrderCancelled>, OrderError> {
        match self.is_open() {
            Err(OrderError::Cancelled) => Ok(None),
            open => open.map(|()| Some(OrderCancelled { reason: command.reason })),
        }
    }

    #[apply]
    fn placed(&mut self, _: &OrderPlaced) {
        *self = Self::Placed;
    }

    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {
        *self = Self::Shipped;
    }

    #[apply]
    fn cancelled(&mut self, _: &OrderCancelled) {
        *self = Self::Cancelled;
    }

    fn is_open(&self) -> Result<(), OrderError> {
        match self {
            Self::Unknown => Err(OrderError::Unknown),
            Self::Placed => Ok(()),
            Self::Shipped => Err(OrderError::Shipped),
            Self::Cancelled => Err(OrderError::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::given;

    use super::*;

    fn line(sku: &str, quantity: u32, cents: u64) -> Line {
        Line { sku: sku.into(), quantity, price: Cents(cents) }
    }

    fn place(lines: Vec<Line>) -> PlaceOrder {
        PlaceOrder { order: "o-1".into(), lines }
    }

    fn placed() -> OrderPlaced {
        OrderPlaced { lines: vec![line("lamp", 2, 1500), line("chair", 1, 9000)], total: Cents(12_000) }
    }

    #[test]
    fn an_order_is_placed_once_with_its_sum() {
        given::<Order>(()).when(place(placed().lines)).then(placed());
        given::<Order>(placed()).when(place(placed().lines)).then_error(&OrderError::PlacedAlready);
    }

    #[test]
    fn lines_that_make_no_order_are_invalid() {
        let twice = vec![line("lamp", 1, 1), line("chair", 1, 1), line("lamp", 1, 1)];
        for lines in [vec![], vec![line("lamp", 0, 1)], twice] {
            given::<Order>(()).when(place(lines)).then_invalid("lines");
        }
        given::<Order>(()).when(place(vec![line("lamp", 2, u64::MAX)])).then_error(&OrderError::TooMuch);
    }

    #[test]
    fn an_order_is_shipped_or_cancelled_and_not_both() {
        let ship = || ShipOrder { order: "o-1".into() };
        let cancel = || CancelOrder { order: "o-1".into(), reason: Reason::Withdrawn };
        let cancelled = || OrderCancelled { reason: Reason::NotPaid };
        given::<Order>(placed()).when(ship()).then(OrderShipped);
        given::<Order>((placed(), cancelled())).when(ship()).then_error(&OrderError::Cancelled);
        given::<Order>((placed(), OrderShipped)).when(cancel()).then_error(&OrderError::Shipped);
        given::<Order>((placed(), cancelled())).when(cancel()).then_nothing();
        given::<Order>(()).when(cancel()).then_error(&OrderError::Unknown);
    }
}
