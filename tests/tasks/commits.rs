//! How tasks wait for their commits: without a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use factum::UnitOfWork;
use factum::application::{ApplicationCommand as _, ByNameError};
use factum::prelude::*;
use factum::store::{Append, AppendError, Appended, Chain, QueueError, Queued, QueuedAppend, TaskAnswer};
use factum::tasks::{AsyncApplicationExt as _, AsyncStoreExt as _};
use factum::testing::delegate;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::account::{Account, AccountCommand, deposit, id, open};
use crate::blocking::{ends, many};
use crate::bounded::wait_until;
use crate::{LONG, runtime};

/// A store in memory that answers when a gate opens, and counts who waits for the answer.
#[derive(Clone, Default)]
struct Gated {
    store: MemoryStore,
    counts: Arc<Counts>,
}

struct Counts {
    gate: Semaphore,
    threads: AtomicUsize,
    tasks: AtomicUsize,
}

impl Default for Counts {
    fn default() -> Self {
        Self { gate: Semaphore::new(0), threads: AtomicUsize::new(0), tasks: AtomicUsize::new(0) }
    }
}

impl Gated {
    fn waiting(&self) -> [usize; 2] {
        [&self.counts.threads, &self.counts.tasks].map(|count| count.load(Ordering::SeqCst))
    }
}

struct Answer {
    answer: Result<Appended, QueueError>,
    counts: Arc<Counts>,
}

impl Queued for Answer {
    fn wait(self: Box<Self>) -> Result<Appended, QueueError> {
        self.counts.threads.fetch_add(1, Ordering::SeqCst);
        self.answer
    }

    fn wait_as_task(self: Box<Self>) -> TaskAnswer {
        self.counts.tasks.fetch_add(1, Ordering::SeqCst);
        TaskAnswer::Later(Box::pin(async move {
            self.counts.gate.acquire().await.unwrap().forget();
            self.answer
        }))
    }
}

impl EventStore for Gated {
    delegate!(self => self.store; append, read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], _: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        let answer = self.store.append(appends).map_err(QueueError::from);
        Some(QueuedAppend::new(Answer { answer, counts: Arc::clone(&self.counts) }))
    }
}

#[derive(Application)]
#[application(aggregates(Account), json)]
struct Bank {}

/// More commands than threads work for factum wait for their answers at once, and no thread does.
#[test]
fn commands_by_name_wait_without_a_thread() {
    ends(|| {
        let store = Gated::default();
        runtime().block_on(async {
            let bank = Arc::new(Bank {}.start_async(&store).await.unwrap());
            let mut tasks = JoinSet::new();
            for task in 0..many() {
                let bank = Arc::clone(&bank);
                tasks.spawn(async move {
                    let owner = task.to_string();
                    if task.is_multiple_of(2) {
                        return bank.execute_any_async(BankCommand::of(open(&owner))).await;
                    }
                    let json = format!(r#"{{"account": "{owner}", "owner": "{owner}"}}"#);
                    bank.execute_json_async("open", &json).await
                });
            }
            let waiting = store.clone();
            tokio::task::spawn_blocking(move || wait_until(|| waiting.waiting() == [0, many()]))
                .await
                .unwrap();
            store.counts.gate.add_permits(many());
            for answer in tasks.join_all().await {
                assert_eq!((answer.unwrap().version), 1);
            }
            store.counts.gate.add_permits(1);
            let refused = bank.execute_any_async(BankCommand::of(deposit("0", 0))).await.unwrap_err();
            assert_eq!(refused.to_string(), "0 is no amount");
            Arc::into_inner(bank).unwrap().stop_async(LONG).await.unwrap();
        });
    });
}

/// So do batches and units of work. They are decided on a thread, and a conflict is decided again.
#[test]
fn batches_and_units_of_work_wait_without_a_thread() {
    ends(|| {
        let store = Gated::default();
        let accounts = store.repository::<Account>();
        runtime().block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..many() {
                let (store, accounts, owner) = (store.clone(), accounts.clone(), task.to_string());
                tasks.spawn(async move {
                    if task.is_multiple_of(2) {
                        let commands = [AccountCommand::from(open(&owner)), deposit(&owner, 1).into()];
                        let done = accounts.execute_batch_async(&id(&owner), commands).await.unwrap();
                        return done.version();
                    }
                    let mut units = 0;
                    let work = move |unit: &mut UnitOfWork<'_, _>| {
                        units += 1;
                        unit.execute(&accounts, open(&owner))?;
                        if units == 1 {
                            // Another writer is faster.
                            accounts.store().store.repository::<Account>().execute(open(&owner))?;
                        }
                        Ok::<_, BoxError>(unit.execute(&accounts, deposit(&owner, 1))?.state().cents + units)
                    };
                    u64::try_from(store.atomically_async(1, work).await.unwrap()).unwrap() - 1
                });
            }
            let waiting = store.clone();
            let units = many() / 2;
            let are_waiting = move || wait_until(|| waiting.waiting() == [0, many()]);
            tokio::task::spawn_blocking(are_waiting).await.unwrap();
            store.counts.gate.add_permits(many() + units);
            for version in tasks.join_all().await {
                assert_eq!(version, 2);
            }
            assert_eq!(store.waiting(), [0, many() + units], "each unit once more");
        });
        for task in 0..many() {
            assert_eq!(accounts.load(&id(&task.to_string())).unwrap().version(), 2);
        }
    });
}

/// A store in which another writer is faster, so many times.
#[derive(Clone)]
struct Slower {
    store: MemoryStore,
    others: Arc<AtomicUsize>,
}

impl EventStore for Slower {
    delegate!(self => self.store; read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before);

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        let is_faster = |left: usize| left.checked_sub(1);
        if self.others.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_faster).is_ok() {
            self.store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        }
        self.store.append(appends)
    }
}

#[test]
fn commands_by_name_are_retried() {
    let store = Slower { store: MemoryStore::new(), others: Arc::default() };
    store.repository::<Account>().execute(open("alice")).unwrap();
    let is_slower = |times| store.others.store(times, Ordering::SeqCst);
    let json = r#"{"account": "alice", "cents": 5}"#;
    runtime().block_on(async {
        let bank = Bank {}.start_async(&store).await.unwrap();
        is_slower(2);
        let retried = ExecuteOptions::new().retry(2);
        assert_eq!(bank.execute_json_with_async("deposit", json, &retried).await.unwrap().version, 4);
        is_slower(1);
        let once = bank.execute_json_async("deposit", json).await;
        assert!(matches!(once, Err(ByNameError::Conflict(_))), "{once:?}");
        is_slower(2);
        let command = || BankCommand::of(deposit("alice", 5));
        let bank = tokio::task::spawn_blocking(move || {
            assert_eq!(bank.execute_any_with(command(), &ExecuteOptions::new().retry(2)).unwrap().version, 8);
            bank
        });
        let bank = bank.await.unwrap();
        is_slower(3);
        let too_few = bank.execute_any_with_async(command(), &ExecuteOptions::new().retry(2)).await;
        assert!(matches!(too_few, Err(ByNameError::Conflict(_))), "{too_few:?}");
        bank.stop_async(LONG).await.unwrap();
    });
}
