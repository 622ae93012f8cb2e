//! Deposits through eventcore's `execute`.

use std::sync::Arc;
use std::time::Instant;

use eventcore::{RetryPolicy, execute};
use eventcore_sqlite::SqliteEventStore;

use crate::account::{self, Account, Deposit};
use crate::database::{Contents, Database};
use crate::works::{load, rate};

pub(crate) async fn fresh(database: &Database, count: usize) -> f64 {
    let store = database.store().await;
    let commands = deposits_on_fresh_accounts(count);

    let start = Instant::now();
    for command in commands {
        deposit(&store, command).await;
    }
    let took = start.elapsed();

    assert_all_are_there(database, count);
    rate(count, took)
}

/// From snapshots: folding the whole stream for each command is much slower. Once a stream has a hundred
/// events, eventcore writes a snapshot with every command, in a transaction of its own.
pub(crate) async fn one(database: &Database, count: usize) -> f64 {
    let store = database.store().await;
    let account = account::account_ids(1).remove(0);
    let commands: Vec<Deposit> = (0..count)
        .map(|number| Deposit::new(account.clone(), account::amount(number)).with_snapshots())
        .collect();

    let start = Instant::now();
    for command in commands {
        deposit(&store, command).await;
    }
    let took = start.elapsed();

    let expected = Account { balance: account::total(count), deposits: count as u64 };
    assert_eq!(load::load(&store, account).await, expected);
    assert_eq!(database.contents(), Contents { events: count, accounts: 1, total: expected.balance });
    rate(count, took)
}

/// All tasks share the one store, because it has one connection.
pub(crate) async fn by_tasks(database: &Database, count: usize, tasks: usize) -> f64 {
    let store = Arc::new(database.store().await);
    let mut shares: Vec<Vec<Deposit>> = (0..tasks).map(|_| Vec::new()).collect();
    for (number, command) in deposits_on_fresh_accounts(count).into_iter().enumerate() {
        shares[number % tasks].push(command);
    }

    let start = Instant::now();
    let running: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for command in share {
                    deposit(&store, command).await;
                }
            })
        })
        .collect();
    for task in running {
        task.await.expect("no task panics");
    }
    let took = start.elapsed();

    assert_all_are_there(database, count);
    rate(count, took)
}

async fn deposit(store: &SqliteEventStore, command: Deposit) {
    let _ = execute(store, command, RetryPolicy::new()).await.expect("the deposit is made");
}

fn deposits_on_fresh_accounts(count: usize) -> Vec<Deposit> {
    let accounts = account::account_ids(count).into_iter().enumerate();
    accounts.map(|(number, account)| Deposit::new(account, account::amount(number))).collect()
}

fn assert_all_are_there(database: &Database, count: usize) {
    let expected = Contents { events: count, accounts: count, total: account::total(count) };
    assert_eq!(database.contents(), expected);
}
