//! Commands of a few threads to two aggregates, in orders that the model checker chooses: each answer is true.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use shuttle::rand::Rng as _;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};

use super::store::ModelStore;
use super::sync::{TIMEOUTS, thread};
use super::tasks::{ModelTasks, as_task};
use crate::Executed;
use crate::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Moved {
    id: u64,
    cents: i64,
}

#[derive(Debug, Clone, Serialize, Command)]
struct Move {
    #[command(id)]
    ledger: String,
    id: u64,
    cents: i64,
}

/// A command that can't be copied.
#[derive(Debug, Command)]
struct MoveOnce(#[command(id)] String, u64);

/// Leads to no event.
#[derive(Debug, Clone, Command)]
struct Look(#[command(id)] String);

/// The state that a refusal was decided on.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{balance} are too few, at version {version}")]
struct TooFew {
    version: u64,
    hash: u64,
    balance: i64,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, error = TooFew, commands(Move, MoveOnce, Look), events(Moved))]
struct Ledger {
    version: u64,
    /// Over all events, in order.
    hash: u64,
    balance: i64,
}

#[handlers]
impl Ledger {
    #[execute]
    fn change(&self, command: Move) -> Result<Moved, TooFew> {
        // Others come first, if the lease ends.
        thread::yield_now();
        let Self { version, hash, balance } = *self;
        if balance + command.cents < 0 {
            return Err(TooFew { version, hash, balance });
        }
        Ok(Moved { id: command.id, cents: command.cents })
    }

    #[execute]
    fn change_once(&self, command: MoveOnce) -> Moved {
        Moved { id: command.1, cents: 1 }
    }

    #[execute]
    fn look(&self, _: Look) -> Option<Moved> {
        None
    }

    #[apply]
    fn moved(&mut self, event: &Moved) {
        self.version += 1;
        self.hash = (self.hash ^ event.id).wrapping_mul(0x0100_0000_01b3).rotate_left(17);
        self.balance += event.cents;
    }
}

type Ledgers = Repository<Ledger, ModelStore>;

const NAMES: [&str; 2] = ["a", "b"];

/// The id of a transfer, which is in both ledgers.
const TRANSFER: u64 = 1 << 38;

/// What a caller was told.
#[derive(Debug)]
struct Told {
    ledger: usize,
    id: u64,
    /// The newest version of the ledger that any caller had been told of before this command began.
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
    /// What a load, or a command without events, has found.
    Seen {
        version: u64,
        hash: u64,
    },
    Failed,
}

/// What all callers know together. Its locks and atomics are no points at which the order can change.
#[derive(Debug, Default)]
struct Callers {
    known: [AtomicU64; 2],
    told: Mutex<Vec<Told>>,
}

impl Callers {
    fn tell(&self, told: Told) {
        let version = match told.answer {
            Answer::Accepted { version, .. }
            | Answer::Repeated { version }
            | Answer::Seen { version, .. } => version,
            Answer::Refused(refused) => refused.version,
            Answer::Failed => 0,
        };
        self.known[told.ledger].fetch_max(version, Ordering::SeqCst);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }
}

/// Tries so many orders, half of them with few changes of the thread.
fn check_orders(orders: usize, run: fn()) {
    let orders = std::env::var("FACTUM_MODEL").ok().and_then(|orders| orders.parse().ok()).unwrap_or(orders);
    let go = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = shuttle::Config::new();
        config.stack_size = 1 << 18;
        shuttle::Runner::new(scheduler, config).run(run);
    };
    go(Box::new(RandomScheduler::new(orders / 2)));
    go(Box::new(PctScheduler::new(3, orders / 2)));
}

/// Appends fail, turns are lost, and another process appends in between.
#[test]
fn each_answer_is_true_in_any_order() {
    check_orders(4_000, || {
        TIMEOUTS.set(true);
        let log = MemoryStore::new();
        let here: Ledgers = ModelStore::new(&log, true).repository();
        let elsewhere: Ledgers = ModelStore::new(&log, false).repository();
        let callers = Arc::new(Callers::default());
        let threads: Vec<_> = [&here, &here, &here, &elsewhere]
            .into_iter()
            .zip(1..)
            .map(|(ledgers, thread)| {
                let (ledgers, callers) = (ledgers.clone(), Arc::clone(&callers));
                thread::spawn(move || {
                    for number in 0..3 {
                        one_command(&ledgers, &callers, thread << 8 | number);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        check(&here, &callers);
        check(&elsewhere, &callers);
    });
}

/// Without failures, other processes and lost turns, no command fails; and no wait needs its time-out.
#[test]
fn commands_of_one_process_do_not_conflict_in_any_order() {
    check_orders(4_000, || {
        TIMEOUTS.set(false);
        let ledgers: Ledgers = ModelStore::new(&MemoryStore::new(), false).repository();
        let threads: Vec<_> = (1..4)
            .map(|thread| {
                let ledgers = ledgers.clone();
                thread::spawn(move || {
                    for number in 0..2 {
                        let id = thread << 8 | number;
                        let command = Move { ledger: NAMES[0].into(), id, cents: 2 };
                        match thread {
                            1 if number == 0 => {
                                as_task(in_task(&ledgers, command)).map(drop).expect("no conflict");
                            }
                            1 => {
                                let batch = ledgers.execute_batch(&NAMES[0].into(), [command]);
                                batch.map(drop).expect("no conflict");
                            }
                            2 => {
                                ledgers.execute(MoveOnce(NAMES[0].into(), id)).map(drop).expect("no conflict")
                            }
                            _ => {
                                let options = ExecuteOptions::new().idempotency_key(format!("key {id}"));
                                ledgers.execute_with(command, &options).map(drop).expect("no conflict");
                            }
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no thread panics"));
        let ledger = ledgers.load(&NAMES[0].into()).expect("it exists");
        assert_eq!((ledger.version(), ledger.state().balance), (6, 10));
    });
}

fn random(below: u64) -> u64 {
    shuttle::rand::thread_rng().gen_range(0..below)
}

/// Sends one command in one of many ways.
fn one_command(ledgers: &Ledgers, callers: &Callers, id: u64) {
    let ledger = usize::from(random(4) == 0);
    let name = || NAMES[ledger].to_owned();
    let known_before = callers.known[ledger].load(Ordering::SeqCst);
    // About every second command is refused.
    let cents = if random(2) == 0 { 3 } else { -2 };
    let command = Move { ledger: name(), id, cents };
    let (id, answer) = match random(13) {
        0 | 1 => {
            // Other threads, and the other process, may send the same command at about the same time.
            let id = 1 << 39 | random(2);
            let command = Move { ledger: NAMES[0].into(), id, cents: if id % 2 == 0 { -2 } else { 2 } };
            let options = ExecuteOptions::new().idempotency_key(format!("key {id}"));
            let known_before = callers.known[0].load(Ordering::SeqCst);
            let answer = answer(ledgers.execute_with(command, &options));
            return callers.tell(Told { ledger: 0, id, known_before, answer });
        }
        2 => (id, answer(ledgers.execute(MoveOnce(name(), id)))),
        3 => (id, answer(ledgers.execute(Look(name())))),
        4 => (
            id,
            match ledgers.load(&name()) {
                Ok(found) => Answer::Seen { version: found.version(), hash: found.state().hash },
                Err(_) => Answer::Failed,
            },
        ),
        5 => {
            // The other ledger gets what this one loses.
            let id = id | TRANSFER;
            let moved = ledgers.store().atomically(1, |unit| {
                unit.execute(ledgers, Move { cents: -2, id, ledger: name() })?;
                unit.execute(ledgers, Move { cents: 2, id, ledger: NAMES[1 - ledger].into() })?;
                Ok::<_, ExecuteError<TooFew>>(())
            });
            (id, moved.map_or_else(|error| answer(Err(error)), |()| Answer::Failed))
        }
        6 => {
            // A unit of work that gives up because of what it has seen.
            let seen = ledgers.store().atomically(1, |unit| {
                let &Ledger { version, hash, balance } = unit.execute(ledgers, Look(name()))?.state();
                Err::<(), _>(ExecuteError::Refused(TooFew { version, hash, balance }))
            });
            (id, seen.map_or_else(|error| answer(Err(error)), |()| Answer::Failed))
        }
        7 => {
            let batch = (0..2).map(|index| Move { cents: 1, id: id | index << 50, ledger: name() });
            (id, answer(ledgers.execute_batch(&name(), batch).map_err(|error| error.source)))
        }
        8 | 9 => (id, answer(as_task(in_task(ledgers, command)))),
        _ => (id, answer(ledgers.execute(command))),
    };
    callers.tell(Told { ledger, id, known_before, answer });
}

/// Carries out a command that waits without a thread.
async fn in_task(ledgers: &Ledgers, command: Move) -> Result<Executed<Ledger>, ExecuteError<TooFew>> {
    let ExecuteOptions { command: options, retrying, .. } = ExecuteOptions::new();
    ledgers.execute_waiting::<ModelTasks, _, _>(Into::into, command, &options, &retrying).await
}

fn answer(result: Result<Executed<Ledger>, ExecuteError<TooFew>>) -> Answer {
    match result {
        Ok(done) if done.is_repeated() => Answer::Repeated { version: done.version() },
        Ok(done) if done.is_unchanged() => Answer::Seen { version: done.version(), hash: done.state().hash },
        Ok(done) => Answer::Accepted { version: done.version(), hash: done.state().hash },
        Err(ExecuteError::Refused(refused)) => Answer::Refused(refused),
        Err(ExecuteError::Conflict(_) | ExecuteError::Append(_)) => Answer::Failed,
        Err(other) => panic!("{}", crate::with_causes(&other)),
    }
}

/// Compares what callers were told with what is stored.
fn check(ledgers: &Ledgers, callers: &Callers) {
    let told = callers.told.lock().unwrap_or_else(PoisonError::into_inner);
    let mut transfers = HashMap::<u64, usize>::new();
    for (ledger, name) in NAMES.iter().enumerate() {
        let mut states = vec![Ledger::default()];
        let mut places = HashMap::new();
        for recorded in ledgers.history(&(*name).to_owned()).into_iter().flatten() {
            let recorded = recorded.expect("it can be read");
            let mut state = states.last().expect("the first is there").clone();
            let LedgerEvent::Moved(event) = &recorded.event;
            state.moved(event);
            assert!(state.balance >= 0, "{recorded:?} was decided on a state that never was");
            if event.id & TRANSFER != 0 {
                *transfers.entry(event.id).or_default() += 1;
            }
            assert!(places.insert(event.id, recorded.version).is_none(), "{} happened twice", event.id);
            states.push(state);
        }
        if let Ok(now) = ledgers.load(&(*name).to_owned()) {
            let last = states.last().expect("the first is there");
            assert_eq!(
                (now.version(), now.state().hash),
                (last.version, last.hash),
                "the cache is not the log"
            );
        }
        let state = |version: u64| &states[usize::try_from(version).expect("small")];
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
                Answer::Seen { version, hash } => {
                    assert_eq!(state(version).hash, hash, "{told:?}");
                    assert!(version >= told.known_before, "a state of the past: {told:?}");
                }
                Answer::Failed => {}
            }
        }
    }
    assert!(transfers.values().all(|count| *count == 2), "half a transfer: {transfers:?}");
}
