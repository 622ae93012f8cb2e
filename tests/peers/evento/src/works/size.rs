use anyhow::Result;

use super::EACH;
use crate::database::Database;
use crate::preparation::fill;
use crate::verification::expect_stored;

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let balances = fill(database, count, EACH).await?;
    let bytes = database.bytes().await?;
    assert_eq!(database.events().await?, count, "events");
    if count.is_multiple_of(EACH) {
        for (id, balance) in &balances {
            expect_stored(database, id, *balance, EACH).await?;
        }
    }
    Ok(bytes as f64 / count as f64)
}
