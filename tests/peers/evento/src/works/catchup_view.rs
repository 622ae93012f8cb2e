use std::time::Instant;

use anyhow::{Context, Result};
use evento::{Aggregate, Executor, ProjectionCursor};

use super::{EACH, a_second};
use crate::account::Account;
use crate::database::Database;
use crate::preparation::fill;
use crate::views::{KeptBalance, kept_balance};

pub async fn run(database: &Database, count: usize) -> Result<f64> {
    let expected = fill(database, count, EACH).await?;
    assert_eq!(database.events().await?, count, "events");
    database.settle().await;
    // Ten times the default: faster, and still few events to repeat after a crash.
    let subscription = kept_balance().subscription("kept-balance").chunk_size(3000).no_retry();
    let start = Instant::now();
    subscription.run_once(&database.executor).await?;
    let taken = start.elapsed();
    for (id, balance) in &expected {
        assert_eq!(kept(database, id).await?.balance, *balance, "balance");
    }
    Ok(a_second(count, taken))
}

/// The row of the snapshot table, not the result of a load, which would add later events.
async fn kept(database: &Database, id: &str) -> Result<KeptBalance> {
    let (tenant, revision) = (String::new(), "0".to_owned());
    let aggregate = Account::aggregate_type().to_owned();
    let view = KeptBalance::projection_name().to_owned();
    let row = database.executor.get_snapshot(tenant, aggregate, view, revision, id.to_owned());
    let (data, _) = row.await?.context("an account has no view")?;
    Ok(bitcode::decode(&data)?)
}
