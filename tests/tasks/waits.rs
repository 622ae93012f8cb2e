use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use factum::Position;
use factum::application::{
    ApplicationCommand as _, ApplicationExt as _, ByNameError, CarriedOut, Hook, Incoming, SeenError,
};
use factum::follow::WaitError;
use factum::prelude::*;
use factum::store::StoreError;
use factum::tasks::{AsyncApplicationExt as _, AsyncStoreExt as _};
use factum::testing::delegate;
use tempfile::TempDir;

use crate::account::{Account, Deposited, Opened, deposit, open};
use crate::blocking::{Gate, ends, many, poll_once};
use crate::bounded::wait_until;
use crate::{LONG, open_file, runtime, stores};

/// A view whose handler waits until it may go on.
#[derive(Clone, Default, Projection)]
#[projection(events(Opened, Deposited), from(Account))]
struct Slow {
    is_open: Arc<(Mutex<bool>, Condvar)>,
}

#[handlers]
impl Slow {
    #[project]
    fn opened(&mut self, _: &Opened) {}

    #[project]
    fn deposited(&mut self, _: &Deposited) {
        let (is_open, changed) = &*self.is_open;
        drop(changed.wait_timeout_while(is_open.lock().unwrap(), LONG, |is_open| !*is_open).unwrap());
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Bank {
    #[projection]
    slow: Slow,
}

/// Many tasks wait for a view without threads. Each is answered, in time or not.
#[test]
fn commands_wait_for_followers() {
    let folder = TempDir::new().unwrap();
    let store = open_file(&folder);
    let slow = Slow::default();
    let runtime = runtime();
    runtime.block_on(async {
        let bank = Bank { slow: slow.clone() }.start_async(&store).await.unwrap();
        let bank = Arc::new(bank);
        let seen = ExecuteOptions::new().seen_by::<Slow>(LONG);
        bank.execute_with_async(open("alice"), &seen).await.unwrap();
        let soon = ExecuteOptions::new().seen_by::<Slow>(Duration::from_millis(20));
        match bank.execute_with_async(deposit("alice", 1), &soon).await {
            Err(SeenError::Unseen { done, late, .. }) => {
                assert_eq!((done.version(), late.len()), (2, 1));
                assert!(matches!(late[0], WaitError::TimedOut { .. }), "{:?}", late[0]);
            }
            other => panic!("{other:?}"),
        }
        let waiting: Vec<_> = (0..200)
            .map(|_| {
                let bank = Arc::clone(&bank);
                tokio::spawn(async move {
                    let seen = ExecuteOptions::new().seen_by::<Slow>(LONG);
                    bank.execute_with_async(deposit("alice", 1), &seen).await.unwrap().version()
                })
            })
            .collect();
        bank.store().wait_for_async(Position::new(202), LONG).await.unwrap();
        *slow.is_open.0.lock().unwrap() = true;
        slow.is_open.1.notify_all();
        for task in waiting {
            assert!(task.await.unwrap() > 2);
        }
        bank.wait_for_async::<Slow>(Position::new(202), LONG).await.unwrap();
        bank.wait_for_all_async(Position::new(202), LONG).await.unwrap();
        match bank.wait_for_async::<Slow>(Position::new(203), Duration::from_millis(1)).await {
            Err(WaitError::TimedOut { wanted, .. }) => assert_eq!(wanted, Position::new(203)),
            other => panic!("{other:?}"),
        }
        let bank = Arc::into_inner(bank).expect("the tasks have ended");
        bank.stop_async(LONG).await.unwrap();
    });
}

/// A wait ends with the append, or with its time.
#[test]
fn positions_are_waited_for() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        let runtime = runtime();
        let waits: Vec<_> = (0..100)
            .map(|_| {
                let store = store.clone();
                runtime.spawn(async move { store.wait_for_async(Position::new(2), LONG).await })
            })
            .collect();
        accounts.execute(open("alice")).unwrap();
        let late = runtime.block_on(store.wait_for_async(Position::new(2), Duration::from_millis(1)));
        assert_eq!(late.unwrap(), Position::new(1));
        accounts.execute(deposit("alice", 1)).unwrap();
        for wait in waits {
            assert_eq!(runtime.block_on(wait).unwrap().unwrap(), Position::new(2));
        }
        assert_eq!(runtime.block_on(store.position_async()).unwrap(), Position::new(2));
    }
}

/// Counts the commands that it sees, and denies those of strangers.
#[derive(Clone, Default)]
struct Guard {
    seen: Arc<Mutex<Vec<String>>>,
}

impl Hook for Guard {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        if command.stream().key() == "stranger" { Err("who are you?".into()) } else { Ok(()) }
    }

    fn after(&self, command: &CarriedOut<'_>) {
        let outcome = command.outcome.map(|answer| answer.version).map_err(|failure| failure.kind);
        self.seen.lock().unwrap().push(format!("{} {outcome:?}", command.name));
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Guarded {
    #[hook]
    guard: Guard,
}

/// A command whose type the caller does not know has the options of others.
#[test]
fn commands_of_any_type_wait_for_followers() {
    let slow = Slow::default();
    runtime().block_on(async {
        let bank = Bank { slow: slow.clone() }.start_async(&MemoryStore::new()).await.unwrap();
        let seen = ExecuteOptions::new().seen_by::<Slow>(LONG).retry(2);
        let answer = bank.execute_any_with_async(BankCommand::of(open("alice")), &seen).await.unwrap();
        assert_eq!(answer.version, 1);
        let hasty = ExecuteOptions::new().seen_by::<Slow>(Duration::from_millis(1));
        let late = bank.execute_any_with_async(BankCommand::of(deposit("alice", 1)), &hasty).await;
        match late.unwrap_err() {
            ByNameError::Unseen { done, late, .. } => assert_eq!((done.version, late.len()), (2, 1)),
            other => panic!("{other}"),
        }
        let options = hasty.clone();
        let bank = tokio::task::spawn_blocking(move || {
            let late = bank.execute_any_with(BankCommand::of(deposit("alice", 1)), &options);
            assert!(matches!(late, Err(ByNameError::Unseen { .. })), "{late:?}");
            bank
        });
        let bank = bank.await.unwrap();
        *slow.is_open.0.lock().unwrap() = true;
        slow.is_open.1.notify_all();
        let answer = bank.execute_any_with_async(BankCommand::of(deposit("alice", 1)), &seen).await.unwrap();
        assert_eq!(answer.version, 4);
        bank.stop_async(LONG).await.unwrap();
    });
}

/// Hooks run around the commands of tasks, as around others.
#[test]
fn hooks_see_the_commands_of_tasks() {
    let guard = Guard::default();
    runtime().block_on(async {
        let bank = Guarded { guard: guard.clone() }.start_async(&MemoryStore::new()).await.unwrap();
        bank.execute_async(open("alice")).await.unwrap();
        bank.execute_with_async(deposit("alice", 1), &ExecuteOptions::new().retry(2)).await.unwrap();
        assert!(matches!(bank.execute_async(deposit("alice", 0)).await, Err(ExecuteError::Refused(_))));
        assert!(matches!(bank.execute_async(open("stranger")).await, Err(ExecuteError::Denied(_))));
        let answer = bank.execute_any_async(GuardedCommand::of(deposit("alice", 1))).await.unwrap();
        assert_eq!(answer.version, 3);
        bank.stop_async(LONG).await.unwrap();
    });
    let seen = guard.seen.lock().unwrap();
    assert_eq!(*seen, ["open Ok(1)", "deposit Ok(2)", "deposit Err(Refused)", "deposit Ok(3)"]);
}

/// A store without a way to wake, and one whose `watch` waits at a gate.
#[derive(Clone)]
struct Watched {
    store: MemoryStore,
    gate: Option<Gate>,
    watchers: Arc<AtomicUsize>,
}

impl EventStore for Watched {
    delegate!(self => self.store; append, read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);

    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        let Some(gate) = &self.gate else { return Ok(false) };
        gate.pass();
        self.watchers.fetch_add(1, Ordering::SeqCst);
        self.store.watch(waker)
    }

    fn unwatch(&self, waker: &Waker) {
        if self.gate.is_some() {
            self.watchers.fetch_sub(1, Ordering::SeqCst);
            self.store.unwatch(waker);
        }
    }
}

/// The waits leave threads to the commands that they wait for.
#[test]
fn waits_for_a_store_that_wakes_nothing_hold_no_thread() {
    let store = Watched { store: MemoryStore::new(), gate: None, watchers: Arc::default() };
    let accounts = store.repository::<Account>();
    let runtime = runtime();
    let waits: Vec<_> = (0..many())
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.wait_for_async(Position::new(1), LONG).await.unwrap() })
        })
        .collect();
    // All wait.
    thread::sleep(Duration::from_millis(100));
    runtime.block_on(accounts.execute_async(open("alice"))).unwrap();
    for wait in waits {
        assert_eq!(runtime.block_on(wait).unwrap(), Position::new(1));
    }
}

/// A wait that is dropped while the store begins to watch leaves no watcher behind.
#[test]
fn a_dropped_wait_watches_no_more() {
    let gate = Gate::default();
    let store = Watched { store: MemoryStore::new(), gate: Some(gate.clone()), watchers: Arc::default() };
    let runtime = runtime();
    runtime.block_on(async {
        let mut wait = Box::pin(store.wait_for_async(Position::new(1), LONG));
        assert!(!poll_once(&mut wait));
        wait_until(|| gate.arrived() == 1);
        drop(wait);
    });
    gate.open();
    drop(runtime);
    assert_eq!(store.watchers.load(Ordering::SeqCst), 0);
}

type Work = Box<dyn FnOnce() + Send>;

/// A view whose handler does something else once.
#[derive(Clone, Default, Projection)]
#[projection(events(Opened), from(Account))]
struct Asks {
    work: Arc<Mutex<Option<Work>>>,
}

#[handlers]
impl Asks {
    #[project]
    fn opened(&mut self, _: &Opened) {
        let work = self.work.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Asking {
    #[projection]
    asks: Asks,
}

/// A handler that waits for its own follower waits for itself: it gets its answer at once, as without tasks.
#[test]
fn a_handler_does_not_wait_for_itself() {
    ends(|| {
        let (store, asks, runtime) = (MemoryStore::new(), Asks::default(), runtime());
        let bank = Arc::new(Asking { asks: asks.clone() }.start(&store).unwrap());
        let (of_handler, handle, (send, answer)) = (Arc::clone(&bank), runtime.handle().clone(), channel());
        *asks.work.lock().unwrap() = Some(Box::new(move || {
            let seen = of_handler.wait_for_async::<Asks>(Position::new(2), Duration::MAX);
            let seen = handle.block_on(seen);
            let deposited = handle.block_on(of_handler.execute_async(deposit("alice", 1))).unwrap().version();
            drop(of_handler);
            send.send((seen, deposited)).unwrap();
        }));
        runtime.block_on(bank.execute_async(open("alice"))).unwrap();
        let (seen, deposited) = answer.recv().unwrap();
        assert!(matches!(seen, Err(WaitError::TimedOut { .. })), "{seen:?}");
        assert_eq!(deposited, 2);
        let bank = Arc::into_inner(bank).unwrap();
        runtime.block_on(bank.stop_async(LONG)).unwrap();
    });
}
