use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use cqrs_es::persist::QueryReplay;
use cqrs_es::{EventEnvelope, Query};
use sqlite_es::SqliteEventRepository;

use super::{EACH, a_second};
use crate::Outcome;
use crate::account::{Account, AccountEvent};
use crate::database::Database;
use crate::preparation::fill;
use crate::verification::expect_balances;

#[derive(Clone, Default)]
struct Balances(Arc<Mutex<HashMap<String, u64>>>);

#[async_trait]
impl Query<Account> for Balances {
    async fn dispatch(&self, aggregate_id: &str, events: &[EventEnvelope<Account>]) {
        let mut balances = self.0.lock().expect("no holder of the lock panics");
        for event in events {
            let AccountEvent::MoneyDeposited { amount, .. } = &event.payload;
            match balances.get_mut(aggregate_id) {
                Some(balance) => *balance += amount,
                None => _ = balances.insert(aggregate_id.to_owned(), *amount),
            }
        }
    }
}

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let expected = fill(database, count, EACH).await?;
    assert_eq!(database.events().await?, count, "events");
    let balances = Balances::default();
    let repository = SqliteEventRepository::new(database.pool.clone()).with_streaming_channel_size(1000);
    let mut replay: QueryReplay<_, _, Account> = QueryReplay::new(repository, balances.clone());
    replay.use_error_handler(Box::new(|error| panic!("{error}")));
    let start = Instant::now();
    replay.replay_all().await?;
    let taken = start.elapsed();
    expect_balances(&balances.0.lock().expect("no holder of the lock panics"), &expected);
    Ok(a_second(count, taken))
}
