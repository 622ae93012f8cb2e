use std::collections::HashMap;

use anyhow::{Context, Result};

use crate::database::Database;
use crate::preparation::amount;
use crate::views::cold_account;

/// Folds the stored events of `id` again and compares.
pub async fn expect_stored(database: &Database, id: &str, balance: u64, deposits: usize) -> Result<()> {
    let found =
        cold_account().load(id).execute(&database.executor).await?.context("an account is missing")?;
    assert_eq!((found.balance, found.deposits), (balance, deposits as u64), "balance and deposits");
    Ok(())
}

/// Each aggregate has exactly the one deposit of its index.
pub async fn expect_one_deposit_each(database: &Database, ids: &[String]) -> Result<()> {
    assert_eq!(database.events().await?, ids.len(), "events");
    for (index, id) in ids.iter().enumerate() {
        expect_stored(database, id, amount(index), 1).await?;
    }
    Ok(())
}

pub fn expect_balances(found: &HashMap<String, u64>, expected: &HashMap<String, u64>) {
    assert_eq!(found.len(), expected.len(), "accounts");
    assert!(found == expected, "balances");
}
