//! Commands and appends.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use factum::prelude::*;
use factum::{ExecuteError, Executed};

use crate::Place;
use crate::account::{Account, Deposit};
use crate::fill::fill;

/// Enough commands for several WAL checkpoints.
const COMMANDS: u32 = 3_200;

/// The first command of each account, from several threads at a time, which group commit serves.
#[divan::bench(threads = [1, 4, 32], sample_count = COMMANDS, sample_size = 1)]
fn execute_on_fresh(bencher: Bencher) {
    let place = Place::new();
    let accounts = place.open().repository::<Account>();
    let made = AtomicU64::new(0);
    bencher
        .with_inputs(|| deposit(made.fetch_add(1, Ordering::Relaxed).to_string()))
        .bench_values(|command| version(accounts.execute(command)));
}

/// One command after the other on one hot account.
#[divan::bench(sample_count = COMMANDS, sample_size = 1)]
fn execute_on_hot(bencher: Bencher) {
    let place = Place::new();
    let accounts = place.open().repository::<Account>();
    bencher
        .with_inputs(|| deposit("a".into()))
        .bench_local_values(|command| version(accounts.execute(command)));
}

/// A hundred events in one append.
#[divan::bench]
fn append_100(bencher: Bencher) {
    const EVENTS: u64 = 100;
    let place = Place::new();
    let store = place.open();
    let mut version = 0;
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        fill(&store, "a", version..version + EVENTS, EVENTS).expect("there is no other writer");
        version += EVENTS;
    });
}

/// Drops the returned state: while a caller holds the state, the next command needs a copy.
fn version(executed: Result<Executed<Account>, ExecuteError<Infallible>>) -> u64 {
    executed.expect("there is no other writer").version()
}

fn deposit(account: String) -> Deposit {
    Deposit { account, cents: 5 }
}
