//! Hooks that await.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use factum::application::{ApplicationExt as _, CarriedOut, FollowerEvent, Incoming};
use factum::prelude::*;
use factum::tasks::{AsyncApplicationExt as _, AsyncHook, Awaited};
use factum::with_causes;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, spawn, yield_now};

use crate::account::{Account, Deposit, Opened, deposit, id, open};
use crate::blocking::{ends, many};
use crate::{LONG, runtime};

/// How often the hook was called.
#[derive(Default)]
struct Calls {
    before: AtomicUsize,
    after: AtomicUsize,
    events: AtomicUsize,
}

/// Asks a task for each command and each event.
#[derive(Default)]
struct Asks(Arc<Calls>);

impl AsyncHook for Asks {
    async fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        // A future that has this can't go to another thread.
        let name = Rc::new(command.name());
        spawn(yield_now()).await?;
        self.0.before.fetch_add(1, Ordering::SeqCst);
        match (*name, command.command::<Deposit>()) {
            (_, Some(deposit)) if deposit.cents == 13 => Err("no luck".into()),
            (_, Some(deposit)) if deposit.cents == 14 => panic!("out of luck"),
            _ => Ok(command.enrich("asked", "a task")?),
        }
    }

    async fn after(&self, _: &CarriedOut<'_>) {
        spawn(yield_now()).await.unwrap();
        self.0.after.fetch_add(1, Ordering::SeqCst);
    }

    async fn before_event(&self, _: &FollowerEvent<'_>) -> Result<(), BoxError> {
        spawn(yield_now()).await?;
        self.0.events.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Gives each new account a gift, by a command that the hooks see, from within a future.
#[derive(Reaction)]
#[reaction(events(Opened), from(Account), commands(Deposit))]
struct Gift;

#[handlers]
impl Gift {
    #[react]
    async fn opened(&self, _: &Opened, key: &str, delivery: &Delivery<Self>) -> Result<(), BoxError> {
        yield_now().await;
        Ok(delivery.execute(deposit(key, 5))?)
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Bank {
    #[hook]
    asks: Awaited<Asks>,
    #[reaction]
    gift: Gift,
}

#[test]
fn hooks_await_around_commands_and_events() {
    ends(|| {
        let (store, calls) = (SqliteStore::in_memory().unwrap(), Arc::<Calls>::default());
        let runtime = runtime();
        runtime.block_on(async {
            let bank = Bank { asks: Awaited::new(Asks(Arc::clone(&calls))).unwrap(), gift: Gift };
            let bank = bank.start_async(&store).await.unwrap();
            let seen = ExecuteOptions::new().seen_by::<Gift>(LONG);
            bank.execute_with_async(open("alice"), &seen).await.unwrap();
            let denied = bank.execute_async(deposit("alice", 13)).await.unwrap_err();
            assert_eq!(with_causes(&denied), "denied by the hook `asks`: no luck");
            let denied = bank.execute_async(deposit("alice", 14)).await.unwrap_err();
            assert!(with_causes(&denied).contains("out of luck"), "{}", with_causes(&denied));
            assert_eq!(bank.hooks()[0].panics, 1);
            bank.stop_async(LONG).await.unwrap();
        });
        // Without tasks, the thread waits.
        let bank = Bank { asks: Awaited::on(Asks(Arc::clone(&calls)), runtime.handle()), gift: Gift };
        let bank = {
            let _entered = runtime.enter();
            bank.start(&store).unwrap()
        };
        bank.execute(deposit("alice", 7)).unwrap();
        let accounts = store.repository::<Account>();
        let history: Vec<_> = accounts.history(&id("alice")).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(history.len(), 3);
        for event in history {
            assert_eq!(event.metadata.custom_json(), Some(r#"{"asked":"a task"}"#));
        }
        let [before, after, events] = [&calls.before, &calls.after, &calls.events];
        assert_eq!(
            [before, after, events].map(|count| count.load(Ordering::SeqCst)),
            [5, 3, 1],
            "the two commands that are denied have no outcome, and one event is the reaction's"
        );
    });
}

/// Lets no command pass before so many have come.
struct Together(Barrier);

impl AsyncHook for Together {
    async fn before(&self, _: &mut Incoming<'_>) -> Result<(), BoxError> {
        self.0.wait().await;
        Ok(())
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Meeting {
    #[hook]
    together: Awaited<Together>,
}

/// While hooks await, other commands have the threads that work for factum.
#[test]
fn more_hooks_await_than_threads_work_for_factum() {
    ends(|| {
        runtime().block_on(async {
            let together = Awaited::new(Together(Barrier::new(many()))).unwrap();
            let meeting = Meeting { together }.start_async(&MemoryStore::new()).await.unwrap();
            let meeting = Arc::new(meeting);
            let mut tasks = JoinSet::new();
            for task in 0..many() {
                let meeting = Arc::clone(&meeting);
                tasks.spawn(async move { meeting.execute_async(open(&task.to_string())).await });
            }
            for done in tasks.join_all().await {
                done.unwrap();
            }
        });
    });
}

#[test]
fn a_hook_that_awaits_needs_a_runtime() {
    let error = Awaited::new(Asks::default()).map(drop).unwrap_err();
    assert!(error.to_string().contains("runs on a runtime of tokio"), "{error}");
}
