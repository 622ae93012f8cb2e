//! Commands and loads of tasks beside those of as many threads.

use std::thread;
use std::time::{Duration, Instant};

use factum::CacheOptions;
use factum::postgres::PostgresStore;
use factum::prelude::*;
use tokio::runtime::Runtime;

use crate::account::{Deposit, Replayed};
use crate::median::median;
use crate::print_ratio;
use crate::server::Server;

pub(crate) const CALLERS: usize = 64;

type Accounts = Repository<Replayed, PostgresStore>;

#[derive(Debug, Clone, Copy)]
enum Call {
    /// Each command is on a new account.
    Command,
    Load,
}

pub(crate) fn compare(server: &Server, runtime: &Runtime, rounds: usize, time: Duration) {
    for (name, call) in [("commands", Call::Command), ("loads", Call::Load)] {
        let ratios = (0..rounds).map(|round| {
            let rate = |of_tasks: bool| {
                // What was stored before makes no difference then.
                let accounts = accounts(&server.new_store());
                if of_tasks {
                    rate_of_tasks(&accounts, call, runtime, time)
                } else {
                    rate_of_threads(&accounts, call, time)
                }
            };
            let of_tasks_first = (round % 2 == 0).then(|| rate(true));
            let of_threads = rate(false);
            of_tasks_first.unwrap_or_else(|| rate(true)) / of_threads
        });
        let ratio = median(ratios.collect::<Vec<_>>());
        print_ratio(&format!("postgres/{name}-of-{CALLERS}-tasks-of-threads"), ratio, ">=", 1.0);
    }
}

/// The commands a second of tasks.
pub(crate) fn rate_of_commands(store: &PostgresStore, runtime: &Runtime, time: Duration) -> f64 {
    rate_of_tasks(&accounts(store), Call::Command, runtime, time)
}

/// Accounts that are not in memory, of which each caller has one.
fn accounts(store: &PostgresStore) -> Accounts {
    let accounts = store.repository::<Replayed>().with_cache(CacheOptions::aggregates(0));
    for caller in 0..CALLERS {
        accounts.execute(Deposit { account: caller.to_string(), cents: 1 }).expect("the server is there");
    }
    accounts
}

fn deposit(caller: usize, number: u64) -> Deposit {
    Deposit { account: format!("{caller}-{number}"), cents: 1 }
}

fn rate_of_threads(accounts: &Accounts, call: Call, time: Duration) -> f64 {
    let until = Instant::now() + time;
    let done = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                scope.spawn(move || {
                    let (mut done, account) = (0, caller.to_string());
                    while Instant::now() < until {
                        match call {
                            Call::Command => {
                                drop(accounts.execute(deposit(caller, done)).expect("it is stored"));
                            }
                            Call::Load => drop(accounts.load(&account).expect("it exists")),
                        }
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no caller panics")).sum::<u64>()
    });
    rate(done, time)
}

fn rate_of_tasks(accounts: &Accounts, call: Call, runtime: &Runtime, time: Duration) -> f64 {
    let until = Instant::now() + time;
    let done = runtime.block_on(async {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let accounts = accounts.clone();
                tokio::spawn(async move {
                    let (mut done, account) = (0, caller.to_string());
                    while Instant::now() < until {
                        match call {
                            Call::Command => {
                                drop(
                                    accounts
                                        .execute_async(deposit(caller, done))
                                        .await
                                        .expect("it is stored"),
                                );
                            }
                            Call::Load => drop(accounts.load_async(&account).await.expect("it exists")),
                        }
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0;
        for caller in callers {
            done += caller.await.expect("no caller panics");
        }
        done
    });
    rate(done, time)
}

#[expect(clippy::cast_precision_loss, reason = "a second has fewer calls than a float has digits")]
fn rate(done: u64, time: Duration) -> f64 {
    done as f64 / time.as_secs_f64()
}
