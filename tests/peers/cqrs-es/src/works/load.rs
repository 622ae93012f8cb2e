use std::time::Instant;

use cqrs_es::EventStore;

use super::a_second;
use crate::Outcome;
use crate::database::Database;
use crate::preparation::{fill, plain_store};
use crate::verification::expect_account;

const LOADS: usize = 5;

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let balances = fill(database, count, count).await?;
    assert_eq!(database.events().await?, count, "events");
    let store = plain_store(database);
    let mut times = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        for (id, balance) in &balances {
            let start = Instant::now();
            let context = store.load_aggregate(id).await?;
            times.push(start.elapsed());
            expect_account(&context.aggregate, *balance, count);
        }
    }
    times.sort_unstable();
    Ok(a_second(count, times[LOADS / 2]))
}
