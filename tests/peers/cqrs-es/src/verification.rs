use std::collections::HashMap;

use cqrs_es::EventStore;

use crate::Outcome;
use crate::account::Account;
use crate::database::Database;
use crate::preparation::{Store, amount, plain_store};

pub fn expect_account(found: &Account, balance: u64, deposits: usize) {
    assert_eq!((found.balance, found.deposits), (balance, deposits as u64), "balance and deposits");
}

pub async fn expect_stored(store: &Store, id: &str, balance: u64, deposits: usize) -> Outcome<()> {
    expect_account(&store.load_aggregate(id).await?.aggregate, balance, deposits);
    Ok(())
}

/// Each aggregate has exactly the one deposit of its index.
pub async fn expect_one_deposit_each(database: &Database, ids: &[String]) -> Outcome<()> {
    assert_eq!(database.events().await?, ids.len(), "events");
    let store = plain_store(database);
    for (index, id) in ids.iter().enumerate() {
        expect_stored(&store, id, amount(index), 1).await?;
    }
    Ok(())
}

pub fn expect_balances(found: &HashMap<String, u64>, expected: &HashMap<String, u64>) {
    assert_eq!(found.len(), expected.len(), "accounts");
    assert!(found == expected, "balances");
}
