use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use factum::EventStoreExt as _;
use factum::prelude::*;
use factum::store::AppendError;
use factum::tasks::AsyncStoreExt as _;
use tempfile::TempDir;

use crate::account::{Account, Refused, deposit, id, open, withdraw};
use crate::{LONG, open_file, runtime, stores};

/// Tasks and threads share the commits, and each gets its own answer.
#[test]
fn each_answer_is_true_beside_threads() {
    const TASKS: u64 = 64;
    const THREADS: u64 = 4;
    const EACH: u64 = 10;
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let runtime = runtime();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let accounts = accounts.clone();
                runtime.spawn(async move {
                    let own = format!("account {task}");
                    accounts.execute_async(open(&own)).await.unwrap();
                    let mut versions = Vec::new();
                    for _ in 0..EACH {
                        let done = accounts.execute_async(deposit("alice", 1)).await.unwrap();
                        assert_eq!(done.version(), 1 + done.state().cents.unsigned_abs());
                        versions.push(done.version());
                        accounts.execute_async(deposit(&own, 1)).await.unwrap();
                    }
                    let loaded = accounts.load_async(&id(&own)).await.unwrap();
                    assert_eq!(loaded.state().cents.unsigned_abs(), EACH);
                    versions
                })
            })
            .collect();
        let mut versions: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    let deposits =
                        || (0..EACH).map(|_| accounts.execute(deposit("alice", 1)).unwrap().version());
                    scope.spawn(move || deposits().collect::<Vec<_>>())
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        for task in tasks {
            versions.extend(runtime.block_on(task).unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, (2..2 + (TASKS + THREADS) * EACH).collect::<Vec<_>>());
    }
}

/// A refusal is decided on a state that is stored.
#[test]
fn a_refusal_comes_after_what_it_rests_on() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let runtime = runtime();
        let tasks: Vec<_> = (0..40)
            .map(|task| {
                let accounts = accounts.clone();
                runtime.spawn(async move {
                    if task % 2 == 0 {
                        accounts.execute_async(deposit("alice", 2)).await.map(|done| done.version())
                    } else {
                        accounts.execute_async(withdraw("alice", 3)).await.map(|done| done.version())
                    }
                })
            })
            .collect();
        let mut done = 0;
        for task in tasks {
            match runtime.block_on(task).unwrap() {
                Ok(_) => done += 1,
                Err(ExecuteError::Refused(Refused::Overdrawn { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let loaded = accounts.load(&id("alice")).unwrap();
        assert_eq!(loaded.version(), 1 + done);
        assert!(loaded.state().cents >= 0);
    }
}

/// A task that has asked for something and is dropped then: at each point, what has begun is carried out.
#[test]
fn what_has_begun_is_carried_out_though_its_future_is_dropped() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let runtime = runtime();
    let mut begun = 0;
    runtime.block_on(async {
        for polls in 0..4 {
            for pause in 0..8 {
                let mut command = Box::pin(accounts.execute_async(deposit("alice", 1)));
                let mut is_ready = false;
                for _ in 0..polls {
                    is_ready =
                        is_ready || command.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
                    tokio::task::yield_now().await;
                    thread::sleep(Duration::from_micros(pause * 40));
                }
                drop(command);
                begun += u64::from(polls > 0);
            }
        }
    });
    let until = Instant::now() + LONG;
    while accounts.load(&id("alice")).unwrap().version() < 1 + begun && Instant::now() < until {
        thread::yield_now();
    }
    runtime.block_on(async { tokio::task::yield_now().await });
    assert_eq!(accounts.load(&id("alice")).unwrap().version(), 1 + begun);
    // The aggregate takes commands as before.
    assert_eq!(accounts.execute(deposit("alice", 1)).unwrap().version(), 2 + begun);
}

/// A runtime that ends with commands under way takes some of them with it. The store and its other callers go on.
#[test]
fn a_runtime_that_is_shut_down_stops_no_one_else() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for _ in 0..20 {
        let runtime = runtime();
        for task in 0..16 {
            let accounts = accounts.clone();
            runtime.spawn(async move {
                for _ in 0..20 {
                    drop(accounts.execute_async(deposit("alice", 1)).await);
                    drop(accounts.execute_async(open(&task.to_string())).await);
                }
            });
        }
        accounts.execute(deposit("alice", 1)).unwrap();
        runtime.shutdown_background();
        accounts.execute(deposit("alice", 1)).unwrap();
    }
    let loaded = accounts.load(&id("alice")).unwrap();
    assert!(loaded.version() > 40);
    assert_eq!(loaded.version(), 1 + loaded.state().cents.unsigned_abs());
}

/// A panic of a handler reaches the caller, as it does without tasks, and nobody else.
#[test]
fn a_panic_is_that_of_its_command() {
    #[derive(Debug, Clone, Command)]
    struct Panic(#[command(id)] String, bool);

    #[derive(Debug, serde::Serialize, serde::Deserialize, Event)]
    struct Kept;

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(id = String, commands(Panic), events(Kept))]
    struct Panics;

    #[handlers]
    impl Panics {
        #[execute]
        fn panic(&self, command: Panic) -> Kept {
            assert!(!command.1, "as asked");
            Kept
        }

        #[apply]
        fn kept(&mut self, _: &Kept) {}
    }

    let (stores, _folder) = stores();
    for store in stores {
        let panics = store.repository::<Panics>();
        let runtime = runtime();
        let tasks: Vec<_> = (0..20)
            .map(|task| {
                let panics = panics.clone();
                let panic = task % 4 == 0;
                (panic, runtime.spawn(async move { panics.execute_async(Panic("one".into(), panic)).await }))
            })
            .collect();
        for (panic, task) in tasks {
            match runtime.block_on(task) {
                Ok(done) => assert!(!panic && done.is_ok()),
                Err(error) => assert!(panic && error.is_panic()),
            }
        }
        assert_eq!(panics.load(&"one".into()).unwrap().version(), 15);
    }
}

/// On a runtime with one thread, and on an executor that is not tokio's.
#[test]
fn any_executor_will_do() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        one.block_on(accounts.execute_async(open("alice"))).unwrap();
        assert_eq!(alone(accounts.execute_async(deposit("alice", 5))).unwrap().version(), 2);
        assert_eq!(alone(accounts.load_async(&id("alice"))).unwrap().state().cents, 5);
        assert!(alone(accounts.exists_async(&id("alice"))).unwrap());
        assert_eq!(alone(accounts.load_at_async(&id("alice"), 1)).unwrap().state().cents, 0);
        let moved = alone(store.atomically_async(3, {
            let accounts = accounts.clone();
            move |work| -> Result<u64, BoxError> {
                work.execute(&accounts, withdraw("alice", 2))?;
                work.execute(&accounts, open("bob"))?;
                work.execute(&accounts, deposit("bob", 2))?;
                Ok(2)
            }
        }));
        assert_eq!(moved.unwrap(), 2);
        assert_eq!(accounts.load(&id("bob")).unwrap().state().cents, 2);
        let batch = alone(accounts.execute_batch_async(&id("bob"), [deposit("bob", 1), deposit("bob", 1)]));
        assert_eq!(batch.unwrap().version(), 4);
    }
}

/// Options go along: keys, expected versions, retries.
#[test]
fn options_hold_in_tasks() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let runtime = runtime();
        runtime.block_on(async {
            let once = ExecuteOptions::new().idempotency_key("request 1").retry(3);
            let first = accounts.execute_with_async(deposit("alice", 5), &once).await.unwrap();
            let again = accounts.execute_with_async(deposit("alice", 5), &once).await.unwrap();
            assert_eq!((first.is_repeated(), again.is_repeated(), again.version()), (false, true, 2));
            let old = ExecuteOptions::new().expected_version(1);
            match accounts.execute_with_async(deposit("alice", 5), &old).await {
                Err(ExecuteError::Conflict(conflict)) => assert_eq!(conflict.actual, 2),
                other => panic!("{other:?}"),
            }
            let unknown: Result<_, AppendError> = store.atomically_async(0, |_| Ok(())).await;
            unknown.unwrap();
        });
    }
}

/// Polls a future to its end on this thread, which has no runtime.
fn alone<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(std::sync::Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
