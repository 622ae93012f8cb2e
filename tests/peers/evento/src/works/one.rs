use std::time::Instant;

use anyhow::{Context, Result};

use super::a_second;
use crate::command::Command;
use crate::database::Database;
use crate::preparation::{amount, ids};
use crate::verification::expect_stored;

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let command = Command(database.executor.clone());
    let id = ids(1).remove(0);
    let start = Instant::now();
    for index in 0..count {
        command.deposit(&id, amount(index)).await?;
    }
    let taken = start.elapsed();

    let balance = (0..count).map(amount).sum();
    assert_eq!(database.events().await?, count, "events");
    expect_stored(database, &id, balance, count).await?;
    let state = command.account(&id).await?.context("the account is missing")?;
    assert_eq!((state.balance, state.deposits), (balance, count as u64), "the snapshot");
    Ok(a_second(count, taken))
}
