use std::collections::HashMap;

use cqrs_es::EventStore;
use cqrs_es::persist::{EventStoreAggregateContext, PersistedEventStore};
use sqlite_es::SqliteEventRepository;
use uuid::Uuid;

use crate::Outcome;
use crate::account::{Account, AccountEvent};
use crate::database::Database;

/// The number of events in one commit of the preparation.
const BATCH: usize = 500;

pub type Store = PersistedEventStore<SqliteEventRepository, Account>;

pub fn plain_store(database: &Database) -> Store {
    PersistedEventStore::new_event_store(SqliteEventRepository::new(database.pool.clone()))
}

pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|_| Uuid::now_v7().to_string()).collect()
}

/// Amounts differ, so that a lost event and a doubled one cannot cancel out.
pub fn amount(index: usize) -> u64 {
    1 + index as u64 % 97
}

/// Stores `count` events, `each` to an aggregate. Returns the balance that each aggregate must have.
pub async fn fill(database: &Database, count: usize, each: usize) -> Outcome<HashMap<String, u64>> {
    let store = plain_store(database);
    let amounts: Vec<u64> = (0..count).map(amount).collect();
    let mut balances = HashMap::new();
    for (id, amounts) in ids(count.div_ceil(each)).into_iter().zip(amounts.chunks(each)) {
        for (index, batch) in amounts.chunks(BATCH).enumerate() {
            let context = EventStoreAggregateContext {
                aggregate_id: id.clone(),
                aggregate: Account::default(),
                current_sequence: index * BATCH,
                current_snapshot: None,
            };
            let events = batch.iter().copied().map(AccountEvent::deposited).collect();
            store.commit(events, context, HashMap::new()).await?;
        }
        balances.insert(id, amounts.iter().sum());
    }
    Ok(balances)
}
