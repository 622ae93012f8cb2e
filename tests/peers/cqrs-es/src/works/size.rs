use super::EACH;
use crate::Outcome;
use crate::database::Database;
use crate::preparation::{fill, plain_store};
use crate::verification::expect_stored;

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let balances = fill(database, count, EACH).await?;
    let bytes = database.bytes().await?;
    assert_eq!(database.events().await?, count, "events");
    if count.is_multiple_of(EACH) {
        let store = plain_store(database);
        for (id, balance) in &balances {
            expect_stored(&store, id, *balance, EACH).await?;
        }
    }
    Ok(bytes as f64 / count as f64)
}
