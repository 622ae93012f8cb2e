//! Steps of a process beside the same by hand in rusqlite: event in, state, one command out, delivered.
//!
//! `cargo bench -p factum-tests --bench process_steps [-- --quick] [-- full | normal]`; `-- factum` or `-- hand` runs one way alone,
//! for a profiler.
//!
//! By hand, a step is two transactions: one with the state, the command and the checkpoint; one that delivers the command, with
//! its idempotency key and its event, and removes it. It has what a careful author writes for one worker: a history of what was
//! received and sent, a look for a time-out that is due before the event, and a mark on instances that are held. It has no leases.
//!
//! Then: what a look for something to do costs with 10,000 instances whose time-outs are set, and with none.

#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/report.rs"]
mod report;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use factum::follow::CommandRoutes;
use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use factum::store::{Append, ExpectedVersion, NewEvent};
use factum::{Metadata, StreamName, Uuid};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};

use self::median::median;
use self::report::print_ratio;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Asked {
    question: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Answered {
    answer: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Ask {
    #[command(id)]
    id: u64,
    question: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, Command)]
struct Answer {
    #[command(id)]
    id: u64,
    answer: u64,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u64, commands(Ask), events(Asked))]
struct Question;

#[handlers]
impl Question {
    #[execute]
    fn ask(&self, command: Ask) -> Asked {
        Asked { question: command.question }
    }
    #[apply]
    fn asked(&mut self, _: &Asked) {}
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u64, commands(Answer), events(Answered))]
struct Reply {
    answers: u64,
}

#[handlers]
impl Reply {
    #[execute]
    fn answer(&self, command: Answer) -> Answered {
        Answered { answer: command.answer }
    }
    #[apply]
    fn answered(&mut self, _: &Answered) {
        self.answers += 1;
    }
}

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = u64, starts(Asked by stream), from(Question), commands(Answer))]
struct Answering {
    asked: u64,
    last: u64,
}

#[handlers]
impl Answering {
    #[apply]
    fn count(&mut self, event: &Asked) {
        (self.asked, self.last) = (self.asked + 1, event.question);
    }
    #[react]
    fn asked(&self, event: &Asked, id: &u64) -> Answer {
        Answer { id: *id, answer: event.question * 2 }
    }
}

#[derive(Debug, Serialize, Deserialize, Timeout)]
struct Late;

/// Only waits.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(id = u64, starts(Asked by stream), from(Question), commands(Answer), timeouts(Late))]
struct Waiting;

#[handlers]
impl Waiting {
    #[react]
    fn asked(&self, _: &Asked) -> After<Late> {
        After(Late, Duration::from_hours(24))
    }
    #[react]
    fn late(&self, _: &Late) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_bench = has("--bench") && !has("--quick");
    let (rounds, steps, waiting) = if is_bench { (5, 2_000, 10_000) } else { (1, 20, 20) };
    if has("factum") || has("hand") {
        return one(has("factum"), steps);
    }
    let both = !has("full") && !has("normal");
    for (name, durability) in [("full", Durability::Full), ("normal", Durability::Normal)] {
        if both || has(name) {
            compare(name, durability, rounds, steps)?;
        }
    }
    looks(rounds, waiting)
}

/// One way alone, for a profiler.
fn one(is_factum: bool, steps: u64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let with = if is_factum { with_factum } else { with_rusqlite };
    println!("{:.0} steps a second", with(&folder.path().join("steps.db"), Durability::Normal, steps)?);
    Ok(())
}

fn compare(name: &str, durability: Durability, rounds: usize, steps: u64) -> Result<(), Box<dyn Error>> {
    println!("| {name} | steps a second, factum | by hand |");
    println!("|---|---|---|");
    let mut ratios = Vec::new();
    for round in 0..rounds {
        let folder = tempfile::tempdir()?;
        // In turns: what disturbs the machine disturbs both.
        let (factum, by_hand) = if round % 2 == 0 {
            let factum = with_factum(&folder.path().join("factum.db"), durability, steps)?;
            (factum, with_rusqlite(&folder.path().join("hand.db"), durability, steps)?)
        } else {
            let by_hand = with_rusqlite(&folder.path().join("hand.db"), durability, steps)?;
            (with_factum(&folder.path().join("factum.db"), durability, steps)?, by_hand)
        };
        println!("| round {round} | {factum:.0} | {by_hand:.0} |");
        ratios.push(factum / by_hand);
    }
    print_ratio(&format!("process step, {name}, of rusqlite by hand"), median(ratios), ">=", 0.8);
    Ok(())
}

/// Appends a question to each of so many streams.
fn ask(store: &SqliteStore, questions: u64) -> Result<(), Box<dyn Error>> {
    let metadata = Metadata::default();
    for id in 0..questions {
        let stream = StreamName::new("question", &id.to_string());
        let payload = format!("{{\"question\":{id}}}");
        let event = NewEvent::new("asked", 1, &payload, Uuid::now_v7(), Timestamp::now(), &metadata);
        store.append(&[Append::new(&stream, ExpectedVersion::Any, &[event])])?;
    }
    Ok(())
}

fn with_factum(file: &Path, durability: Durability, steps: u64) -> Result<f64, Box<dyn Error>> {
    ask(&SqliteOptions::new().durability(Durability::Normal).open(file)?, steps)?;
    let store = SqliteOptions::new().durability(durability).open(file)?;
    let replies = store.repository::<Reply>();
    let commands = CommandRoutes::new().to(replies.clone()).shared();
    let mut process = SqliteProcess::new(&store, Answering::default(), commands)?;
    let begun = Instant::now();
    process.catch_up()?;
    let rate = rate(steps, begun);
    assert_eq!(store.position()?.get(), 2 * steps);
    Ok(rate)
}

fn rate(steps: u64, begun: Instant) -> f64 {
    Duration::from_secs(steps).as_secs_f64() / begun.elapsed().as_secs_f64()
}

#[derive(Default, Serialize, Deserialize)]
struct State {
    asked: u64,
    last: u64,
}

fn with_rusqlite(file: &Path, durability: Durability, steps: u64) -> Result<f64, Box<dyn Error>> {
    let mut connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(
        "CREATE TABLE events (position INTEGER PRIMARY KEY, stream TEXT, version INTEGER, name TEXT, id BLOB,
            recorded_at INTEGER, cause BLOB, payload TEXT, UNIQUE (stream, version));
         CREATE TABLE keys (stream TEXT, key TEXT, PRIMARY KEY (stream, key)) WITHOUT ROWID;
         CREATE TABLE states (instance TEXT PRIMARY KEY, state TEXT, held INTEGER) WITHOUT ROWID;
         CREATE TABLE history (id INTEGER PRIMARY KEY, instance TEXT, kind INTEGER, name TEXT, at INTEGER, cause BLOB, detail TEXT);
         CREATE INDEX history_of ON history (instance);
         CREATE TABLE timeouts (instance TEXT, name TEXT, due INTEGER, payload TEXT, PRIMARY KEY (instance, name)) WITHOUT ROWID;
         CREATE INDEX timeouts_due ON timeouts (due);
         CREATE TABLE outbox (id INTEGER PRIMARY KEY, instance TEXT, key TEXT, name TEXT, cause BLOB, payload TEXT);
         CREATE TABLE checkpoint (position INTEGER);
         INSERT INTO checkpoint VALUES (0);",
    )?;
    for id in 0..steps {
        connection
            .prepare_cached(
                "INSERT INTO events (stream, version, name, id, recorded_at, payload) VALUES (?1, 1, 'asked', ?2, ?3, ?4)",
            )?
            .execute((
                format!("question/{id}"),
                Uuid::now_v7().as_bytes(),
                Timestamp::now().as_micros(),
                format!("{{\"question\":{id}}}"),
            ))?;
    }
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let begun = Instant::now();
    for _ in 0..steps {
        step_by_hand(&mut connection)?;
        deliver_by_hand(&mut connection)?;
    }
    Ok(rate(steps, begun))
}

fn step_by_hand(connection: &mut Connection) -> Result<(), Box<dyn Error>> {
    let transaction = connection.transaction()?;
    let (position, stream, id, payload, recorded_at): (i64, String, [u8; 16], String, i64) = transaction
        .prepare_cached(
            "SELECT position, stream, id, payload, recorded_at FROM events
             WHERE position > (SELECT position FROM checkpoint) AND name = 'asked' ORDER BY position LIMIT 1",
        )?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let due: Option<i64> = transaction
        .prepare_cached("SELECT due FROM timeouts WHERE due <= ?1 ORDER BY due LIMIT 1")?
        .query_row([recorded_at], |row| row.get(0))
        .optional()?;
    assert_eq!(due, None);
    let event: Asked = serde_json::from_str(&payload)?;
    let instance = stream.split_once('/').map(|(_, key)| key).unwrap_or_default();
    let state: Option<(String, bool)> = transaction
        .prepare_cached("SELECT state, held FROM states WHERE instance = ?1")?
        .query_row([instance], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let mut state: State = match state {
        Some((_, true)) => return Err("the instance is held".into()),
        Some((json, false)) => serde_json::from_str(&json)?,
        None => State::default(),
    };
    (state.asked, state.last) = (state.asked + 1, event.question);
    let command = Answer { id: instance.parse()?, answer: event.question * 2 };
    transaction
        .prepare_cached("REPLACE INTO states VALUES (?1, ?2, 0)")?
        .execute((instance, serde_json::to_string(&state)?))?;
    transaction
        .prepare_cached(
            "INSERT INTO outbox (instance, key, name, cause, payload) VALUES (?1, ?2, 'answer', ?3, ?4)",
        )?
        .execute((
            instance,
            format!("answering/{instance}/{}/0", Uuid::from_bytes(id)),
            id,
            serde_json::to_string(&command)?,
        ))?;
    record(&transaction, (instance, 1, "asked"), &id, None)?;
    transaction.prepare_cached("UPDATE checkpoint SET position = ?1")?.execute([position])?;
    Ok(transaction.commit()?)
}

/// Adds to the history of an instance.
fn record(
    transaction: &rusqlite::Transaction<'_>,
    (instance, kind, name): (&str, u32, &str),
    cause: &[u8],
    detail: Option<&str>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO history (instance, kind, name, at, cause, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((instance, kind, name, Timestamp::now().as_micros(), cause, detail))
        .map(drop)
}

fn deliver_by_hand(connection: &mut Connection) -> Result<(), Box<dyn Error>> {
    let transaction = connection.transaction()?;
    let (number, key, cause, payload, instance): (i64, String, [u8; 16], String, String) = transaction
        .prepare_cached("SELECT id, key, cause, payload, instance FROM outbox ORDER BY id LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let command: Answer = serde_json::from_str(&payload)?;
    let stream = format!("reply/{}", command.id);
    let known: Option<i64> = transaction
        .prepare_cached("SELECT 1 FROM keys WHERE stream = ?1 AND key = ?2")?
        .query_row((&stream, &key), |row| row.get(0))
        .optional()?;
    if known.is_none() {
        // The state of the aggregate that decides: its events.
        let answers: u64 = transaction
            .prepare_cached("SELECT count(*) FROM events WHERE stream = ?1")?
            .query_row([&stream], |row| row.get(0))?;
        let event = Answered { answer: command.answer };
        transaction
            .prepare_cached(
                "INSERT INTO events (stream, version, name, id, recorded_at, cause, payload)
                 VALUES (?1, ?2, 'answered', ?3, ?4, ?5, ?6)",
            )?
            .execute((
                &stream,
                answers + 1,
                Uuid::now_v7().as_bytes(),
                Timestamp::now().as_micros(),
                cause,
                serde_json::to_string(&event)?,
            ))?;
        transaction.prepare_cached("INSERT INTO keys VALUES (?1, ?2)")?.execute((&stream, &key))?;
    }
    record(&transaction, (&instance, 3, "answer"), &cause, Some(&key))?;
    transaction.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([number])?;
    Ok(transaction.commit()?)
}

/// A catch-up that finds nothing, with so many time-outs pending and with none.
fn looks(rounds: usize, waiting: u64) -> Result<(), Box<dyn Error>> {
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        let look = |file: &str, waiting: u64| -> Result<f64, Box<dyn Error>> {
            let store = SqliteOptions::new().durability(Durability::Normal).open(folder.path().join(file))?;
            ask(&store, waiting)?;
            let commands = CommandRoutes::new().to(store.repository::<Reply>());
            let mut process = SqliteProcess::new(&store, Waiting, Arc::new(commands))?;
            process.catch_up()?;
            let mut looks = Vec::new();
            for _ in 0..200 {
                let begun = Instant::now();
                process.catch_up()?;
                looks.push(begun.elapsed().as_secs_f64());
            }
            Ok(median(looks))
        };
        let (none, many) = (look("none.db", 1)?, look("many.db", waiting)?);
        println!("a look with 1 time-out set: {:.0} us; with {waiting}: {:.0} us", none * 1e6, many * 1e6);
        ratios.push(many / none);
    }
    print_ratio("look with many time-outs, of one with none", median(ratios), "<=", 1.5);
    Ok(())
}
