//! Commands of many threads to a few aggregates: they take turns, and each answer is true.
//!
//! For minutes instead of a second: `FACTUM_SOAK=120 cargo test --release -p factum-tests --test suite execute::turns`

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use factum::StreamName;
use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use factum::store::{AppendError, StoreError};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::support::account::{Account, deposit, id, open};
use crate::support::stores::stores;

/// No command fails because of another one of its process, without any retry.
#[test]
fn commands_of_one_process_do_not_conflict() {
    const THREADS: u64 = 32;
    const EACH: u64 = 10;
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let mut versions = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        let done = (0..EACH).map(|_| accounts.execute(deposit("alice", 1)).unwrap());
                        done.map(|done| {
                            assert_eq!(done.version(), 1 + done.state().cents.unsigned_abs());
                            done.version()
                        })
                        .collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        versions.sort_unstable();
        assert_eq!(versions, (2..2 + THREADS * EACH).collect::<Vec<_>>());
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents.unsigned_abs(), THREADS * EACH);
    }
}

/// Nor does a batch.
#[test]
fn batches_of_one_process_do_not_conflict() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for round in 0..10 {
                        if round % 2 == 0 {
                            accounts
                                .execute_batch(&id("alice"), [1, 2].map(|cents| deposit("alice", cents)))
                                .unwrap();
                        } else {
                            accounts.execute(deposit("alice", 3)).unwrap();
                        }
                    }
                });
            }
        });
        let alice = accounts.load(&id("alice")).unwrap();
        assert_eq!((alice.version(), alice.state().cents), (1 + 8 * 15, 8 * 30));
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Moved {
    id: u64,
    cents: i64,
    /// The trigger of [`file_with_faults`] refuses the event.
    poison: bool,
}

/// What a handler does besides to decide.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
enum Manner {
    Plain,
    Poison,
    Panic,
    Block,
    /// It commands its own aggregate.
    Reenter,
}

#[derive(Debug, Clone, Serialize, Command)]
struct Move {
    #[command(id)]
    ledger: String,
    id: u64,
    cents: i64,
    manner: Manner,
}

/// A command that can't be copied.
#[derive(Debug, Command)]
struct MoveOnce(#[command(id)] String, u64);

/// The state that a refusal was decided on.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{balance} are too few, at version {version}")]
struct TooFew {
    version: u64,
    hash: u64,
    balance: i64,
}

type Ledgers = Repository<Ledger, SqliteStore>;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String, error = TooFew, services = Arc<OnceLock<Ledgers>>, commands(Move, MoveOnce), events(Moved)
)]
struct Ledger {
    version: u64,
    /// Over all events, in order.
    hash: u64,
    balance: i64,
}

#[handlers]
impl Ledger {
    #[execute]
    fn change(&self, command: Move, ledgers: &Arc<OnceLock<Ledgers>>) -> Result<Moved, TooFew> {
        match command.manner {
            Manner::Plain | Manner::Poison => {}
            Manner::Panic => panic!("injected: a handler"),
            Manner::Block => thread::sleep(Duration::from_millis(command.id % 24)),
            Manner::Reenter => {
                let inner =
                    Move { id: command.id | REENTERED, cents: 1, manner: Manner::Plain, ..command.clone() };
                // May be a conflict, never a hang.
                let _ = ledgers.get().expect("the repository is there").execute(inner);
            }
        }
        let Self { version, hash, balance } = *self;
        if balance + command.cents < 0 {
            return Err(TooFew { version, hash, balance });
        }
        Ok(Moved { id: command.id, cents: command.cents, poison: command.manner == Manner::Poison })
    }

    #[execute]
    fn change_once(&self, command: MoveOnce) -> Moved {
        Moved { id: command.1, cents: 1, poison: false }
    }

    #[apply]
    fn moved(&mut self, event: &Moved) {
        self.version += 1;
        self.hash = (self.hash ^ event.id).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        self.balance += event.cents;
    }
}

const REENTERED: u64 = 1 << 40;
const FOREIGN: u64 = 1 << 41;
const LEDGERS: [&str; 2] = ["a", "b"];

/// A store in which the disk seems to fail at poisoned events.
fn file_with_faults(folder: &TempDir) -> SqliteStore {
    let file = folder.path().join("ledgers.db");
    let store = SqliteOptions::new().durability(Durability::Normal).open(&file).unwrap();
    let trigger =
        "CREATE TRIGGER poison BEFORE INSERT ON factum_events WHEN NEW.payload LIKE '%\"poison\":true%'
                   BEGIN SELECT RAISE(ABORT, 'injected: poison'); END";
    Connection::open(&file).unwrap().execute_batch(trigger).unwrap();
    store
}

/// What a caller was told.
#[derive(Debug)]
struct Told {
    ledger: usize,
    id: u64,
    /// The newest version of the ledger that anybody had been told of before this command began.
    known_before: u64,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Accepted {
        version: u64,
        hash: u64,
    },
    Repeated {
        version: u64,
    },
    Refused(TooFew),
    /// What a load has found.
    Loaded {
        version: u64,
        hash: u64,
    },
    Nothing,
}

fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn soak() -> Duration {
    let seconds = std::env::var("FACTUM_SOAK").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// Failures of appends, foreign writers, panics, and handlers that block or command their own aggregate.
#[test]
fn each_answer_is_true_whatever_fails() {
    const THREADS: u64 = 12;
    let folder = TempDir::new().unwrap();
    let store = file_with_faults(&folder);
    let services = Arc::new(OnceLock::new());
    let ledgers: Ledgers = store.repository_with(Arc::clone(&services));
    assert!(services.set(ledgers.clone()).is_ok());
    let known = [AtomicU64::new(0), AtomicU64::new(0)];
    let told = Mutex::new(Vec::new());
    let until = Instant::now() + soak();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.to_string().contains("injected") {
            hook(info);
        }
    }));
    thread::scope(|scope| {
        let (ledgers, known, told) = (&ledgers, &known, &told);
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut seed = 0x9e37_79b9_7f4a_7c15 ^ (thread + 1);
                let mut number = 0;
                while Instant::now() < until {
                    number += 1;
                    let ledger = usize::from(random(&mut seed).is_multiple_of(4));
                    let known_before = known[ledger].load(Ordering::SeqCst);
                    let (id, answer) = one_command(ledgers, thread, number, ledger, &mut seed);
                    if let Answer::Accepted { version, .. } | Answer::Repeated { version } = answer {
                        known[ledger].fetch_max(version, Ordering::SeqCst);
                    }
                    if let Answer::Refused(refused) = answer {
                        known[ledger].fetch_max(refused.version, Ordering::SeqCst);
                    }
                    told.lock().unwrap().push(Told { ledger, id, known_before, answer });
                }
            });
        }
        // Another program, which appends in between.
        scope.spawn(|| {
            let file = folder.path().join("ledgers.db");
            let other = SqliteOptions::new().durability(Durability::Normal).open(file).unwrap();
            let others: Ledgers = other.repository_with(Arc::default());
            let mut id = FOREIGN;
            while Instant::now() < until {
                id += 1;
                let ledger = LEDGERS[usize::from(id.is_multiple_of(3))].to_owned();
                let _ = others.execute(Move { ledger, id, cents: 3, manner: Manner::Plain });
                let _ = keyed(&others);
                thread::sleep(Duration::from_millis(3));
            }
        });
    });
    drop(std::panic::take_hook());
    check(&ledgers, &told.into_inner().unwrap());
}

/// Sends one command in one of many ways, and returns its id and what the caller is told.
fn one_command(ledgers: &Ledgers, thread: u64, number: u64, ledger: usize, seed: &mut u64) -> (u64, Answer) {
    let id = thread << 20 | number;
    let name = || LEDGERS[ledger].to_owned();
    let manner = match random(seed) % 100 {
        0..10 => Manner::Poison,
        10..12 => Manner::Panic,
        12..13 => Manner::Block,
        13..14 => Manner::Reenter,
        _ => Manner::Plain,
    };
    // More is taken than given, so that about every second command is refused.
    let cents = (random(seed) % 60).cast_signed() - 36;
    let command = Move { ledger: name(), id, cents, manner };
    let result = match random(seed) % 20 {
        // Two threads may send the same command with the same key, at about the same time.
        0..3 if ledger == 0 => return keyed(ledgers),
        3 => return (id, answer(ledgers.execute(MoveOnce(name(), id)))),
        4 => {
            return match ledgers.load(&name()) {
                Ok(found) => (id, Answer::Loaded { version: found.version(), hash: found.state().hash }),
                Err(_) => (id, Answer::Nothing),
            };
        }
        5 => {
            // The other ledger gets what this one loses.
            let id = id | 1 << 38;
            let moved = ledgers.store().atomically(0, |unit| {
                unit.execute(ledgers, Move { cents: -2, id, manner: Manner::Plain, ledger: name() })?;
                let other = LEDGERS[1 - ledger].to_owned();
                unit.execute(ledgers, Move { cents: 2, id, manner: Manner::Plain, ledger: other })?;
                Ok::<_, ExecuteError<TooFew>>(())
            });
            return match moved {
                Ok(()) => (id, Answer::Nothing),
                Err(error) => (id, answer(Err(error))),
            };
        }
        6 => {
            let batch = (0..3).map(|index| Move { cents: 1, id: id | index << 50, ..command.clone() });
            catch_unwind(AssertUnwindSafe(|| ledgers.execute_batch(&name(), batch)))
                .map(|done| done.map_err(|error| error.source))
        }
        _ => catch_unwind(AssertUnwindSafe(|| ledgers.execute(command))),
    };
    match result {
        Ok(result) => (id, answer(result)),
        Err(_) => (id, Answer::Nothing),
    }
}

/// Sends a command with a key that the next callers use as well, also in the other program.
fn keyed(ledgers: &Ledgers) -> (u64, Answer) {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let id = (1 << 39) | (CALLS.fetch_add(1, Ordering::Relaxed) / 4);
    let cents = if id.is_multiple_of(2) { -30 } else { 2 };
    let command = Move { id, manner: Manner::Plain, ledger: LEDGERS[0].to_owned(), cents };
    let options = ExecuteOptions::new().idempotency_key(format!("key-{id}"));
    (id, answer(ledgers.execute_with(command, &options)))
}

fn answer(result: Result<factum::Executed<Ledger>, ExecuteError<TooFew>>) -> Answer {
    match result {
        Ok(done) if done.is_repeated() => Answer::Repeated { version: done.version() },
        Ok(done) => Answer::Accepted { version: done.version(), hash: done.state().hash },
        Err(ExecuteError::Refused(refused)) => Answer::Refused(refused),
        Err(ExecuteError::Conflict(_)) => Answer::Nothing,
        Err(ExecuteError::Append(AppendError::Store { source: StoreError::Other(source), .. })) => {
            assert!(source.to_string().contains("injected"), "{source}");
            Answer::Nothing
        }
        Err(other) => panic!("{}", factum::with_causes(&other)),
    }
}

/// Compares what callers were told with what is stored.
fn check(ledgers: &Ledgers, told: &[Told]) {
    let mut sums = [0, 0];
    let mut transfers = HashMap::<u64, usize>::new();
    for (ledger, name) in LEDGERS.iter().enumerate() {
        let mut states = vec![Ledger::default()];
        let mut places = HashMap::new();
        let history = ledgers.history(&(*name).to_owned()).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        for recorded in history {
            let mut state = states.last().unwrap().clone();
            let LedgerEvent::Moved(event) = &recorded.event;
            state.moved(event);
            assert!(!event.poison);
            if event.id & 1 << 38 != 0 {
                *transfers.entry(event.id).or_default() += 1;
            }
            assert!(state.balance >= 0, "{recorded:?} was decided on a state that never was");
            let place = places.insert(event.id, recorded.version);
            // The handler of a command that is decided again sends its own command again.
            assert!(place.is_none() || event.id & REENTERED != 0, "{} happened twice", event.id);
            states.push(state);
        }
        sums[ledger] = states.last().unwrap().balance;
        let now = ledgers.load(&(*name).to_owned()).unwrap();
        assert_eq!(now.state().hash, states.last().unwrap().hash, "the cache is not the file");
        let state = |version: u64| &states[usize::try_from(version).unwrap()];
        for told in told.iter().filter(|told| told.ledger == ledger) {
            match told.answer {
                Answer::Accepted { version, hash } => {
                    assert_eq!(state(version).hash, hash, "{told:?}");
                    assert!(places.get(&told.id).is_some_and(|place| *place <= version), "{told:?}");
                }
                Answer::Repeated { version } => assert_eq!(places.get(&told.id), Some(&version), "{told:?}"),
                Answer::Refused(TooFew { version, hash, balance }) => {
                    let actual = state(version);
                    assert_eq!((actual.hash, actual.balance), (hash, balance), "{told:?}");
                    assert!(version >= told.known_before, "refused on a state of the past: {told:?}");
                    // A command with a key may be sent again, and accepted then.
                    assert!(places.get(&told.id).is_none_or(|place| *place > version), "{told:?}");
                }
                Answer::Loaded { version, hash } => {
                    assert_eq!(state(version).hash, hash, "{told:?}");
                    assert!(version >= told.known_before, "{told:?}");
                }
                Answer::Nothing => {}
            }
        }
    }
    assert!(transfers.values().all(|count| *count == 2), "half a transfer: {transfers:?}");
    let accepted = told.iter().filter(|told| matches!(told.answer, Answer::Accepted { .. })).count();
    println!("{} commands, {accepted} accepted, balances {sums:?}", told.len());
    assert!(accepted > 0);
    let stream = StreamName::of::<Ledger>(&LEDGERS[0].to_owned());
    assert!(ledgers.store().stream_version(&stream).unwrap() > 0);
}
