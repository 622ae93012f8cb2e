//! A long stream folded into the account's state.

use std::time::{Duration, Instant};

use eventcore::StreamId;
use eventcore_sqlite::SqliteEventStore;
use eventcore_types::EventStore;
use futures::StreamExt;

use crate::account::{self, Account, AccountEvent};
use crate::database::Database;
use crate::works::{prepare, rate};

const LOADS: usize = 5;

pub(crate) async fn run(database: &Database, count: usize) -> f64 {
    let accounts = prepare::events(database, count, count).await;
    let store = database.store().await;
    let expected = Account { balance: account::total(count), deposits: count as u64 };

    let mut times: Vec<Duration> = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        let start = Instant::now();
        let loaded = load(&store, accounts[0].clone()).await;
        times.push(start.elapsed());
        assert_eq!(loaded, expected);
    }
    times.sort();
    rate(count, times[LOADS / 2])
}

pub(crate) async fn load(store: &SqliteEventStore, account: StreamId) -> Account {
    let mut events = store.read_stream::<AccountEvent>(account).await.expect("the stream opens");
    let mut state = Account::default();
    while let Some(event) = events.next().await {
        state = state.with(&event.expect("the event is read"));
    }
    state
}
