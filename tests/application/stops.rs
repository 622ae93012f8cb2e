//! An application stops all of its followers at once.

use std::sync::Arc;
use std::time::Duration;

use factum::prelude::*;
use factum::with_causes;

use super::seen_by::{Halting, Slow};
use super::shop::{LONG, Mailer, Order, Shop, Totals, place};
use crate::support::bounded::wait_until;

#[test]
fn a_stopped_or_dropped_application_runs_nothing_more() {
    let mail = Mailer::default();
    for round in 0..2 {
        let shop = Shop::new(&mail).start(&SqliteStore::in_memory().unwrap()).unwrap();
        shop.execute(place("a", 10)).unwrap();
        assert_eq!(Arc::strong_count(&mail.sent), 2);
        if round == 0 {
            shop.stop(LONG).unwrap();
        } else {
            drop(shop);
        }
        assert_eq!(Arc::strong_count(&mail.sent), 1, "the reaction is gone");
    }
}

/// An inline view stops with its application, and catches up with the next one.
#[test]
fn an_application_starts_again_on_its_store() {
    let (store, mail) = (SqliteStore::in_memory().unwrap(), Mailer::default());
    let shop = Shop::new(&mail).start(&store).unwrap();
    shop.execute(place("a", 10)).unwrap();
    let error = Shop::new(&mail).start(&store).unwrap_err();
    assert_eq!(error.follower, "order-board");
    shop.stop(LONG).unwrap();
    store.repository::<Order>().execute(place("b", 10)).unwrap();
    let count = || -> u64 {
        store.query(|board| board.query_row("SELECT count(*) FROM board", (), |row| row.get(0))).unwrap()
    };
    assert_eq!(count(), 1);
    let shop = Shop::new(&mail).start(&store).unwrap();
    assert_eq!(count(), 2);
    shop.execute(place("c", 10)).unwrap();
    assert_eq!(count(), 3);
}

#[test]
fn a_follower_that_does_not_stop_in_time_is_named() {
    let slow = Slow::default();
    let app = Halting { totals: Totals::default(), slow: slow.clone() }.start(&MemoryStore::new()).unwrap();
    let position = app.execute(place("a", 10)).unwrap().position().unwrap();
    app.wait_for::<Totals>(position, LONG).unwrap();
    slow.wait_until_reached();
    let error = app.stop(Duration::from_millis(20)).unwrap_err();
    let [("slow", late)] = &error.failed[..] else { panic!("{error}") };
    let text = with_causes(&**late);
    assert!(text.starts_with("`slow` still runs after "), "{text}");
    slow.open();
    // It ends by itself, after its step.
    wait_until(|| Arc::strong_count(&slow.gate) == 1);
}
