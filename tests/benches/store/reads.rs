//! Loads, and catch-ups of views.

use divan::Bencher;
use divan::counter::ItemsCount;
use factum::prelude::*;

use crate::Place;
use crate::account::{Account, MoneyDeposited, Replayed};
use crate::fill::fill;

/// A view in memory.
#[derive(Default, Projection)]
#[projection(events(MoneyDeposited), from(Account))]
struct Total {
    cents: u64,
}

#[handlers]
impl Total {
    #[project]
    fn deposited(&mut self, event: &MoneyDeposited) {
        self.cents += event.cents;
    }
}

/// An account of a thousand events, without a snapshot, in a newly opened store.
#[divan::bench]
fn load_1_000_cold(bencher: Bencher) {
    const EVENTS: u64 = 1_000;
    let place = Place::new();
    fill(&place.open(), "a", 0..EVENTS, EVENTS).expect("the store is new");
    bencher.counter(ItemsCount::new(EVENTS)).with_inputs(|| place.open()).bench_local_refs(|store| {
        store.repository::<Replayed>().load(&"a".to_owned()).expect("the account exists")
    });
}

/// A view of ten thousand events of a hundred accounts.
#[divan::bench]
fn catch_up_10_000_in_memory(bencher: Bencher) {
    const ACCOUNTS: u64 = 100;
    const EVENTS: u64 = 100;
    let place = Place::new();
    let store = place.open();
    for account in 0..ACCOUNTS {
        fill(&store, &account.to_string(), 0..EVENTS, EVENTS).expect("the store is new");
    }
    bencher
        .counter(ItemsCount::new(ACCOUNTS * EVENTS))
        .with_inputs(|| MemoryProjection::new(&store, Total::default()))
        .bench_local_refs(|total| total.catch_up().expect("all events are there"));
}
