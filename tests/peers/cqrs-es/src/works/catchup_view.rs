use std::sync::Arc;
use std::time::Instant;

use cqrs_es::persist::{GenericQuery, QueryReplay, ViewRepository};
use cqrs_es::{EventEnvelope, View};
use serde::{Deserialize, Serialize};
use sqlite_es::{SqliteEventRepository, SqliteViewRepository};

use super::{EACH, a_second};
use crate::Outcome;
use crate::account::{Account, AccountEvent};
use crate::database::Database;
use crate::preparation::fill;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Balance {
    balance: u64,
}

impl View<Account> for Balance {
    fn update(&mut self, event: &EventEnvelope<Account>) {
        let AccountEvent::MoneyDeposited { amount, .. } = &event.payload;
        self.balance += amount;
    }
}

pub async fn run(database: &Database, count: usize) -> Outcome<f64> {
    let expected = fill(database, count, EACH).await?;
    assert_eq!(database.events().await?, count, "events");
    let views =
        Arc::new(SqliteViewRepository::<Balance, Account>::new("account_view", database.pool.clone()));
    let mut query = GenericQuery::new(Arc::clone(&views));
    query.use_error_handler(Box::new(|error| panic!("{error}")));
    let repository = SqliteEventRepository::new(database.pool.clone()).with_streaming_channel_size(1000);
    let mut replay: QueryReplay<_, _, Account> = QueryReplay::new(repository, query);
    replay.use_error_handler(Box::new(|error| panic!("{error}")));
    let start = Instant::now();
    replay.replay_all().await?;
    let taken = start.elapsed();
    for (id, balance) in &expected {
        let view = views.load(id).await?.ok_or("an account has no view")?;
        assert_eq!(view.balance, *balance, "balance");
    }
    Ok(a_second(count, taken))
}
