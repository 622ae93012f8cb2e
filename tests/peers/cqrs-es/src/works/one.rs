use std::time::Instant;

use cqrs_es::persist::PersistedEventStore;
use sqlite_es::SqliteEventRepository;

use super::a_second;
use crate::Outcome;
use crate::account::{Account, Deposit};
use crate::database::Database;
use crate::preparation::{amount, ids, plain_store};
use crate::verification::expect_stored;

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let cqrs = sqlite_es::sqlite_aggregate_cqrs::<Account>(database.pool.clone(), vec![], ());
    let id = ids(1).remove(0);
    let start = Instant::now();
    for index in 0..count {
        cqrs.execute(&id, Deposit { amount: amount(index) }).await?;
    }
    let taken = start.elapsed();

    let balance = (0..count).map(amount).sum();
    assert_eq!(database.events().await?, count, "events");
    expect_stored(&plain_store(database), &id, balance, count).await?;
    let repository = SqliteEventRepository::new(database.pool.clone());
    expect_stored(&PersistedEventStore::new_aggregate_store(repository), &id, balance, count).await?;
    Ok(a_second(count, taken))
}
