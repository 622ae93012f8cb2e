//! Catch-ups of views, beside hand-written loops over the same rows with the same work.

use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::time::Instant;

use factum::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};

use crate::account::{Account, MoneyDeposited};
use crate::fill::fill;
use crate::median::median;
use crate::open;
use crate::report::print_ratio;
use crate::sizes::Sizes;
use crate::table::{Balances as Rows, TABLE, UPSERT, total};

/// The number of events of each account.
const EACH: u64 = 100;

/// The number of events in a transaction by hand: as many as factum takes.
const BATCH: u64 = 4_000;

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
            Some(balance) => *balance += event.cents,
            None => drop(self.by_account.insert(account.to_owned(), event.cents)),
        }
    }
}

/// Catches up once. Returns the seconds, and the sum of all balances.
type Arm<'a> = dyn Fn() -> Result<(f64, u64), Box<dyn Error>> + 'a;

/// Runs all arms in turns, each equally often.
pub(crate) fn compare(folder: &Path, sizes: &Sizes) -> Result<(), Box<dyn Error>> {
    let path = folder.join("catch-up.db");
    let store = open(&path)?;
    for account in 0..sizes.events / EACH {
        fill(&store, &format!("{account:08}"), 0..EACH, EACH)?;
    }
    store.checkpoint_wal()?;
    let raw = by_hand(&path)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    let mut sums = Vec::new();
    for _ in 0..sizes.rounds {
        let arms: [&Arm<'_>; 4] =
            [&|| raw_memory(&raw), &|| memory(&store), &|| raw_table(&raw), &|| table(&store)];
        for (arm, times) in arms.into_iter().zip(&mut times) {
            let (seconds, sum) = arm()?;
            times.push(seconds);
            sums.push(sum);
        }
    }
    sums.dedup();
    assert_eq!(sums.len(), 1, "all arms have one sum");
    #[expect(clippy::cast_precision_loss, reason = "counts are small enough to be exact")]
    let rates = times.map(|times| sizes.events as f64 / median(times));
    for (name, rate) in
        ["memory, by hand", "memory, factum", "table, by hand", "table, factum"].iter().zip(rates)
    {
        println!("catch-up: {name:16} {rate:10.0} events a second");
    }
    if sizes.counts {
        println!();
        print_ratio("views/catch-up-memory-vs-raw", rates[1] / rates[0], ">=", 0.8);
        print_ratio("views/catch-up-table-vs-raw", rates[3] / rates[2], ">=", 0.8);
        println!();
    }
    Ok(())
}

fn memory(store: &SqliteStore) -> Result<(f64, u64), Box<dyn Error>> {
    let begun = Instant::now();
    let mut balances = MemoryProjection::new(&store, Balances::default());
    balances.catch_up()?;
    let time = begun.elapsed().as_secs_f64();
    Ok((time, balances.view().by_account.values().sum()))
}

fn table(store: &SqliteStore) -> Result<(f64, u64), Box<dyn Error>> {
    let mut balances = SqliteProjection::from_scratch(store, Rows, |transaction| {
        transaction.execute_batch("DROP TABLE IF EXISTS balances")
    })?;
    let begun = Instant::now();
    balances.catch_up()?;
    let time = begun.elapsed().as_secs_f64();
    Ok((time, total(store)?))
}

/// A connection with the store's settings.
fn by_hand(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    connection.execute_batch(
        "CREATE TABLE checkpoint (position INTEGER NOT NULL); INSERT INTO checkpoint VALUES (0)",
    )?;
    Ok(connection)
}

/// The columns that a view needs to distinguish events.
const SCAN: &str = "SELECT position, key, name, payload, schema FROM factum_events
                    JOIN factum_streams ON factum_streams.id = stream WHERE position > ?1 ORDER BY position LIMIT ?2";

fn raw_memory(connection: &Connection) -> Result<(f64, u64), Box<dyn Error>> {
    let begun = Instant::now();
    let mut balances = HashMap::<String, u64>::new();
    let mut select = connection.prepare(SCAN)?;
    let mut rows = select.query((0, -1))?;
    while let Some(row) = rows.next()? {
        let event = event(row)?;
        let key = row.get_ref(1)?.as_str()?;
        match balances.get_mut(key) {
            Some(balance) => *balance += event.cents,
            None => drop(balances.insert(key.to_owned(), event.cents)),
        }
    }
    Ok((begun.elapsed().as_secs_f64(), balances.values().sum()))
}

fn raw_table(connection: &Connection) -> Result<(f64, u64), Box<dyn Error>> {
    connection.execute_batch("DROP TABLE IF EXISTS balances; UPDATE checkpoint SET position = 0")?;
    connection.execute_batch(TABLE)?;
    let begun = Instant::now();
    let mut select = connection.prepare(SCAN)?;
    let mut upsert = connection.prepare(UPSERT)?;
    let mut save = connection.prepare("UPDATE checkpoint SET position = ?1")?;
    let (mut position, mut seen) = (0, 1);
    while seen > 0 {
        seen = 0;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut rows = select.query((position, BATCH))?;
        while let Some(row) = rows.next()? {
            let event = event(row)?;
            upsert.execute(params![row.get_ref(1)?.as_str()?, event.cents.cast_signed()])?;
            position = row.get(0)?;
            seen += 1;
        }
        drop(rows);
        save.execute([position])?;
        connection.execute_batch("COMMIT")?;
    }
    let time = begun.elapsed().as_secs_f64();
    Ok((time, connection.query_row("SELECT sum(balance) FROM balances", (), |row| row.get(0))?))
}

fn event(row: &rusqlite::Row<'_>) -> Result<MoneyDeposited, Box<dyn Error>> {
    if row.get_ref(2)?.as_str()? != "money-deposited" || row.get::<_, i64>(4)? != 1 {
        return Err("another event".into());
    }
    Ok(serde_json::from_str(row.get_ref(3)?.as_str()?)?)
}
