//! Plays the shop's story as a user does.

/// The shop with its own tests.
#[path = "../fulfilment"]
#[allow(dead_code, reason = "the program uses more than these tests")]
mod fulfilment {
    pub mod ids;
    pub mod order;
    pub mod payment;
    pub mod process;
    pub mod shipment;
    pub mod shop;
    pub mod stock;
    pub mod views;
}
mod program;

use factum::application::Application;
use factum::testing::Lock;

use fulfilment::ids::{Cents, Line};
use fulfilment::order::{
    AddressSet, NoteAdded, Order, OrderCancelled, OrderClosed, OrderPlaced, OrderShipped, Outcome, Reason,
};
use fulfilment::payment::{
    Payment, PaymentCalledOff, PaymentDisputed, PaymentRefunded, PaymentRequested, PaymentTaken,
};
use fulfilment::process::Fulfilment;
use fulfilment::shipment::{
    Shipment, ShipmentDelayed, ShipmentDelivered, ShipmentHandedOver, ShipmentLost, ShipmentPrepared,
};
use fulfilment::shop::Shop;
use fulfilment::stock::{Stock, StockAdded, StockCounted, StockDispatched, StockReleased, StockReserved};

#[test]
fn the_story_ends_as_it_should() {
    let run = program::run("fulfilment", &[]);
    assert_eq!((run.code, run.err.as_str()), (Some(0), ""));
    let board = [
        "  o-1    120.00  delivered\n",
        "  o-2    105.00  cancelled: no chair left\n",
        "  o-3     15.00  lost\n",
        "  o-4     15.00  cancelled: withdrawn by the customer\n",
        "  o-5     15.00  cancelled: not paid in time\n",
        "  sold    135.00\n",
        "  back     15.00\n",
    ];
    assert!(run.out.contains(&board.concat()), "{}", run.out);
    // A hook signs the events.
    let events = "The events of the order:\n  order-placed by a person\n  order-cancelled by the shop\n";
    assert!(run.out.ends_with(events), "{}", run.out);
    for happening in
        ["Received order-placed", "Sent reserve-stock", "TimedOut payment-overdue", "Sent call-off-payment"]
    {
        assert!(run.out.contains(&format!("  {happening}\n")), "{happening}: {}", run.out);
    }
}

#[test]
fn the_model_is_up_to_date() {
    factum::testing::model!(Shop::MODEL, "fulfilment/model.md");
}

/// Events and time-outs in users' files stay readable: see `fulfilment/events.lock` and `events.golden`.
#[test]
fn what_was_stored_can_be_read() {
    let line = Line { sku: "lamp".into(), quantity: 2, price: Cents(1_500) };
    let amount = Cents(3_000);
    // A lock has all events of a crate, and the one of this package has those of the bank.
    Lock::of_crate(concat!(env!("CARGO_MANIFEST_DIR"), "/fulfilment"))
        .aggregate::<Order>((
            OrderPlaced { lines: vec![line], total: amount },
            AddressSet { address: "1 Elm Street".into() },
            NoteAdded { text: "a gift".into() },
            OrderShipped,
            OrderClosed { outcome: Outcome::Delivered },
            OrderCancelled { reason: Reason::OutOfStock("lamp".into()) },
        ))
        .aggregate::<Stock>((
            StockAdded { quantity: 5 },
            StockReserved { order: "o-1".into(), quantity: 2 },
            StockReleased { order: "o-1".into(), quantity: 2 },
            StockDispatched { order: "o-1".into(), quantity: 2 },
            StockCounted { free: 3 },
        ))
        .aggregate::<Payment>((
            PaymentRequested { amount },
            PaymentTaken { amount, card: "1234".into() },
            PaymentCalledOff,
            PaymentDisputed { reason: "two of them".into() },
            PaymentRefunded { amount },
        ))
        .aggregate::<Shipment>((
            ShipmentPrepared,
            ShipmentHandedOver { carrier: "Post".into(), tracking: "post-1".into() },
            ShipmentDelayed { reason: "snow".into() },
            ShipmentDelivered,
            ShipmentLost,
        ))
        .process::<Fulfilment>()
        .check();
}
