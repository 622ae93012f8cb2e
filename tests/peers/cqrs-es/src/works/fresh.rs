use std::time::Instant;

use super::a_second;
use crate::Outcome;
use crate::account::{Account, Deposit};
use crate::database::Database;
use crate::preparation::{amount, ids};
use crate::verification::expect_one_deposit_each;

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let cqrs = sqlite_es::sqlite_cqrs::<Account>(database.pool.clone(), vec![], ());
    let ids = ids(count);
    let start = Instant::now();
    for (index, id) in ids.iter().enumerate() {
        cqrs.execute(id, Deposit { amount: amount(index) }).await?;
    }
    let taken = start.elapsed();
    expect_one_deposit_each(database, &ids).await?;
    Ok(a_second(count, taken))
}
