use std::collections::HashMap;

use anyhow::Result;
use uuid::Uuid;

use crate::account::deposited;
use crate::database::Database;

/// The number of events in one commit of the preparation.
const BATCH: usize = 500;

pub fn ids(count: usize) -> Vec<String> {
    (0..count).map(|_| Uuid::now_v7().to_string()).collect()
}

/// Amounts differ, so that a lost event and a doubled one cannot cancel out.
pub fn amount(index: usize) -> u64 {
    1 + index as u64 % 97
}

/// Stores `count` events, `each` to an aggregate. Returns the balance that each aggregate must have.
pub async fn fill(database: &Database, count: usize, each: usize) -> Result<HashMap<String, u64>> {
    let amounts: Vec<u64> = (0..count).map(amount).collect();
    let mut balances = HashMap::new();
    for (id, amounts) in ids(count.div_ceil(each)).into_iter().zip(amounts.chunks(each)) {
        for (index, batch) in amounts.chunks(BATCH).enumerate() {
            let mut write = evento::append(&id);
            write.original_version(u16::try_from(index * BATCH)?);
            for amount in batch {
                write.event(&deposited(*amount));
            }
            write.commit(&database.executor).await?;
        }
        balances.insert(id, amounts.iter().sum());
    }
    Ok(balances)
}
