//! The process that leads an order from the click to the parcel.

use std::time::Duration;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

use super::ids::{Cents, Line, OrderId};
use super::order::{
    CancelOrder, CloseOrder, Order, OrderCancelled, OrderClosed, OrderError, OrderPlaced, OrderShipped,
    Outcome, Reason, ShipOrder,
};
use super::payment::{CallOffPayment, Payment, PaymentTaken, RequestPayment};
use super::shipment::{PrepareShipment, Shipment, ShipmentDelivered, ShipmentLost};
use super::stock::{DispatchStock, ReleaseStock, ReserveStock, Stock, StockError, StockReserved};

/// Customers have this long to pay.
pub const TIME_TO_PAY: Duration = Duration::from_mins(15);

/// The customer did not pay in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Timeout)]
pub struct PaymentOverdue;

/// The customer may pay, for some time.
type Requested = (RequestPayment, After<PaymentOverdue>);

/// The next line, or the payment if there is none. An order that was cancelled meanwhile gives the line back.
type Next = (Option<ReserveStock>, Option<Requested>, Option<(ReleaseStock, Done)>);

/// What is given back when an order is cancelled.
type GivenBack = (Vec<ReleaseStock>, CallOffPayment, Option<Done>);

/// What is given back when goods are missing.
type Missing = (Vec<ReleaseStock>, Option<CancelOrder>, Done);

/// What the process remembers of one order.
///
/// It reserves one line after the other, so that at most one answer of the stock is open. Whatever ends an order
/// early ends in `OrderCancelled`, and the reaction to it alone gives everything back. The order itself decides which
/// comes first, the parcel or the end.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = OrderId,
    starts(OrderPlaced by stream),
    events(
        StockReserved by order, PaymentTaken by stream, OrderShipped by stream, ShipmentDelivered by stream,
        ShipmentLost by stream, OrderClosed by stream, OrderCancelled by stream,
    ),
    from(Order, Stock, Payment, Shipment),
    commands(
        ReserveStock, ReleaseStock unrefused, DispatchStock unrefused, RequestPayment unrefused,
        CallOffPayment unrefused, PrepareShipment unrefused, ShipOrder, CloseOrder unrefused, CancelOrder,
    ),
    timeouts(PaymentOverdue),
)]
pub struct Fulfilment {
    lines: Vec<Line>,
    total: Cents,
    reserved: usize,
    cancelled: bool,
}

#[handlers]
impl Fulfilment {
    #[apply]
    fn remember_order(&mut self, event: &OrderPlaced) {
        self.lines.clone_from(&event.lines);
        self.total = event.total;
    }

    #[apply]
    fn count_reserved(&mut self, _: &StockReserved) {
        self.reserved += 1;
    }

    #[apply]
    fn remember_end(&mut self, _: &OrderCancelled) {
        self.cancelled = true;
    }

    #[react]
    fn placed(&self, _: &OrderPlaced, id: &OrderId) -> Option<ReserveStock> {
        self.next_line(id)
    }

    #[react]
    fn reserved(&self, _: &StockReserved, id: &OrderId) -> Next {
        if self.cancelled {
            // The order was cancelled while this answer was on its way.
            return (None, None, self.releases(id).pop().map(|last| (last, Done)));
        }
        let request = RequestPayment { order: id.clone(), amount: self.total };
        match self.next_line(id) {
            Some(next) => (Some(next), None, None),
            None => (None, Some((request, After(PaymentOverdue, TIME_TO_PAY))), None),
        }
    }

    #[react]
    fn paid(&self, _: &PaymentTaken, id: &OrderId) -> Option<(Cancel<PaymentOverdue>, ShipOrder)> {
        (!self.cancelled).then(|| (Cancel::new(), ShipOrder(id.clone())))
    }

    #[react]
    fn overdue(&self, _: &PaymentOverdue, id: &OrderId) -> CancelOrder {
        CancelOrder { order: id.clone(), reason: Reason::NotPaid }
    }

    #[react]
    fn shipped(&self, _: &OrderShipped, id: &OrderId) -> (Vec<DispatchStock>, PrepareShipment) {
        let dispatch = |line: &Line| DispatchStock { sku: line.sku.clone(), order: id.clone() };
        (self.lines.iter().map(dispatch).collect(), PrepareShipment(id.clone()))
    }

    #[react]
    fn delivered(&self, _: &ShipmentDelivered, id: &OrderId) -> CloseOrder {
        CloseOrder { order: id.clone(), outcome: Outcome::Delivered }
    }

    /// The customer gets the money back.
    #[react]
    fn lost(&self, _: &ShipmentLost, id: &OrderId) -> (CallOffPayment, CloseOrder) {
        (CallOffPayment(id.clone()), CloseOrder { order: id.clone(), outcome: Outcome::Lost })
    }

    #[react]
    fn closed(&self, _: &OrderClosed) -> Done {
        Done
    }

    /// Gives everything back, and waits for the stock's last answer, if one is open.
    #[react]
    fn cancelled(&self, _: &OrderCancelled, id: &OrderId) -> GivenBack {
        let all_answered = self.reserved == self.lines.len();
        (self.releases(id), CallOffPayment(id.clone()), all_answered.then_some(Done))
    }

    #[refused]
    fn not_in_stock(&self, command: &ReserveStock, _: &StockError, id: &OrderId) -> Missing {
        if self.cancelled {
            return (Vec::new(), None, Done);
        }
        let reason = Reason::OutOfStock(command.sku.clone());
        (self.releases(id), Some(CancelOrder { order: id.clone(), reason }), Done)
    }

    /// The customer cancelled the order at the last moment: `OrderCancelled` follows.
    #[refused]
    fn too_late_to_ship(&self, _: &ShipOrder, _: &OrderError) {}

    /// The order is shipped: `OrderShipped` follows.
    #[refused]
    fn too_late_to_cancel(&self, _: &CancelOrder, _: &OrderError) {}

    fn next_line(&self, order: &OrderId) -> Option<ReserveStock> {
        let Line { sku, quantity, .. } = self.lines.get(self.reserved)?.clone();
        Some(ReserveStock { sku, quantity, order: order.clone() })
    }

    fn releases(&self, order: &OrderId) -> Vec<ReleaseStock> {
        let reserved = self.lines.iter().take(self.reserved);
        reserved.map(|line| ReleaseStock { sku: line.sku.clone(), order: order.clone() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use factum::testing::{given_process, of};

    use super::*;

    fn line(sku: &str) -> Line {
        Line { sku: sku.into(), quantity: 1, price: Cents(500) }
    }

    fn placed() -> OrderPlaced {
        OrderPlaced { lines: vec![line("lamp"), line("chair")], total: Cents(1000) }
    }

    fn reserve(sku: &str) -> ReserveStock {
        ReserveStock { sku: sku.into(), order: "o-1".into(), quantity: 1 }
    }

    fn reserved() -> StockReserved {
        StockReserved { order: "o-1".into(), quantity: 1 }
    }

    fn release(sku: &str) -> ReleaseStock {
        ReleaseStock { sku: sku.into(), order: "o-1".into() }
    }

    fn dispatch(sku: &str) -> DispatchStock {
        DispatchStock { sku: sku.into(), order: "o-1".into() }
    }

    fn cancel(reason: Reason) -> CancelOrder {
        CancelOrder { order: "o-1".into(), reason }
    }

    fn cancelled() -> OrderCancelled {
        OrderCancelled { reason: Reason::Withdrawn }
    }

    fn request() -> RequestPayment {
        RequestPayment { order: "o-1".into(), amount: Cents(1000) }
    }

    fn call_off() -> CallOffPayment {
        CallOffPayment("o-1".into())
    }

    #[test]
    fn an_order_is_reserved_line_by_line_paid_and_shipped() {
        given_process::<Fulfilment>(())
            .when(of::<Order>("o-1", placed()))
            .then_commands(reserve("lamp"))
            .when(reserved())
            .then_commands(reserve("chair"))
            .when(reserved())
            .then((request(), After(PaymentOverdue, TIME_TO_PAY)))
            .when(of::<Payment>("o-1", PaymentTaken { amount: Cents(1000), card: "1".into() }))
            .then((Cancel::<PaymentOverdue>::new(), ShipOrder("o-1".into())))
            .after(TIME_TO_PAY * 2)
            .then_nothing()
            .when(of::<Order>("o-1", OrderShipped))
            .then_commands((dispatch("lamp"), dispatch("chair"), PrepareShipment("o-1".into())));
    }

    #[test]
    fn a_parcel_ends_the_order_and_a_lost_one_is_paid_back() {
        let shipped =
            || (of::<Order>("o-1", placed()), reserved(), reserved(), of::<Order>("o-1", OrderShipped));
        let close = |outcome| CloseOrder { order: "o-1".into(), outcome };
        let closed = |outcome| of::<Order>("o-1", OrderClosed { outcome });
        given_process::<Fulfilment>(shipped())
            .when(of::<Shipment>("o-1", ShipmentDelivered))
            .then_commands(close(Outcome::Delivered))
            .when(closed(Outcome::Delivered))
            .then(Done);
        given_process::<Fulfilment>(shipped())
            .when(of::<Shipment>("o-1", ShipmentLost))
            .then_commands((call_off(), close(Outcome::Lost)));
    }

    #[test]
    fn an_order_that_is_not_paid_is_cancelled_and_given_back() {
        given_process::<Fulfilment>((of::<Order>("o-1", placed()), reserved(), reserved()))
            .after(TIME_TO_PAY)
            .then_commands(cancel(Reason::NotPaid))
            .when(of::<Order>("o-1", cancelled()))
            .then_commands((release("lamp"), release("chair"), call_off()));
    }

    #[test]
    fn what_is_not_in_stock_ends_the_order() {
        let refusal = StockError::TooFew { free: 0, asked: 1 };
        given_process::<Fulfilment>((of::<Order>("o-1", placed()), reserved()))
            .when_refused(&reserve("chair"), &refusal)
            .then_commands((release("lamp"), cancel(Reason::OutOfStock("chair".into()))));
    }

    #[test]
    fn a_reservation_that_comes_after_the_end_is_released() {
        given_process::<Fulfilment>((of::<Order>("o-1", placed()), reserved()))
            .when(of::<Order>("o-1", cancelled()))
            .then_commands((release("lamp"), call_off()))
            .when(reserved())
            .then((release("chair"), Done));
    }
}
