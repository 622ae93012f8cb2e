//! The upper limit: the same rows in the same tables, by hand, with no other work.
//!
//! Each statement is compiled once. A command finds the stream's version, writes its event as JSON, inserts
//! it and commits, which optimistic concurrency needs at least. A state is kept only where the work needs
//! one.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Condvar, Mutex};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use uuid::Uuid;

use crate::account::{MoneyDeposited, ids, reference};
use crate::{Job, bytes_per_event, median, rate};

/// factum's tables, as far as they hold events.
const TABLES: &str = "
CREATE TABLE factum_streams (
    id INTEGER PRIMARY KEY, category TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (category, key)
) STRICT;
CREATE TABLE factum_events (
    position INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL,
    schema INTEGER NOT NULL, id BLOB NOT NULL, recorded_at INTEGER NOT NULL, correlation BLOB, causation BLOB,
    custom TEXT, payload TEXT NOT NULL, UNIQUE (stream, version)
) STRICT;
CREATE TABLE balances (account TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE checkpoint (position INTEGER NOT NULL);
INSERT INTO checkpoint VALUES (0);
";

pub fn run(job: &Job) -> Result<Option<f64>, Box<dyn Error>> {
    let connection = open(job)?;
    connection.execute_batch(TABLES)?;
    Ok(Some(match job.work.as_str() {
        "fresh" => fresh(job, &connection)?,
        "one" => one(job, &connection)?,
        "threads32" => threads(job, connection)?,
        "load" => load(job, &connection)?,
        "size" => {
            fill(job, &connection)?;
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
            bytes_per_event(job)?
        }
        "catchup-memory" => {
            fill(job, &connection)?;
            in_memory(job, &connection)?
        }
        "catchup-view" => {
            fill(job, &connection)?;
            view(job, &connection)?
        }
        _ => return Ok(None),
    }))
}

fn open(job: &Job) -> rusqlite::Result<Connection> {
    let connection = Connection::open(job.file())?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", if job.full { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(connection)
}

/// The statements of a command, compiled once.
struct Writer<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    find: Statement<'c>,
    register: Statement<'c>,
    insert: Statement<'c>,
}

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            find: connection.prepare(
                "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id)
                 FROM factum_streams WHERE category = 'bank-account' AND key = ?1",
            )?,
            register: connection
                .prepare("INSERT INTO factum_streams (category, key) VALUES ('bank-account', ?1)")?,
            insert: connection.prepare(
                "INSERT INTO factum_events (stream, version, name, schema, id, recorded_at, payload)
                 VALUES (?1, ?2, 'money-deposited', 1, ?3, ?4, ?5)",
            )?,
        })
    }

    fn transaction<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, Box<dyn Error>>,
    ) -> Result<T, Box<dyn Error>> {
        self.begin.execute(())?;
        let result = write(self)?;
        self.commit.execute(())?;
        Ok(result)
    }

    fn append(&mut self, account: &str, payload: &str) -> Result<(), Box<dyn Error>> {
        let found = self
            .find
            .query_row([account], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        let (stream, version) = match found {
            Some(found) => found,
            None => (self.register.insert([account])?, 0),
        };
        let id = Uuid::now_v7();
        let micros = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_micros())?;
        self.insert.execute(params![stream, version + 1, id.as_bytes(), micros, payload])?;
        Ok(())
    }
}

fn payload() -> Result<String, serde_json::Error> {
    serde_json::to_string(&MoneyDeposited::new(1, reference()))
}

fn count(connection: &Connection) -> rusqlite::Result<usize> {
    connection.query_row("SELECT count(*) FROM factum_events", (), |row| row.get(0))
}

fn fresh(job: &Job, connection: &Connection) -> Result<f64, Box<dyn Error>> {
    let ids = ids(job.count);
    let mut writer = Writer::new(connection)?;
    let start = Instant::now();
    for id in &ids {
        writer.transaction(|writer| writer.append(id, &payload()?))?;
    }
    let time = start.elapsed();
    assert_eq!(count(connection)?, job.count);
    Ok(rate(job.count, time))
}

fn one(job: &Job, connection: &Connection) -> Result<f64, Box<dyn Error>> {
    let [id] = &ids(1)[..] else { unreachable!("one id") };
    let mut writer = Writer::new(connection)?;
    let start = Instant::now();
    for _ in 0..job.count {
        writer.transaction(|writer| writer.append(id, &payload()?))?;
    }
    let time = start.elapsed();
    assert_eq!(count(connection)?, job.count);
    Ok(rate(job.count, time))
}

/// The least group commit. A thread that finds no writer takes all waiting appends, commits them, and hands
/// over to a thread that arrived during the commit.
struct Group<'j> {
    queue: Mutex<Queue<'j>>,
    turns: Vec<Condvar>,
}

struct Queue<'j> {
    connection: Option<Connection>,
    waiting: Vec<(usize, &'j str, String)>,
    done: Vec<bool>,
}

fn threads(job: &Job, connection: Connection) -> Result<f64, Box<dyn Error>> {
    const THREADS: usize = 32;
    let ids = ids(job.count);
    let queue = Queue { connection: Some(connection), waiting: Vec::new(), done: vec![false; THREADS] };
    let group = Group { queue: Mutex::new(queue), turns: (0..THREADS).map(|_| Condvar::new()).collect() };
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (thread, ids) in ids.chunks(job.count.div_ceil(THREADS)).enumerate() {
            let group = &group;
            scope.spawn(move || {
                for id in ids {
                    group.append(thread, id).unwrap();
                }
            });
        }
    });
    let time = start.elapsed();
    let queue = group.queue.into_inner().unwrap();
    assert_eq!(count(&queue.connection.ok_or("a thread still has the connection")?)?, job.count);
    Ok(rate(job.count, time))
}

impl<'j> Group<'j> {
    fn append(&self, thread: usize, id: &'j str) -> Result<(), Box<dyn Error>> {
        let payload = payload()?;
        let mut queue = self.queue.lock().unwrap();
        queue.done[thread] = false;
        queue.waiting.push((thread, id, payload));
        while queue.connection.is_none() && !queue.done[thread] {
            queue = self.turns[thread].wait(queue).unwrap();
        }
        if queue.done[thread] {
            return Ok(());
        }
        let connection = queue.connection.take().ok_or("waited for")?;
        let batch = std::mem::take(&mut queue.waiting);
        drop(queue);
        group_commit(&connection, &batch)?;
        let mut queue = self.queue.lock().unwrap();
        queue.connection = Some(connection);
        let next = queue.waiting.first().map(|(next, ..)| *next);
        for (thread, ..) in &batch {
            queue.done[*thread] = true;
        }
        drop(queue);
        // The next leader first: its commit begins while the others wake up.
        for thread in next.into_iter().chain(batch.iter().map(|(thread, ..)| *thread)) {
            self.turns[thread].notify_one();
        }
        Ok(())
    }
}

/// Statements cannot outlive the borrow of the connection, so they come from its cache.
fn group_commit(connection: &Connection, batch: &[(usize, &str, String)]) -> Result<(), Box<dyn Error>> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute(())?;
    {
        let mut find = connection.prepare_cached(
            "SELECT id, (SELECT max(version) FROM factum_events WHERE stream = factum_streams.id)
             FROM factum_streams WHERE category = 'bank-account' AND key = ?1",
        )?;
        let mut register = connection
            .prepare_cached("INSERT INTO factum_streams (category, key) VALUES ('bank-account', ?1)")?;
        let mut insert = connection.prepare_cached(
            "INSERT INTO factum_events (stream, version, name, schema, id, recorded_at, payload)
             VALUES (?1, ?2, 'money-deposited', 1, ?3, ?4, ?5)",
        )?;
        for (_, id, payload) in batch {
            let found =
                find.query_row([id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional()?;
            let (stream, version) = match found {
                Some(found) => found,
                None => (register.insert([id])?, 0),
            };
            let micros = i64::try_from(std::time::UNIX_EPOCH.elapsed()?.as_micros())?;
            insert.execute(params![stream, version + 1, Uuid::now_v7().as_bytes(), micros, payload])?;
        }
    }
    connection.prepare_cached("COMMIT")?.execute(())?;
    Ok(())
}

fn prepare(writer: &mut Writer<'_>, id: &str, count: usize) -> Result<(), Box<dyn Error>> {
    for first in (0..count).step_by(500) {
        writer.transaction(|writer| {
            (first..count.min(first + 500)).try_for_each(|_| writer.append(id, &payload()?))
        })?;
    }
    Ok(())
}

fn load(job: &Job, connection: &Connection) -> Result<f64, Box<dyn Error>> {
    let [id] = &ids(1)[..] else { unreachable!("one id") };
    prepare(&mut Writer::new(connection)?, id, job.count)?;
    // A connection of its own, like a reader's, whose cache has no pages yet.
    let reader = open(job)?;
    let mut select = reader.prepare(
        "SELECT version, name, schema, payload FROM factum_events
         WHERE stream = (SELECT id FROM factum_streams WHERE category = 'bank-account' AND key = ?1)
         AND version > ?2 ORDER BY version",
    )?;
    let time = median(|| {
        let (mut balance, mut deposits) = (0, 0);
        let mut rows = select.query(params![id, 0])?;
        while let Some(row) = rows.next()? {
            if row.get_ref(1)?.as_str()? == "money-deposited" && row.get::<_, i64>(2)? == 1 {
                let event: MoneyDeposited = serde_json::from_str(row.get_ref(3)?.as_str()?)?;
                balance += event.amount;
                deposits = row.get::<_, i64>(0)?;
            }
        }
        assert_eq!((balance, deposits), (job.count as u64, i64::try_from(job.count)?));
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(rate(job.count, time))
}

fn fill(job: &Job, connection: &Connection) -> Result<(), Box<dyn Error>> {
    let mut writer = Writer::new(connection)?;
    ids(job.count / 100).iter().try_for_each(|id| prepare(&mut writer, id, 100))
}

/// A scan of all events, with the columns that a view needs to distinguish events.
const SCAN: &str = "SELECT position, key, name, payload, schema FROM factum_events
                    JOIN factum_streams ON factum_streams.id = stream WHERE position > ?1 ORDER BY position LIMIT ?2";

fn in_memory(job: &Job, connection: &Connection) -> Result<f64, Box<dyn Error>> {
    let mut select = connection.prepare(SCAN)?;
    let time = median(|| {
        let mut balances = HashMap::<String, u64>::new();
        let mut rows = select.query((0, -1))?;
        while let Some(row) = rows.next()? {
            if row.get_ref(2)?.as_str()? != "money-deposited" || row.get::<_, i64>(4)? != 1 {
                return Err("another event".into());
            }
            let event: MoneyDeposited = serde_json::from_str(row.get_ref(3)?.as_str()?)?;
            let key = row.get_ref(1)?.as_str()?;
            match balances.get_mut(key) {
                Some(balance) => *balance += event.amount,
                None => drop(balances.insert(key.to_owned(), event.amount)),
            }
        }
        assert_eq!(balances.values().sum::<u64>(), job.count as u64);
        Ok::<_, Box<dyn Error>>(())
    })?;
    Ok(rate(job.count, time))
}

fn view(job: &Job, connection: &Connection) -> Result<f64, Box<dyn Error>> {
    let mut select = connection.prepare(SCAN)?;
    let mut upsert = connection.prepare(
        "INSERT INTO balances VALUES (?1, ?2) ON CONFLICT DO UPDATE SET balance = balance + excluded.balance",
    )?;
    let mut save = connection.prepare("UPDATE checkpoint SET position = ?1")?;
    let (mut position, mut seen) = (0, 1);
    let start = Instant::now();
    while seen > 0 {
        seen = 0;
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut rows = select.query((position, 1_000))?;
        while let Some(row) = rows.next()? {
            if row.get_ref(2)?.as_str()? != "money-deposited" || row.get::<_, i64>(4)? != 1 {
                return Err("another event".into());
            }
            let event: MoneyDeposited = serde_json::from_str(row.get_ref(3)?.as_str()?)?;
            upsert.execute((row.get_ref(1)?.as_str()?, event.amount.cast_signed()))?;
            position = row.get::<_, i64>(0)?;
            seen += 1;
        }
        drop(rows);
        save.execute([position])?;
        connection.execute_batch("COMMIT")?;
    }
    let time = start.elapsed();
    let total: i64 = connection.query_row("SELECT sum(balance) FROM balances", (), |row| row.get(0))?;
    assert_eq!(total, i64::try_from(job.count)?);
    Ok(rate(job.count, time))
}
