use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Result;
use evento::Executor;
use evento::metadata::Event;
use evento::subscription::{Context, SubscriptionBuilder};

use super::{EACH, a_second};
use crate::account::MoneyDeposited;
use crate::database::Database;
use crate::preparation::fill;
use crate::verification::expect_balances;

#[derive(Clone, Default)]
struct Balances(Arc<Mutex<HashMap<String, u64>>>);

#[evento::subscription]
async fn sum<E: Executor>(context: &Context<'_, E>, event: Event<MoneyDeposited>) -> Result<()> {
    let balances: Balances = context.extract();
    let mut balances = balances.0.lock().expect("no holder of the lock panics");
    match balances.get_mut(&event.aggregate_id) {
        Some(balance) => *balance += event.data.amount,
        None => _ = balances.insert(event.aggregate_id.clone(), event.data.amount),
    }
    Ok(())
}

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let expected = fill(database, count, EACH).await?;
    assert_eq!(database.events().await?, count, "events");
    database.settle().await;
    let balances = Balances::default();
    let mut subscription = SubscriptionBuilder::new("balances")
        .handler(sum())
        .data(balances.clone())
        .ephemeral()
        // evento reads its index from the start for each chunk, so a few large chunks are faster. They cost
        // nothing here: no cursor is stored, so a crash repeats everything in any case.
        .chunk_size(10_000)
        .no_retry();
    let start = Instant::now();
    subscription.run_once(&database.executor).await?;
    let taken = start.elapsed();
    expect_balances(&balances.0.lock().expect("no holder of the lock panics"), &expected);
    Ok(a_second(count, taken))
}
