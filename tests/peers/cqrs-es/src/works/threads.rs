use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cqrs_es::AggregateError;
use sqlite_es::SqliteCqrs;
use tokio::task::JoinSet;

use super::a_second;
use crate::Outcome;
use crate::account::{Account, Deposit};
use crate::database::Database;
use crate::preparation::{amount, ids};
use crate::verification::expect_one_deposit_each;

struct Shared {
    cqrs: SqliteCqrs<Account>,
    ids: Vec<String>,
    next: AtomicUsize,
    retries: AtomicUsize,
}

pub async fn run(database: &Database, count: usize, tasks: usize) -> Outcome<f64> {
    let shared = Arc::new(Shared {
        cqrs: sqlite_es::sqlite_cqrs(database.pool.clone(), vec![], ()),
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

async fn deposit_all(shared: Arc<Shared>) -> Outcome<()> {
    loop {
        let index = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(id) = shared.ids.get(index) else { return Ok(()) };
        while let Err(error) = shared.cqrs.execute(id, Deposit { amount: amount(index) }).await {
            if !is_busy(&error) {
                return Err(error.into());
            }
            shared.retries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn is_busy(error: &AggregateError<Infallible>) -> bool {
    const SQLITE_BUSY: i32 = 5;
    let AggregateError::UnexpectedError(cause) = error else { return false };
    let Some(sqlx::Error::Database(cause)) = cause.downcast_ref::<sqlx::Error>() else { return false };
    let code = cause.code().and_then(|code| code.parse::<i32>().ok());
    // The low byte is the primary code.
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}
