//! Commands that must neither wait without end nor be lost, where tasks, threads and runtimes get in each other's way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use factum::prelude::*;
use factum::tasks::AsyncStoreExt as _;
use factum::with_causes;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::account::{Account, Opened, deposit, id, open};
use crate::blocking::{Gate, ends, many, poll_once};
use crate::bounded::{SetOnDrop, wait_until};
use crate::{open_file, runtime};

type Accounts<S> = Repository<Account, S>;

/// What a handler does before it decides.
#[derive(Clone)]
struct Before(Arc<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Before {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Before")
    }
}

#[derive(Debug, Clone, Command)]
struct Count(#[command(id)] String, Before);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Counted;

#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Count), events(Counted), snapshot(every = 8))]
struct Counter {
    count: u64,
}

#[handlers]
impl Counter {
    #[execute]
    fn count(&self, command: Count) -> Counted {
        (command.1.0)();
        Counted
    }

    #[apply]
    fn counted(&mut self, _: &Counted) {
        self.count += 1;
    }
}

fn count(id: &impl ToString, before: impl Fn() + Send + Sync + 'static) -> Count {
    Count(id.to_string(), Before(Arc::new(before)))
}

/// Occupies all threads that work for factum, until the gate opens.
fn occupy(counters: &Repository<Counter, MemoryStore>, runtime: &Handle) -> Gate {
    let gate = Gate::default();
    for id in 0..many() {
        let (counters, of_handler) = (counters.clone(), gate.clone());
        let command = count(&format!("occupies {id}"), move || of_handler.pass());
        runtime.spawn(async move { counters.execute_async(command).await.map(drop) });
    }
    wait_until(|| gate.arrived() >= thread::available_parallelism().map_or(1, usize::from));
    gate
}

/// A handler may block on commands and loads of other aggregates: these run on its own thread.
#[test]
fn handlers_block_on_other_commands_and_loads() {
    ends(|| {
        let store = MemoryStore::new();
        let (counters, accounts) = (store.repository::<Counter>(), store.repository::<Account>());
        let runtime = runtime();
        let tasks: Vec<_> = (0..many())
            .map(|task| {
                let (counters, accounts, handle) =
                    (counters.clone(), accounts.clone(), runtime.handle().clone());
                let command = count(&task, move || {
                    handle.block_on(async {
                        let owner = task.to_string();
                        accounts.execute_async(open(&owner)).await.unwrap();
                        accounts.execute_batch_async(&id(&owner), [deposit(&owner, 1)]).await.unwrap();
                        assert_eq!(accounts.load_async(&id(&owner)).await.unwrap().version(), 2);
                    });
                });
                runtime.spawn(async move {
                    if task.is_multiple_of(2) {
                        counters.execute_async(command).await.unwrap();
                    } else {
                        counters.execute_batch_async(&task.to_string(), [command]).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
    });
}

/// A view that is part of each append, and tries what it must not.
#[derive(Projection)]
#[projection(events(Opened), from(Account), into = Sqlite)]
struct Inline {
    accounts: Accounts<SqliteStore>,
    runtime: Handle,
    errors: Arc<Mutex<Vec<String>>>,
}

#[handlers]
impl Inline {
    #[project]
    fn opened(&self, _: &Opened) {
        let deposited = self.runtime.block_on(self.accounts.execute_async(open("another")));
        let batch = [open("another")];
        let in_batch = self.runtime.block_on(self.accounts.execute_batch_async(&id("another"), batch));
        let errors = [with_causes(&deposited.unwrap_err()), with_causes(&in_batch.unwrap_err())];
        self.errors.lock().unwrap().extend(errors);
    }
}

/// The append waits for the handler of an inline view, which would wait for an append behind it: an error, whichever thread
/// commits.
#[test]
fn an_inline_view_that_blocks_on_a_command_gets_an_error() {
    ends(|| {
        let folder = TempDir::new().unwrap();
        for store in [open_file(&folder), SqliteStore::in_memory().unwrap()] {
            let (runtime, accounts) = (runtime(), store.repository::<Account>());
            let errors = Arc::<Mutex<Vec<String>>>::default();
            let view = Inline {
                accounts: accounts.clone(),
                runtime: runtime.handle().clone(),
                errors: errors.clone(),
            };
            SqliteProjection::new(&store, view).unwrap().inline().unwrap();
            accounts.execute(open("alice")).unwrap();
            runtime.block_on(accounts.execute_async(open("bob"))).unwrap();
            let tasks: Vec<_> = (0..many())
                .map(|task| {
                    let accounts = accounts.clone();
                    runtime
                        .spawn(async move { accounts.execute_async(open(&task.to_string())).await.map(drop) })
                })
                .collect();
            for task in tasks {
                runtime.block_on(task).unwrap().unwrap();
            }
            let errors = errors.lock().unwrap();
            assert_eq!(errors.len(), 2 * (2 + many()));
            for error in &*errors {
                assert!(error.contains("can't be used again by a handler or query that holds it"), "{error}");
            }
        }
    });
}

/// Futures that were polled once, and are kept without being polled again, keep no thread from others.
#[test]
fn a_future_that_is_not_polled_again_holds_nothing_up() {
    ends(|| {
        let store = MemoryStore::new();
        let accounts = store.repository::<Account>();
        let runtime = runtime();
        let gate = occupy(&store.repository(), runtime.handle());
        runtime.block_on(async {
            let mut kept: Vec<_> = (0..many())
                .map(|kept| Box::pin(accounts.execute_async(open(&format!("kept {kept}")))))
                .collect();
            for future in &mut kept {
                assert!(!poll_once(future));
            }
            gate.open();
            accounts.execute_async(open("alice")).await.unwrap();
            for future in kept {
                future.await.unwrap();
            }
        });
    });
}

/// A runtime that is not driven for a while keeps no thread from others.
#[test]
fn a_runtime_that_stands_still_holds_nothing_up() {
    ends(|| {
        let store = MemoryStore::new();
        let accounts = store.repository::<Account>();
        let runtime = runtime();
        let gate = occupy(&store.repository(), runtime.handle());
        let still = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let tasks: Vec<_> = (0..many())
            .map(|task| {
                let accounts = accounts.clone();
                still.spawn(
                    async move { accounts.execute_async(open(&format!("still {task}"))).await.map(drop) },
                )
            })
            .collect();
        still.block_on(tokio::task::yield_now());
        gate.open();
        runtime.block_on(accounts.execute_async(open("alice"))).unwrap();
        for task in tasks {
            still.block_on(task).unwrap().unwrap();
        }
    });
}

/// What was begun is carried out, also what waited for a thread when its future was dropped.
#[test]
fn what_waits_for_a_thread_is_carried_out_though_its_future_is_dropped() {
    let store = MemoryStore::new();
    let accounts = store.repository::<Account>();
    let runtime = runtime();
    let gate = occupy(&store.repository(), runtime.handle());
    runtime.block_on(async {
        let (alice, bob, carol) = (id("alice"), accounts.clone(), open("carol"));
        assert!(!poll_once(&mut Box::pin(accounts.execute_batch_async(&alice, [open("alice")]))));
        let work = move |work: &mut factum::UnitOfWork<'_, _>| {
            work.execute(&bob, open("bob")).map(drop).map_err(BoxError::from)
        };
        assert!(!poll_once(&mut Box::pin(store.atomically_async(0, work))));
        assert!(!poll_once(&mut Box::pin(accounts.execute_async(carol))));
    });
    gate.open();
    for owner in ["alice", "bob", "carol"] {
        wait_until(|| accounts.exists(&id(owner)).unwrap());
    }
}

/// A runtime that ends while another one keeps the store busy does not serve the other's tasks.
#[test]
fn a_runtime_ends_though_others_keep_the_store_busy() {
    ends(|| {
        let folder = TempDir::new().unwrap();
        let accounts: Accounts<SqliteStore> = open_file(&folder).repository();
        let (busy, is_over) = (runtime(), Arc::new(AtomicBool::new(false)));
        for task in 0..16 {
            let (accounts, is_over) = (accounts.clone(), Arc::clone(&is_over));
            busy.spawn(async move {
                accounts.execute_async(open(&task.to_string())).await.unwrap();
                while !is_over.load(Ordering::SeqCst) {
                    accounts.execute_async(deposit(&task.to_string(), 1)).await.unwrap();
                }
            });
        }
        let over = SetOnDrop(&is_over);
        for round in 0..20 {
            let runtime = runtime();
            let tasks: Vec<_> = (0..8)
                .map(|task| {
                    let accounts = accounts.clone();
                    runtime
                        .spawn(async move { accounts.execute_async(open(&format!("{round} {task}"))).await })
                })
                .collect();
            for task in tasks {
                runtime.block_on(task).unwrap().unwrap();
            }
            drop(runtime);
        }
        drop(over);
    });
}

/// A runtime whose blocking threads all wait for the commit.
#[test]
fn tasks_are_served_though_all_blocking_threads_are_busy() {
    ends(|| {
        let folder = TempDir::new().unwrap();
        let accounts: Accounts<SqliteStore> = open_file(&folder).repository();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(3)
            .build()
            .unwrap();
        let tasks: Vec<_> = (0..400)
            .map(|task: u32| {
                let accounts = accounts.clone();
                let owner = task.to_string();
                if task.is_multiple_of(2) {
                    runtime
                        .spawn(async move { accounts.execute_async(open(&owner)).await.unwrap().version() })
                } else {
                    runtime.spawn_blocking(move || accounts.execute(open(&owner)).unwrap().version())
                }
            })
            .collect();
        for task in tasks {
            assert_eq!(runtime.block_on(task).unwrap(), 1);
        }
    });
}

/// An aggregate with snapshots, and more commands than may be on their way at once.
#[test]
fn many_tasks_share_an_aggregate_with_snapshots() {
    const TASKS: u64 = 600;
    let folder = TempDir::new().unwrap();
    let counters = open_file(&folder).repository::<Counter>();
    let runtime = runtime();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let counters = counters.clone();
            runtime
                .spawn(async move { counters.execute_async(count(&"one", || {})).await.unwrap().version() })
        })
        .collect();
    let mut versions: Vec<_> = tasks.into_iter().map(|task| runtime.block_on(task).unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=TASKS).collect::<Vec<_>>());
}
