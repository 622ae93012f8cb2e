mod catchup_memory;
mod catchup_view;
mod fresh;
mod load;
mod one;
mod size;
mod threads;

use std::time::Duration;

use anyhow::{Result, bail};

use crate::account::LONGEST_STREAM;
use crate::database::Database;

/// The events of an aggregate, unless the protocol says otherwise.
const EACH: usize = 100;

/// `None` if evento cannot do the work.
pub async fn run(work: &str, database: &Database, count: usize) -> Result<Option<f64>> {
    let rate = match work {
        "one" | "load" if count > LONGEST_STREAM => return Ok(None),
        "fresh" => fresh::run(database, count).await?,
        "one" => one::run(database, count).await?,
        "threads32" => threads::run(database, count, 32).await?,
        "task1" => threads::run(database, count, 1).await?,
        "tasks64" => threads::run(database, count, 64).await?,
        "tasks1000" => threads::run(database, count, 1_000).await?,
        "load" => load::run(database, count).await?,
        "size" => size::run(database, count).await?,
        "catchup-memory" => catchup_memory::run(database, count).await?,
        "catchup-view" => catchup_view::run(database, count).await?,
        other => bail!("there is no work `{other}`"),
    };
    Ok(Some(rate))
}

fn a_second(count: usize, taken: Duration) -> f64 {
    count as f64 / taken.as_secs_f64()
}
