//! Commands of a domain, from threads and tasks, and idempotency keys.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use factum::postgres::PostgresOptions;
use factum::prelude::*;
use factum::{CacheOptions, Executed};

use crate::account::{Account, Refused, deposit, id, open, withdraw};
use crate::appends::{append_in_transaction, wait_for_waiting};
use crate::server::on_server;

/// Threads of two programs deposit to one account and to their own, and none is lost.
#[test]
fn commands_of_two_programs_are_all_carried_out() {
    const THREADS: i64 = 6;
    const DEPOSITS: i64 = 25;
    on_server!(server);
    let schema = server.new_schema();
    let stores = [server.store(&schema), server.store(&schema)];
    let accounts = stores[0].repository::<Account>();
    accounts.execute(open("shared")).unwrap();
    for thread in 0..THREADS {
        accounts.execute(open(&thread.to_string())).unwrap();
    }
    thread::scope(|scope| {
        for store in &stores {
            let accounts = Arc::new(store.repository::<Account>());
            for thread in 0..THREADS {
                let accounts = Arc::clone(&accounts);
                scope.spawn(move || {
                    let retry = ExecuteOptions::new().retry(1_000);
                    for _ in 0..DEPOSITS {
                        for account in ["shared", &thread.to_string()] {
                            accounts.execute_with(deposit(account, 2), &retry).unwrap();
                        }
                    }
                });
            }
        }
    });
    let accounts = stores[1].repository::<Account>();
    let both = 2 * 2 * DEPOSITS;
    assert_eq!(accounts.load(&id("shared")).unwrap().state().cents, both * THREADS);
    for thread in 0..THREADS {
        assert_eq!(accounts.load(&id(&thread.to_string())).unwrap().state().cents, both);
    }
}

/// Many tasks on a runtime with few threads: each append waits without a thread. Calls that block do not panic there.
#[test]
fn commands_of_tasks_are_all_carried_out() {
    const TASKS: i64 = 200;
    on_server!(server);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let url = server.url();
    let schema = server.new_schema();
    runtime.block_on(async {
        // This blocks the thread, and must not panic in a runtime.
        let store = PostgresOptions::new().schema(&schema).connect(&url).unwrap();
        let accounts = store.repository::<Account>();
        accounts.execute(open("shared")).unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let accounts = accounts.clone();
                tokio::spawn(async move {
                    accounts.execute_async(deposit("shared", 1)).await.unwrap();
                    accounts.execute_async(open(&format!("task {task}"))).await.unwrap();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(accounts.load(&id("shared")).unwrap().state().cents, TASKS);
        assert_eq!(store.position().unwrap().get(), 1 + 2 * TASKS.unsigned_abs());
    });
}

/// A command that is sent twice with one key happens once, also if two programs send it at once.
#[test]
fn a_key_makes_a_command_happen_once() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [server.store(&schema), server.store(&schema)];
    stores[0].repository::<Account>().execute(open("a")).unwrap();
    let key = "request\0 4711";
    let once = || ExecuteOptions::new().idempotency_key(key).retry(10);
    let versions: Vec<_> = thread::scope(|scope| {
        let sent: Vec<_> = stores
            .iter()
            .cycle()
            .take(6)
            .map(|store| {
                let accounts = store.repository::<Account>();
                scope.spawn(move || accounts.execute_with(deposit("a", 5), &once()).unwrap().version())
            })
            .collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert_eq!(versions, [2; 6]);
    let accounts = stores[1].repository::<Account>();
    let error = accounts.execute_with(deposit("a", 6), &once()).unwrap_err();
    assert!(matches!(error, ExecuteError::KeyReused(_)), "{error:?}");
    let refused = accounts.execute(withdraw("a", 6)).unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refused::Overdrawn { missing: 1 }));
}

/// Commands to one account that are queued while another program appends to it: each is decided on the one before, and they
/// are one group. The first one is refused, and none that rests on it is stored. Decided again, each happens once.
#[test]
fn commands_that_rest_on_a_refused_one_are_decided_again() {
    const THREADS: i64 = 12;
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    let accounts = store.repository::<Account>().with_cache(CacheOptions::aggregates(10));
    for name in ["a", "other"] {
        accounts.execute(open(name)).unwrap();
    }
    let foreign =
        append_in_transaction(server, &schema, ("account", "a", 1), ("deposited", r#"{"cents":1000}"#));
    let retry = ExecuteOptions::new().retry(100);
    thread::scope(|scope| {
        // It is the group that waits for its turn.
        let first = scope.spawn(|| accounts.execute(deposit("other", 1)).unwrap().version());
        wait_for_waiting(server, &schema, 1);
        let deposits: Vec<_> = (0..THREADS)
            .map(|_| scope.spawn(|| accounts.execute_with(deposit("a", 1), &retry).unwrap()))
            .collect();
        thread::sleep(Duration::from_millis(100));
        foreign.sql("COMMIT").unwrap();
        assert_eq!(first.join().unwrap(), 2);
        let state = |done: Executed<Account>| (done.version(), done.state().cents);
        let states: Vec<_> = deposits.into_iter().map(|deposit| state(deposit.join().unwrap())).collect();
        for (version, cents) in &states {
            assert_eq!(
                *cents,
                998 + version.cast_signed(),
                "a state that was decided on without the other program's event"
            );
        }
        let mut versions: Vec<_> = states.iter().map(|(version, _)| *version).collect();
        versions.sort_unstable();
        assert_eq!(versions, (3..).take(versions.len()).collect::<Vec<_>>());
    });
    let loaded = store.repository::<Account>().load(&id("a")).unwrap();
    assert_eq!(loaded.state().cents, 1000 + THREADS);
    assert_eq!(store.position().unwrap().get(), 4 + THREADS.unsigned_abs());
}
