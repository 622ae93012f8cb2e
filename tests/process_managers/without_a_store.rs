//! Tests of a process without a store: `given_process`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::prelude::*;
use factum::testing::{given_process, of};

use crate::support::shop::{
    AskPayment, CancelOrder, Fulfilment, Order, OrderPlaced, Payment, PaymentError, PaymentOverdue,
    PaymentTaken, ReleaseStock, ReserveStock, ShipOrder, Stock, StockError, StockReserved, TIME_TO_PAY,
    order, sku,
};

fn placed() -> OrderPlaced {
    OrderPlaced { sku: sku(), cents: 5 }
}

fn reserved() -> StockReserved {
    StockReserved { order: order("1") }
}

#[test]
fn events_lead_to_commands_and_time_outs() {
    given_process::<Fulfilment>(())
        .when(placed())
        .then(ReserveStock { sku: sku(), order: order("1") })
        .when(reserved())
        .then_commands(AskPayment { order: order("1"), cents: 5 })
        .then((AskPayment { order: order("1"), cents: 5 }, After(PaymentOverdue { cents: 5 }, TIME_TO_PAY)))
        .when(PaymentTaken { order: order("1") })
        .then_commands(ShipOrder(order("1")))
        .after(TIME_TO_PAY * 2)
        .then_nothing();
}

#[test]
fn time_passes() {
    let overdue = given_process::<Fulfilment>((placed(), reserved()))
        .after(TIME_TO_PAY / 2)
        .then_nothing()
        .after(TIME_TO_PAY);
    let cancel = CancelOrder { order: order("1"), reason: "5 overdue".into() };
    overdue.then_commands((ReleaseStock { sku: sku(), order: order("1") }, cancel));
}

/// An event without a time happens at the time of the test.
#[test]
fn time_counts_from_when_an_event_happens() {
    let cancel = CancelOrder { order: order("1"), reason: "5 overdue".into() };
    given_process::<Fulfilment>(placed())
        .after(TIME_TO_PAY / 2)
        .when(reserved())
        .after(TIME_TO_PAY / 4 * 3)
        .then_nothing()
        .after(TIME_TO_PAY / 2)
        .then_commands((ReleaseStock { sku: sku(), order: order("1") }, cancel));
}

#[test]
fn a_time_out_that_was_due_before_an_event_fires_before_it() {
    let late = Timestamp::now().as_micros() + 2 * i64::try_from(TIME_TO_PAY.as_micros()).unwrap();
    let paid = of::<Payment>(order("1"), PaymentTaken { order: order("1") });
    let cancel = CancelOrder { order: order("1"), reason: "5 overdue".into() };
    given_process::<Fulfilment>((placed(), reserved()))
        .when(paid.recorded_at(Timestamp::from_micros(late)))
        .then_commands((ReleaseStock { sku: sku(), order: order("1") }, cancel, ShipOrder(order("1"))));
}

#[test]
fn instances_are_apart() {
    let given = given_process::<Fulfilment>((
        of::<Order>(order("a"), placed()),
        of::<Order>(order("b"), placed()),
        of::<Stock>(sku(), StockReserved { order: order("a") }),
    ));
    assert!(given.state(&order("a")).unwrap().is_reserved);
    assert!(!given.state(&order("b")).unwrap().is_reserved);
    assert_eq!(given.state(&order("c")), None);
    // An event that starts nothing.
    given.when(StockReserved { order: order("c") }).then_nothing();
}

#[test]
fn refusals_lead_to_other_commands() {
    given_process::<Fulfilment>(placed())
        .when_refused(&ReserveStock { sku: sku(), order: order("1") }, &StockError::NoneLeft)
        .then_commands(CancelOrder { order: order("1"), reason: "none left".into() });
    given_process::<Fulfilment>((placed(), reserved()))
        .when_refused(&AskPayment { order: order("1"), cents: 5 }, &PaymentError::TooMuch)
        .then((
            Cancel::<PaymentOverdue>::new(),
            ReleaseStock { sku: sku(), order: order("1") },
            CancelOrder { order: order("1"), reason: "more than the limit".into() },
        ));
}

#[test]
fn a_difference_is_shown() {
    let given = given_process::<Fulfilment>(()).when(placed());
    let panic = catch_unwind(AssertUnwindSafe(|| given.then_commands(ShipOrder(order("1"))))).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("the commands of `fulfilment` are not the ones expected"), "{message}");
    assert!(message.contains("reserve-stock v1") && message.contains("ship-order v1"), "{message}");
}
