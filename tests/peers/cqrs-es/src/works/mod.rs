mod catchup_memory;
mod catchup_view;
mod fresh;
mod load;
mod one;
mod size;
mod threads;

use std::time::Duration;

use crate::Outcome;
use crate::database::Database;

/// The events of an aggregate, unless the protocol says otherwise.
const EACH: usize = 100;

pub async fn run(work: &str, database: &Database, count: usize) -> Outcome<f64> {
    match work {
        "fresh" => fresh::run(database, count).await,
        "one" => one::run(database, count).await,
        "threads32" => threads::run(database, count, 32).await,
        "task1" => threads::run(database, count, 1).await,
        "tasks64" => threads::run(database, count, 64).await,
        "tasks1000" => threads::run(database, count, 1_000).await,
        "load" => load::run(database, count).await,
        "size" => size::run(database, count).await,
        "catchup-memory" => catchup_memory::run(database, count).await,
        "catchup-view" => catchup_view::run(database, count).await,
        other => Err(format!("there is no work `{other}`").into()),
    }
}

fn a_second(count: usize, taken: Duration) -> f64 {
    count as f64 / taken.as_secs_f64()
}
