use std::time::Instant;

use anyhow::Result;

use super::a_second;
use crate::command::Command;
use crate::database::Database;
use crate::preparation::{amount, ids};
use crate::verification::expect_one_deposit_each;

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let command = Command(database.executor.clone());
    let ids = ids(count);
    let start = Instant::now();
    for (index, id) in ids.iter().enumerate() {
        command.deposit(id, amount(index)).await?;
    }
    let taken = start.elapsed();
    expect_one_deposit_each(database, &ids).await?;
    Ok(a_second(count, taken))
}
