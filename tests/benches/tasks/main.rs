//! Commands of tasks beside commands of threads, in one run.
//!
//! `cargo bench -p factum-tests --bench tasks [-- --quick] [-- full | normal | streams]`; `streams` needs Linux.
//!
//! Each command is on a new aggregate, so that no command waits for another's decision.

#[path = "../shared/account.rs"]
mod account;
#[path = "../shared/median.rs"]
mod median;
#[path = "../shared/report.rs"]
mod report;
mod streams;
#[path = "../idle/usage.rs"]
#[allow(dead_code, reason = "the benchmark of idle followers counts more")]
mod usage;

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use factum::application::{ApplicationCommand as _, ApplicationExt as _};
use factum::prelude::*;
use factum::sqlite::{Durability, SqliteOptions};
use tokio::runtime::{Builder, Runtime};

use self::account::{Deposit, Replayed};
use self::median::median;
use self::report::print_ratio;

type Accounts = Repository<Replayed, SqliteStore>;

/// So many callers of one kind, which each give one command after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arm {
    Threads(usize),
    Tasks(usize),
    /// Tasks whose commands go through an application as its enum.
    AnyCommand(usize),
}

const ARMS: [Arm; 6] = [
    Arm::Threads(1),
    Arm::Tasks(1),
    Arm::Threads(64),
    Arm::Tasks(64),
    Arm::Tasks(1_000),
    Arm::AnyCommand(64),
];

#[derive(Application)]
#[application(aggregates(Replayed))]
struct Bank {}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, process, seconds] = &*arguments
        && name == "cpu-of"
    {
        return usage::print_cpu_percent(process, Duration::from_secs(seconds.parse()?));
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let is_bench = has("--bench") && !has("--quick");
    let (rounds, time) = if is_bench { (7, 700) } else { (1, 20) };
    let all = !has("full") && !has("normal") && !has("streams");
    for (name, durability) in [("full", Durability::Full), ("normal", Durability::Normal)] {
        if all || has(name) {
            compare(name, durability, rounds, Duration::from_millis(time))?;
        }
    }
    if all || has("streams") {
        streams::idle(Duration::from_secs(if is_bench { 10 } else { 1 }))?;
    }
    Ok(())
}

fn compare(name: &str, durability: Durability, rounds: usize, time: Duration) -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread().build()?;
    let mut rates = vec![Vec::new(); ARMS.len()];
    for round in 0..rounds {
        for index in 0..ARMS.len() {
            // The arms begin at another one in each round.
            let index = (index + round) % ARMS.len();
            rates[index].push(run(ARMS[index], durability, time, &runtime)?);
        }
    }
    println!("\n{name}: commands a second, median of {rounds} rounds of {time:?}");
    for (arm, rates) in ARMS.iter().zip(&rates) {
        println!("{:<20}{:>12.0}", format!("{arm:?}"), median(rates.iter().copied()));
    }
    println!();
    let ratio = |one: usize, other: usize| {
        median(rates[one].iter().zip(&rates[other]).map(|(one, other)| one / other))
    };
    print_ratio(&format!("tasks/{name}-one-of-thread"), ratio(1, 0), ">=", 0.7);
    print_ratio(&format!("tasks/{name}-64-of-64-threads"), ratio(3, 2), ">=", 0.95);
    print_ratio(&format!("tasks/{name}-1000-of-64-threads"), ratio(4, 2), ">=", 0.95);
    print_ratio(&format!("tasks/{name}-64-any-command-of-64-tasks"), ratio(5, 3), ">=", 0.9);
    Ok(())
}

/// The commands a second.
fn run(arm: Arm, durability: Durability, time: Duration, runtime: &Runtime) -> Result<f64, Box<dyn Error>> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = SqliteOptions::new().durability(durability).open(folder.path().join("tasks.db"))?;
    let accounts: Accounts = store.repository();
    let begun = Instant::now();
    let until = begun + time;
    let done: u64 = match arm {
        Arm::Threads(threads) => thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|caller| {
                    let accounts = &accounts;
                    scope.spawn(move || {
                        let mut done = 0;
                        while Instant::now() < until {
                            accounts.execute(deposit(caller, done)).expect("the command is carried out");
                            done += 1;
                        }
                        done
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no thread panics")).sum()
        }),
        Arm::Tasks(tasks) => runtime.block_on(in_tasks(tasks, until, move |command| {
            let accounts = accounts.clone();
            async move { accounts.execute_async(command).await.is_ok() }
        })),
        Arm::AnyCommand(tasks) => {
            let bank = Arc::new(Bank {}.start(&store)?);
            runtime.block_on(in_tasks(tasks, until, move |command| {
                let bank = Arc::clone(&bank);
                async move { bank.execute_any_async(BankCommand::of(command)).await.is_ok() }
            }))
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "a few thousand commands")]
    let done = done as f64;
    Ok(done / begun.elapsed().as_secs_f64())
}

/// The number of commands that so many tasks have carried out, one after the other.
async fn in_tasks<F: Future<Output = bool> + Send>(
    tasks: usize,
    until: Instant,
    execute: impl Fn(Deposit) -> F + Clone + Send + 'static,
) -> u64 {
    let tasks: Vec<_> = (0..tasks)
        .map(|caller| {
            let execute = execute.clone();
            tokio::spawn(async move {
                let mut done = 0;
                while Instant::now() < until {
                    assert!(execute(deposit(caller, done)).await, "the command is carried out");
                    done += 1;
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("no task panics");
    }
    done
}

fn deposit(caller: usize, number: u64) -> Deposit {
    Deposit { account: format!("account-{caller}-{number}"), cents: 1 }
}
