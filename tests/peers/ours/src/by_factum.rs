//! The works as a user of factum writes them.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use factum::CacheOptions;
use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions, ViewTransaction};

use crate::account::{Account, Deposit, MoneyDeposited, Replayed, ids, reference};
use crate::{Job, bytes_per_event, median, rate};

pub fn run(job: &Job) -> Result<Option<f64>, Box<dyn Error>> {
    let store = open(job)?;
    Ok(Some(match job.work.as_str() {
        "fresh" => fresh(job, &store)?,
        "one" => one(job, &store)?,
        "threads32" => threads(job, &store)?,
        "task1" => tasks(job, &store, 1)?,
        "tasks64" => tasks(job, &store, 64)?,
        "tasks1000" => tasks(job, &store, 1_000)?,
        "load" => load(job, &store)?,
        "size" => {
            fill(job, &store)?;
            store.checkpoint_wal()?;
            bytes_per_event(job)?
        }
        "catchup-memory" => {
            fill(job, &store)?;
            in_memory(job, &store)?
        }
        "catchup-view" => {
            fill(job, &store)?;
            view(job, &store)?
        }
        _ => return Ok(None),
    }))
}

fn open(job: &Job) -> Result<SqliteStore, Box<dyn Error>> {
    let durability = if job.full { Durability::Full } else { Durability::Normal };
    Ok(SqliteOptions::new().durability(durability).open(job.file())?)
}

fn deposit(account: &str) -> Deposit {
    Deposit { account: account.to_owned(), amount: 1, reference: reference() }
}

fn fresh(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let accounts = store.repository::<Account>();
    let ids = ids(job.count);
    let start = Instant::now();
    for id in &ids {
        accounts.execute(deposit(id))?;
    }
    let time = start.elapsed();
    assert_eq!(store.position()?.get(), job.count as u64);
    Ok(rate(job.count, time))
}

fn one(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let accounts = store.repository::<Account>();
    let [id] = &ids(1)[..] else { unreachable!("one id") };
    let start = Instant::now();
    for _ in 0..job.count {
        accounts.execute(deposit(id))?;
    }
    let time = start.elapsed();
    assert_eq!(store.repository::<Replayed>().load(id)?.state().balance, job.count as u64);
    Ok(rate(job.count, time))
}

fn threads(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let accounts = store.repository::<Account>();
    let ids = ids(job.count);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for ids in ids.chunks(job.count.div_ceil(32)) {
            let accounts = &accounts;
            scope.spawn(move || ids.iter().for_each(|id| drop(accounts.execute(deposit(id)).unwrap())));
        }
    });
    let time = start.elapsed();
    assert_eq!(store.position()?.get(), job.count as u64);
    Ok(rate(job.count, time))
}

/// So many tasks, each of which takes the next account until there is none.
fn tasks(job: &Job, store: &SqliteStore, tasks: usize) -> Result<f64, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let accounts = store.repository::<Account>();
    let ids = Arc::new(ids(job.count));
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (accounts, ids, next) = (accounts.clone(), Arc::clone(&ids), Arc::clone(&next));
            runtime.spawn(async move {
                while let Some(id) = ids.get(next.fetch_add(1, Ordering::Relaxed)) {
                    accounts.execute_async(deposit(id)).await.unwrap();
                }
            })
        })
        .collect();
    for task in running {
        runtime.block_on(task)?;
    }
    let time = start.elapsed();
    assert_eq!(store.position()?.get(), job.count as u64);
    Ok(rate(job.count, time))
}

/// Appends many events to one aggregate, some hundred in each commit.
fn prepare(
    accounts: &Repository<Replayed, SqliteStore>,
    id: &String,
    count: usize,
) -> Result<(), Box<dyn Error>> {
    for first in (0..count).step_by(500) {
        let commands = (first..count.min(first + 500)).map(|_| deposit(id));
        accounts.execute_batch(id, commands)?;
    }
    Ok(())
}

fn load(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let accounts = store.repository::<Replayed>().with_cache(CacheOptions::aggregates(0));
    let [id] = &ids(1)[..] else { unreachable!("one id") };
    prepare(&accounts, id, job.count)?;
    let time = median(|| {
        let loaded = accounts.load(id)?;
        assert_eq!((loaded.state().balance, loaded.state().deposits), (job.count as u64, job.count as u64));
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(rate(job.count, time))
}

/// Appends a hundred events to each of many aggregates.
fn fill(job: &Job, store: &SqliteStore) -> Result<(), Box<dyn Error>> {
    let accounts = store.repository::<Replayed>();
    for id in &ids(job.count / 100) {
        prepare(&accounts, id, 100)?;
    }
    Ok(())
}

#[derive(Default, Projection)]
#[projection(events(MoneyDeposited), from(Account))]
struct Balances {
    by_account: HashMap<String, u64>,
}

#[handlers]
impl Balances {
    #[project]
    fn deposited(&mut self, event: &MoneyDeposited, account: &str) {
        match self.by_account.get_mut(account) {
            Some(balance) => *balance += event.amount,
            None => drop(self.by_account.insert(account.to_owned(), event.amount)),
        }
    }
}

fn in_memory(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let time = median(|| {
        let mut balances = MemoryProjection::new(&store, Balances::default());
        balances.catch_up()?;
        assert_eq!(balances.view().by_account.values().sum::<u64>(), job.count as u64);
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(rate(job.count, time))
}

#[derive(Projection)]
#[projection(
    events(MoneyDeposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID",
)]
struct BalanceRows;

#[handlers]
impl BalanceRows {
    #[project]
    fn deposited(
        &self,
        event: &MoneyDeposited,
        account: &str,
        transaction: &ViewTransaction<'_>,
    ) -> Result<(), BoxError> {
        transaction.with(
            "INSERT INTO balances VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET balance = balance + excluded.balance",
            |upsert| upsert.execute((account, event.amount.cast_signed())),
        )?;
        Ok(())
    }
}

fn view(job: &Job, store: &SqliteStore) -> Result<f64, Box<dyn Error>> {
    let mut rows = SqliteProjection::new(store, BalanceRows)?;
    let start = Instant::now();
    rows.catch_up()?;
    let time = start.elapsed();
    let total: i64 = store.query(|connection| {
        connection.query_row("SELECT sum(balance) FROM balances", (), |row| row.get(0))
    })?;
    assert_eq!(total, i64::try_from(job.count)?);
    Ok(rate(job.count, time))
}
