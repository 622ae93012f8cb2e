use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use super::a_second;
use crate::command::{Command, is_busy};
use crate::database::Database;
use crate::preparation::{amount, ids};
use crate::verification::expect_one_deposit_each;

struct Shared {
    command: Command<evento::Sqlite>,
    ids: Vec<String>,
    next: AtomicUsize,
    retries: AtomicUsize,
}

pub async fn run(database: &Database, count: usize, tasks: usize) -> Result<f64> {
    let shared = Arc::new(Shared {
        command: Command(database.executor.clone()),
        ids: ids(count),
        next: AtomicUsize::new(0),
        retries: AtomicUsize::new(0),
    });
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        running.spawn(deposit_all(Arc::clone(&shared)));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let taken = start.elapsed();
    eprintln!("{} busy errors retried", shared.retries.load(Ordering::Relaxed));
    expect_one_deposit_each(database, &shared.ids).await?;
    Ok(a_second(count, taken))
}

async fn deposit_all(shared: Arc<Shared>) -> Result<()> {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = shared.ids.get(index) else { return Ok(()) };
        while let Err(error) = shared.command.deposit(id, amount(index)).await {
            if !is_busy(&error) {
                return Err(error);
            }
            shared.retries.fetch_add(1, Ordering::Relaxed);
        }
    }
}
