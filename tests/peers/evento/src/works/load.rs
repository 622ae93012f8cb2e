use std::time::Instant;

use anyhow::{Context, Result};

use super::a_second;
use crate::database::Database;
use crate::preparation::fill;
use crate::views::cold_account;

const LOADS: usize = 5;

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let balances = fill(database, count, count).await?;
    assert_eq!(database.events().await?, count, "events");
    let mut times = Vec::with_capacity(LOADS);
    for _ in 0..LOADS {
        for (id, balance) in &balances {
            let start = Instant::now();
            let found = cold_account().load(id).execute(&database.executor).await?;
            times.push(start.elapsed());
            let found = found.context("the account is missing")?;
            assert_eq!((found.balance, found.deposits), (*balance, count as u64), "balance and deposits");
        }
    }
    times.sort_unstable();
    Ok(a_second(count, times[LOADS / 2]))
}
