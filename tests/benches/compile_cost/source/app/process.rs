//! The process of the application: it goes from aggregate to aggregate, and has a time-out.

use std::fmt::Write as _;

use super::SENT;
use crate::arms::Arm;
use crate::domain::{command, fields};
use crate::source::whole::value;

pub(super) fn process(arm: Arm, text: &mut String) {
    let [next, last] = SENT.map(|part| {
        let values = fields(part).map(|field| format!("{}: {}", field.name, value(field.ty, "crate")));
        format!("{} {{ id: id.clone(), {} }}", command(part), values.collect::<Vec<_>>().join(", "))
    });
    let body = if arm == Arm::Factum { FACTUM } else { HAND };
    let body = body.replace("NEXT", &next).replace("LAST", &last);
    let _ = write!(text, "{body}");
}

const FACTUM: &str = r"
#[derive(Debug, Serialize, Deserialize, Timeout)]
pub struct Overdue;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
#[process(
    id = Id,
    starts(PartSet000 by stream),
    events(PartSet020 by stream, PartSet040 by stream),
    from(Area000, Area001, Area002),
    commands(SetPart020, SetPart040 unrefused),
    timeouts(Overdue),
)]
pub struct Chain {
    seen: u64,
}

#[handlers]
impl Chain {
    #[apply]
    fn begun(&mut self, _: &PartSet000) {
        self.seen += 1;
    }

    #[react]
    fn begins(&self, _: &PartSet000, id: &Id) -> (SetPart020, After<Overdue>) {
        (NEXT, After(Overdue, Duration::from_mins(15)))
    }

    #[react]
    fn goes_on(&self, _: &PartSet020, id: &Id) -> SetPart040 {
        LAST
    }

    #[react]
    fn ends(&self, _: &PartSet040) -> (Cancel<Overdue>, Done) {
        (Cancel::default(), Done)
    }

    #[react]
    fn overdue(&self, _: &Overdue, id: &Id) -> SetPart040 {
        LAST
    }

    #[refused]
    fn not_set(&self, _: &SetPart020, _: &Refused, id: &Id) -> SetPart040 {
        LAST
    }
}

";

/// State, outbox and time-outs are tables of a view, so that they commit with its checkpoint.
const HAND: &str = r#"
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct State {
    seen: u64,
    done: bool,
}

pub struct Chain;

impl EventHandler for Chain {
    const NAME: &'static str = "chain";
    const EVENTS: &'static [EventKind] =
        &[EventKind::of::<PartSet000>(), EventKind::of::<PartSet020>(), EventKind::of::<PartSet040>()];
    const FROM: &'static [&'static str] = &["area000", "area001", "area002"];
    type Target = Sqlite;

    fn handle_stored(
        &mut self,
        name: &str,
        event: &StoredEvent<'_>,
        transaction: &Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        let (version, payload, envelope) = (event.event_version, event.payload, &event.envelope);
        match name {
            PartSet000::NAME => self.begins(&PartSet000::decode(version, payload)?, envelope, transaction),
            PartSet020::NAME => self.goes_on(&PartSet020::decode(version, payload)?, envelope, transaction),
            PartSet040::NAME => self.ends(&PartSet040::decode(version, payload)?, envelope, transaction),
            _ => Ok(()),
        }
        .map_err(HandlerError::Handler)
    }

    fn handle_typed(
        &mut self,
        event: &dyn Any,
        envelope: &Envelope<'_>,
        transaction: &Context<'_, Self>,
    ) -> Result<(), HandlerError> {
        if let Some(event) = event.downcast_ref::<PartSet000>() {
            return self.begins(event, envelope, transaction).map_err(HandlerError::Handler);
        }
        if let Some(event) = event.downcast_ref::<PartSet020>() {
            return self.goes_on(event, envelope, transaction).map_err(HandlerError::Handler);
        }
        if let Some(event) = event.downcast_ref::<PartSet040>() {
            return self.ends(event, envelope, transaction).map_err(HandlerError::Handler);
        }
        Ok(())
    }
}

impl Projection for Chain {
    const VERSION: u32 = 1;
    const INIT: &'static str = "
        CREATE TABLE chain_states (instance TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE chain_outbox (
            id INTEGER PRIMARY KEY, instance TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL
        );
        CREATE TABLE chain_timeouts (
            instance TEXT NOT NULL, name TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (instance, name)
        ) WITHOUT ROWID;
        CREATE INDEX chain_due ON chain_timeouts (due);";
}

impl Chain {
    fn begins(&self, _: &PartSet000, envelope: &Envelope<'_>, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let (instance, mut state) = load(envelope, transaction)?;
        state.seen += 1;
        let id = Id(instance.clone());
        let command = NEXT;
        send(transaction, &instance, &envelope.id.to_string(), SetPart020::NAME, &command)?;
        let due = envelope.recorded_at.as_micros() + 15 * 60 * 1_000_000;
        transaction
            .prepare_cached("REPLACE INTO chain_timeouts VALUES (?1, 'overdue', ?2)")?
            .execute((&instance, due))?;
        save(transaction, &instance, &state)
    }

    fn goes_on(&self, _: &PartSet020, envelope: &Envelope<'_>, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let (instance, state) = load(envelope, transaction)?;
        if state.done {
            return Ok(());
        }
        let id = Id(instance.clone());
        send(transaction, &instance, &envelope.id.to_string(), SetPart040::NAME, &LAST)
    }

    fn ends(&self, _: &PartSet040, envelope: &Envelope<'_>, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let (instance, mut state) = load(envelope, transaction)?;
        state.done = true;
        transaction.prepare_cached("DELETE FROM chain_timeouts WHERE instance = ?1")?.execute([&instance])?;
        save(transaction, &instance, &state)
    }
}

fn load(envelope: &Envelope<'_>, transaction: &Transaction<'_>) -> Result<(String, State), BoxError> {
    let instance = envelope.key.to_owned();
    let json: Option<String> = transaction
        .prepare_cached("SELECT state FROM chain_states WHERE instance = ?1")?
        .query_row([&instance], |row| row.get(0))
        .optional()?;
    let state = json.map(|json| serde_json::from_str(&json)).transpose()?;
    Ok((instance, state.unwrap_or_default()))
}

fn save(transaction: &Transaction<'_>, instance: &str, state: &State) -> Result<(), BoxError> {
    transaction
        .prepare_cached("REPLACE INTO chain_states VALUES (?1, ?2)")?
        .execute((instance, serde_json::to_string(state)?))?;
    Ok(())
}

fn send<C: Serialize>(
    transaction: &Connection,
    instance: &str,
    cause: &str,
    name: &str,
    command: &C,
) -> Result<(), BoxError> {
    transaction
        .prepare_cached("INSERT INTO chain_outbox (instance, key, name, json) VALUES (?1, ?2, ?3, ?4)")?
        .execute((instance, format!("chain/{instance}/{cause}/{name}"), name, serde_json::to_string(command)?))?;
    Ok(())
}

/// The thread that sends commands, and lets time-outs happen.
struct Sender {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sender {
    fn start(store: &SqliteStore, file: &Path) -> Result<Self, BoxError> {
        let mut connection = Connection::open(file)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        let (first, second) = (store.repository::<Area001>(), store.repository::<Area002>());
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let is_idle = match step(&mut connection, &first, &second) {
                    Ok(is_idle) => is_idle,
                    Err(error) => {
                        eprintln!("chain: {error}");
                        true
                    }
                };
                if is_idle {
                    thread::sleep(Duration::from_millis(50));
                }
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends the oldest command, or lets a time-out that is due happen; whether there was nothing to do.
fn step(
    connection: &mut Connection,
    first: &Repository<Area001, SqliteStore>,
    second: &Repository<Area002, SqliteStore>,
) -> Result<bool, BoxError> {
    let oldest: Option<(i64, String, String, String, String)> = connection
        .prepare_cached("SELECT id, instance, key, name, json FROM chain_outbox ORDER BY id LIMIT 1")?
        .query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    if let Some((number, instance, key, name, json)) = oldest {
        let options = ExecuteOptions::new().idempotency_key(&key);
        let is_refused = match name.as_str() {
            SetPart020::NAME => {
                let command: SetPart020 = serde_json::from_str(&json)?;
                refused(first.execute_with(Area001Command::from(command), &options))?
            }
            SetPart040::NAME => {
                let command: SetPart040 = serde_json::from_str(&json)?;
                refused(second.execute_with(Area002Command::from(command), &options))?
            }
            _ => return Err(format!("no command has the name `{name}`").into()),
        };
        let transaction = connection.transaction()?;
        if is_refused && name == SetPart020::NAME {
            let id = Id(instance.clone());
            send(&transaction, &instance, &key, SetPart040::NAME, &LAST)?;
        }
        transaction.prepare_cached("DELETE FROM chain_outbox WHERE id = ?1")?.execute([number])?;
        transaction.commit()?;
        return Ok(false);
    }
    let due: Option<String> = connection
        .prepare_cached("SELECT instance FROM chain_timeouts WHERE due <= ?1 ORDER BY due LIMIT 1")?
        .query_row([Timestamp::now().as_micros()], |row| row.get(0))
        .optional()?;
    let Some(instance) = due else { return Ok(true) };
    let transaction = connection.transaction()?;
    let id = Id(instance.clone());
    send(&transaction, &instance, "overdue", SetPart040::NAME, &LAST)?;
    transaction.prepare_cached("DELETE FROM chain_timeouts WHERE instance = ?1")?.execute([&instance])?;
    transaction.commit()?;
    Ok(false)
}

fn refused<A: Aggregate<Error = Refused>>(done: Result<Executed<A>, ExecuteError<Refused>>) -> Result<bool, BoxError> {
    match done {
        Ok(_) => Ok(false),
        Err(ExecuteError::Refused(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

"#;
