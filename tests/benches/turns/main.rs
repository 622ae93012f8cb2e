//! Many threads command few aggregates: the commands of one process take turns.
//!
//! `cargo bench -p factum-tests --bench turns [-- --quick] [-- full | normal | failing] [threads=N]`
//!
//! Beside it, as before there were turns: each thread has a repository of its own, so that its commands are
//! decided beside the others', conflict, and are tried again.

#[path = "../shared/account.rs"]
mod account;
#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/report.rs"]
mod report;

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions, SqliteStore, rusqlite};
use factum::telemetry::statistics;

use self::account::{Account, Deposit};
use self::median::median;
use self::report::print_ratio;

type Accounts = Repository<Account, SqliteStore>;

/// Work of several threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Each of 32 threads has an aggregate of its own.
    Own,
    /// All 32 threads command as many aggregates as this.
    Shared(usize),
    /// 16 threads transfer between 4 aggregates, and 16 threads command these.
    Transfers,
}

/// One measurement: work, and whether threads share a repository, and so take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arm {
    work: Work,
    turns: bool,
}

/// 32, or another number: `-- threads=256`.
static THREADS: LazyLock<usize> = LazyLock::new(|| {
    let given = std::env::args().find_map(|argument| argument.strip_prefix("threads=")?.parse().ok());
    given.unwrap_or(32)
});

const ARMS: [Arm; 7] = [
    Arm { work: Work::Own, turns: true },
    Arm { work: Work::Shared(1), turns: true },
    Arm { work: Work::Shared(1), turns: false },
    Arm { work: Work::Shared(4), turns: true },
    Arm { work: Work::Shared(4), turns: false },
    Arm { work: Work::Transfers, turns: true },
    Arm { work: Work::Transfers, turns: false },
];

/// The results of one arm, one for each round.
#[derive(Debug, Default)]
struct Results {
    commands: Vec<f64>,
    /// Commands for each group of appends, which depends less on the speed of the disk.
    a_group: Vec<f64>,
    conflicts: u64,
    attempts: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_bench = has("--bench") && !has("--quick");
    // Many short rounds: the disk of a shared machine is now slow, now fast, and a ratio is of one round.
    let (rounds, time) = if is_bench { (15, 250) } else { (1, 20) };
    if has("failing") {
        return fail_all();
    }
    let both = !has("full") && !has("normal");
    for (name, durability) in [("full", Durability::Full), ("normal", Durability::Normal)] {
        if both || has(name) {
            compare(name, durability, rounds, Duration::from_millis(time))?;
        }
    }
    Ok(())
}

fn compare(name: &str, durability: Durability, rounds: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let mut results: Vec<Results> = ARMS.iter().map(|_| Results::default()).collect();
    for round in 0..rounds {
        for index in 0..ARMS.len() {
            // The arms begin at another one in each round.
            let index = (index + round) % ARMS.len();
            run(ARMS[index], durability, time, &mut results[index])?;
        }
    }
    println!("\n{name}: commands a second of {} threads, median of {rounds} rounds of {time:?}", *THREADS);
    println!("{:<36}{:>10}{:>10}{:>12}{:>16}", "", "commands", "a group", "conflicts", "most attempts");
    for (arm, results) in ARMS.iter().zip(&results) {
        let shown = format!("{:?}{}", arm.work, if arm.turns { "" } else { ", as before turns" });
        let [rate, a_group] = [&results.commands, &results.a_group].map(|all| median(all.iter().copied()));
        let Results { conflicts, attempts, .. } = results;
        println!("{shown:<36}{rate:>10.0}{a_group:>10.1}{conflicts:>12}{attempts:>16}");
    }
    let of = |work, turns| {
        ARMS.iter()
            .zip(&results)
            .find(|(arm, _)| **arm == Arm { work, turns })
            .map_or(&[][..], |(_, found)| &found.commands)
    };
    let ratio = |one: &[f64], other: &[f64]| median(one.iter().zip(other).map(|(one, other)| one / other));
    let full = name == "full";
    let one = of(Work::Shared(1), true);
    let print = |what: &str, value, target| print_ratio(&format!("turns/{name}-{what}"), value, ">=", target);
    println!();
    print("one-of-32-own", ratio(one, of(Work::Own, true)), if full { 1.0 } else { 0.8 });
    print("one-of-before", ratio(one, of(Work::Shared(1), false)), if full { 10.0 } else { 1.3 });
    if full {
        print("four-of-before", ratio(of(Work::Shared(4), true), of(Work::Shared(4), false)), 5.0);
        print("transfers-of-before", ratio(of(Work::Transfers, true), of(Work::Transfers, false)), 8.0);
        let attempts = results[5].attempts;
        println!("ratio turns/full-transfer-attempts {attempts} target <= 5");
    }
    println!("ratio turns/{name}-conflicts {} target <= 0", results[1].conflicts + results[3].conflicts);
    Ok(())
}

/// Prints how long it takes until many threads have the error of a disk that fails.
fn fail_all() -> Result<(), Box<dyn Error>> {
    const EACH: u32 = 10;
    for threads in [125, 250, 500, 1_000] {
        for aggregates in [1, threads] {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
            let file = folder.path().join("turns.db");
            let store = SqliteOptions::new().durability(Durability::Normal).open(&file)?;
            let trigger =
                "CREATE TRIGGER full BEFORE INSERT ON factum_events BEGIN SELECT RAISE(ABORT, 'full'); END";
            rusqlite::Connection::open(&file)?.execute_batch(trigger)?;
            let accounts: Accounts = store.repository();
            let barrier = Barrier::new(threads + 1);
            let begun = thread::scope(|scope| {
                for thread in 0..threads {
                    let (accounts, barrier) = (&accounts, &barrier);
                    scope.spawn(move || {
                        let account = format!("account-{}", thread % aggregates);
                        barrier.wait();
                        for _ in 0..EACH {
                            let deposit = Deposit { account: account.clone(), cents: 1 };
                            accounts.execute(deposit).expect_err("the trigger refuses it");
                        }
                    });
                }
                let begun = Instant::now();
                barrier.wait();
                begun
            });
            let each = begun.elapsed() / EACH;
            println!("{threads} threads over {aggregates} aggregates, a command of each fails in {each:.1?}");
        }
    }
    Ok(())
}

fn run(
    arm: Arm,
    durability: Durability,
    time: Duration,
    results: &mut Results,
) -> Result<(), Box<dyn Error>> {
    // Below `target`: the system's temporary folder may be in memory.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = SqliteOptions::new().durability(durability).open(folder.path().join("turns.db"))?;
    let shared: Accounts = store.repository();
    let (count, conflicts, attempts) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let before = statistics();
    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 0..*THREADS {
            let accounts = if arm.turns { shared.clone() } else { store.repository() };
            let (store, count, conflicts, attempts) = (&store, &count, &conflicts, &attempts);
            scope.spawn(move || {
                let mut number = thread;
                while start.elapsed() < time {
                    number += 1;
                    let account = |index: usize| format!("account-{index}");
                    let deposit = |index| Deposit { account: account(index), cents: 1 };
                    let mut tries = 0;
                    match arm.work {
                        Work::Transfers if thread % 2 == 0 => {
                            let (from, to) = (number % 4, (number + 1 + number / 4 % 3) % 4);
                            let transfer = store.atomically(u32::MAX, |unit| {
                                tries += 1;
                                unit.execute(&accounts, deposit(from))?;
                                unit.execute(&accounts, deposit(to))?;
                                Ok::<_, BoxError>(())
                            });
                            transfer.expect("the store works");
                        }
                        work => {
                            let index = match work {
                                Work::Own => thread,
                                Work::Shared(aggregates) => number % aggregates,
                                Work::Transfers => number % 4,
                            };
                            loop {
                                tries += 1;
                                match accounts.execute(deposit(index)) {
                                    Ok(_) => break,
                                    Err(ExecuteError::Conflict(_)) => {}
                                    Err(error) => panic!("{error}"),
                                }
                            }
                        }
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                    conflicts.fetch_add(tries - 1, Ordering::Relaxed);
                    attempts.fetch_max(tries, Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let groups = statistics().since(&before).appends.groups.count();
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    let (count, groups) = (count.into_inner() as f64, groups as f64);
    results.commands.push(count / seconds);
    results.a_group.push(count / groups);
    results.conflicts += conflicts.into_inner();
    results.attempts = results.attempts.max(attempts.into_inner());
    Ok(())
}
