//! What a process does with events, refusals and time-outs.

use std::time::Duration;

use factum::follow::{HappeningKind, InstanceState};

use crate::support::shop::{Shop, TIME_TO_PAY, order, sku};

#[test]
fn an_order_is_reserved_paid_and_shipped() {
    let shop = Shop::with_stock(2);
    let mut process = shop.process();
    shop.place("a", 500);
    process.catch_up().unwrap();
    let instances = process.instances();
    let Some(InstanceState::Running(state)) = instances.get(&order("a")).unwrap() else {
        panic!("not running")
    };
    assert!(state.is_reserved && state.cents == 500);
    assert_eq!(shop.payments.load(&order("a")).unwrap().state().asked, 1);
    shop.pay("a");
    process.catch_up().unwrap();
    assert_eq!(shop.end_of("a"), Some("shipped"));
    assert!(matches!(instances.get(&order("a")).unwrap(), Some(InstanceState::Done(_))));
    // The time-out is cancelled: nothing happens later.
    shop.clock.forward(2 * TIME_TO_PAY);
    process.catch_up().unwrap();
    let history = instances.history(&order("a")).unwrap();
    // A command is recorded with its events, so before the instance gets these.
    let happened: Vec<_> = history.iter().map(|entry| (entry.kind, entry.name.as_str())).collect();
    assert_eq!(
        happened,
        [
            (HappeningKind::Received, "order-placed"),
            (HappeningKind::Sent, "reserve-stock"),
            (HappeningKind::Received, "stock-reserved"),
            (HappeningKind::Sent, "ask-payment"),
            (HappeningKind::Received, "payment-taken"),
            (HappeningKind::Sent, "ship-order"),
            (HappeningKind::Received, "order-shipped"),
            (HappeningKind::Done, ""),
        ]
    );
    assert!(history.iter().all(|entry| entry.cause.is_some()));
    let sent = history.iter().find(|entry| entry.kind == HappeningKind::Sent).unwrap();
    let key = sent.detail.as_deref().unwrap();
    assert_eq!(key, format!("fulfilment/a/{}/0", history[0].cause.unwrap()));
}

#[test]
fn an_order_that_is_not_paid_in_time_is_cancelled() {
    let shop = Shop::with_stock(1);
    let mut process = shop.process();
    shop.place("a", 500);
    process.catch_up().unwrap();
    shop.clock.forward(TIME_TO_PAY.checked_sub(Duration::from_secs(5)).unwrap());
    process.catch_up().unwrap();
    assert_eq!(shop.end_of("a"), None);
    shop.clock.forward(Duration::from_secs(10));
    process.catch_up().unwrap();
    assert_eq!(shop.end_of("a"), Some("cancelled"));
    assert_eq!(shop.stock.load(&sku()).unwrap().state().left, 1);
}

#[test]
fn a_refusal_leads_to_other_commands() {
    let shop = Shop::with_stock(1);
    let mut process = shop.process();
    shop.place("a", 500);
    process.catch_up().unwrap();
    shop.place("b", 500);
    process.catch_up().unwrap();
    let history = process.instances().history(&order("b")).unwrap();
    assert_eq!((shop.end_of("a"), shop.end_of("b")), (None, Some("cancelled")), "{history:#?}");
    let refused = history.iter().find(|entry| entry.kind == HappeningKind::Refused).unwrap();
    assert_eq!((refused.name.as_str(), refused.detail.as_deref()), ("reserve-stock", Some("NoneLeft")));
}
