//! An order: it is placed, then shipped and closed, or cancelled.

use std::collections::BTreeSet;

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

/// The goods have a new destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct AddressSet {
    pub address: String,
}

/// A customer or a clerk wrote something down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct NoteAdded {
    pub text: String,
}

/// The goods left the shelves. The order can't be cancelled from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderShipped;

/// The parcel arrived, or was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderClosed {
    pub outcome: Outcome,
}

/// The order ended without a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Event)]
pub struct OrderCancelled {
    pub reason: Reason,
}

/// What became of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EventSchema)]
pub enum Outcome {
    Delivered,
    Lost,
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
    #[validate(OrderId::is_well_formed)]
    pub order: OrderId,
    #[validate(are_complete)]
    pub lines: Vec<Line>,
}

/// An order needs goods, each kind once.
fn are_complete(lines: &[Line]) -> Result<(), &'static str> {
    let skus: BTreeSet<&Sku> = lines.iter().map(|line| &line.sku).collect();
    match lines {
        [] => Err("there are none"),
        _ if lines.iter().any(|line| line.quantity == 0) => Err("one is about no piece"),
        _ if skus.len() < lines.len() => Err("two are about the same goods"),
        _ => Ok(()),
    }
}

/// Say where the goods go.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct SetAddress {
    #[command(id)]
    pub order: OrderId,
    #[validate(is_text)]
    pub address: String,
}

/// Write something down.
#[derive(Debug, Clone, Serialize, Deserialize, Command)]
pub struct AddNote {
    #[command(id)]
    pub order: OrderId,
    #[validate(is_text)]
    pub text: String,
}

/// An address or a note is worth keeping.
fn is_text(text: &str) -> Result<(), &'static str> {
    let fits = !text.trim().is_empty() && text.chars().count() <= 500;
    fits.then_some(()).ok_or("has 1 to 500 characters")
}

/// Send the goods to the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
pub struct ShipOrder(pub OrderId);

/// Close an order whose parcel arrived or was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Command)]
#[command(internal)]
pub struct CloseOrder {
    #[command(id)]
    pub order: OrderId,
    pub outcome: Outcome,
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
    #[error("the order is {}", format!("{_0:?}").to_lowercase())]
    Is(Status),
}

/// How far an order is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    #[default]
    Unknown,
    Placed,
    Shipped,
    Closed,
    Cancelled,
}

/// An order. Its decisions need the status and the address; the rest is for the page that shows it at any version.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Aggregate)]
#[aggregate(
    id = OrderId, error = OrderError, event(derive(PartialEq)),
    commands(PlaceOrder, SetAddress, AddNote, ShipOrder, CloseOrder, CancelOrder),
    events(OrderPlaced, AddressSet, NoteAdded, OrderShipped, OrderClosed, OrderCancelled),
)]
pub struct Order {
    pub status: Status,
    pub lines: Vec<Line>,
    pub address: Option<String>,
    pub notes: Vec<String>,
}

#[handlers]
impl Order {
    #[execute]
    fn place(&self, command: PlaceOrder) -> Result<OrderPlaced, OrderError> {
        if self.status != Status::Unknown {
            return Err(OrderError::PlacedAlready);
        }
        let total = total(&command.lines).ok_or(OrderError::TooMuch)?;
        Ok(OrderPlaced { lines: command.lines, total })
    }

    /// The address that an order has already is no news.
    #[execute]
    fn set_address(&self, command: SetAddress) -> Result<Option<AddressSet>, OrderError> {
        self.must_be(Status::Placed)?;
        let address = command.address;
        Ok((self.address.as_ref() != Some(&address)).then_some(AddressSet { address }))
    }

    #[execute]
    fn add_note(&self, command: AddNote) -> Result<NoteAdded, OrderError> {
        let added = NoteAdded { text: command.text };
        (self.status != Status::Unknown).then_some(added).ok_or(OrderError::Unknown)
    }

    #[execute]
    fn ship(&self, _: ShipOrder) -> Result<OrderShipped, OrderError> {
        self.must_be(Status::Placed).map(|()| OrderShipped)
    }

    #[execute]
    fn close(&self, command: CloseOrder) -> Result<OrderClosed, OrderError> {
        self.must_be(Status::Shipped).map(|()| OrderClosed { outcome: command.outcome })
    }

    /// An order that is cancelled already stays as it is.
    #[execute]
    fn cancel(&self, command: CancelOrder) -> Result<Option<OrderCancelled>, OrderError> {
        if self.status == Status::Cancelled {
            return Ok(None);
        }
        self.must_be(Status::Placed).map(|()| Some(OrderCancelled { reason: command.reason }))
    }

    #[apply]
    fn placed(&mut self, event: &OrderPlaced) {
        self.status = Status::Placed;
        self.lines.clone_from(&event.lines);
    }

    #[apply]
    fn addressed(&mut self, event: &AddressSet) {
        self.address = Some(event.address.clone());
    }

    #[apply]
    fn noted(&mut self, event: &NoteAdded) {
        self.notes.push(event.text.clone());
    }

    #[apply]
    fn shipped(&mut self, _: &OrderShipped) {
        self.status = Status::Shipped;
    }

    #[apply]
    fn closed(&mut self, _: &OrderClosed) {
        self.status = Status::Closed;
    }

    #[apply]
    fn cancelled(&mut self, _: &OrderCancelled) {
        self.status = Status::Cancelled;
    }

    fn must_be(&self, status: Status) -> Result<(), OrderError> {
        match self.status {
            actual if actual == status => Ok(()),
            Status::Unknown => Err(OrderError::Unknown),
            other => Err(OrderError::Is(other)),
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
    fn a_bad_number_is_invalid() {
        for number in ["", "o 1", "../o-1", "<b>", "o\u{301}", &"o".repeat(41)] {
            let place = PlaceOrder { order: number.into(), lines: placed().lines };
            given::<Order>(()).when(place).then_invalid("order");
        }
    }

    #[test]
    fn a_new_address_is_news_until_the_goods_are_gone() {
        let set = |address: &str| SetAddress { order: "o-1".into(), address: address.into() };
        let was_set = |address: &str| AddressSet { address: address.into() };
        given::<Order>(placed()).when(set("Elm St 1")).then(was_set("Elm St 1"));
        given::<Order>((placed(), was_set("Elm St 1"))).when(set("Elm St 1")).then_nothing();
        given::<Order>((placed(), OrderShipped))
            .when(set("Elm St 1"))
            .then_error(&OrderError::Is(Status::Shipped));
        given::<Order>(placed()).when(set(" ")).then_invalid("address");
    }

    #[test]
    fn notes_are_short() {
        let add = |text: String| AddNote { order: "o-1".into(), text };
        given::<Order>(placed()).when(add("a gift".into())).then(NoteAdded { text: "a gift".into() });
        given::<Order>(placed()).when(add("x".repeat(501))).then_invalid("text");
        given::<Order>(()).when(add("a gift".into())).then_error(&OrderError::Unknown);
    }

    #[test]
    fn what_was_shipped_is_closed_once() {
        let close = || CloseOrder { order: "o-1".into(), outcome: Outcome::Lost };
        let closed = || OrderClosed { outcome: Outcome::Lost };
        given::<Order>((placed(), OrderShipped)).when(close()).then(closed());
        given::<Order>((placed(), OrderShipped, closed()))
            .when(close())
            .then_error(&OrderError::Is(Status::Closed));
        given::<Order>(placed()).when(close()).then_error(&OrderError::Is(Status::Placed));
    }

    #[test]
    fn an_order_is_shipped_or_cancelled_and_not_both() {
        let ship = || ShipOrder("o-1".into());
        let cancel = || CancelOrder { order: "o-1".into(), reason: Reason::Withdrawn };
        let cancelled = || OrderCancelled { reason: Reason::NotPaid };
        given::<Order>(placed()).when(ship()).then(OrderShipped);
        given::<Order>((placed(), cancelled())).when(ship()).then_error(&OrderError::Is(Status::Cancelled));
        given::<Order>((placed(), OrderShipped)).when(cancel()).then_error(&OrderError::Is(Status::Shipped));
        given::<Order>((placed(), cancelled())).when(cancel()).then_nothing();
        given::<Order>(()).when(cancel()).then_error(&OrderError::Unknown);
    }
}
