//! `async` handlers of reactions: on the caller's runtime, and with all that holds for others.

use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::Position;
use factum::application::ApplicationExt as _;
use factum::follow::{Activity, FollowError, OnFailure, ReactionError, RunningFollower};
use factum::prelude::*;
use factum::tasks::AsyncApplicationExt as _;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::spawn;
use tokio::time::sleep;

use crate::account::{Account, Deposited, Opened, deposit, open};
use crate::bounded::wait_until;
use crate::{LONG, open_file};

/// What has left the program, and what the handlers wait for.
#[derive(Debug)]
struct World {
    /// Cents and attempt of each mail, in the order in which they were sent.
    mails: Mutex<Vec<(i64, u32)>>,
    /// How many handlers wait for the gate, and how many were dropped there.
    waiting: AtomicU32,
    dropped: AtomicU32,
    gate: Semaphore,
}

impl Default for World {
    fn default() -> Self {
        let (mails, waiting, dropped) = Default::default();
        Self { mails, waiting, dropped, gate: Semaphore::new(0) }
    }
}

impl World {
    fn mails(&self) -> Vec<(i64, u32)> {
        self.mails.lock().unwrap().clone()
    }

    async fn pass_gate(&self) {
        struct Dropped<'a>(&'a World);

        impl Drop for Dropped<'_> {
            fn drop(&mut self) {
                self.0.dropped.fetch_add(1, Ordering::SeqCst);
            }
        }

        let dropped = Dropped(self);
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.unwrap().forget();
        std::mem::forget(dropped);
    }
}

const FAILS: i64 = 13;
const PANICS: i64 = 14;
const WAITS: i64 = 15;

/// A mail for each deposit, sent by a task of the runtime.
#[derive(Debug, Default, Clone, Reaction)]
#[reaction(name = "mails", events(Opened, Deposited), from(Account), partition_by = stream)]
struct Mails {
    world: Arc<World>,
}

#[handlers]
impl Mails {
    #[react]
    async fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        delivery: &Delivery,
    ) -> Result<(), BoxError> {
        // A future that has this can't go to another thread.
        let cents = Rc::new(event.cents);
        sleep(Duration::from_millis(1)).await;
        match *cents {
            FAILS => return Err(format!("no mail for {}", envelope.key).into()),
            PANICS => panic!("the mail server is on fire"),
            WAITS => self.world.pass_gate().await,
            _ => {}
        }
        let (world, mail) = (Arc::clone(&self.world), (*cents, delivery.attempt()));
        spawn(async move { world.mails.lock().unwrap().push(mail) }).await?;
        Ok(())
    }

    /// Beside those that wait, one that does not.
    #[react]
    fn opened(&self, _: &Opened) {}
}

fn runtime_with_time() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

/// A store in which Alice has an account with these deposits.
fn store_with(deposits: impl IntoIterator<Item = i64>) -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for cents in deposits {
        accounts.execute(deposit("alice", cents)).unwrap();
    }
    store
}

fn mails(store: &SqliteStore, world: &Arc<World>) -> SqliteReaction<Mails> {
    SqliteReaction::new(store, Mails { world: Arc::clone(world) }).unwrap()
}

fn follow(store: &SqliteStore, world: &Arc<World>) -> RunningFollower<SqliteReaction<Mails>> {
    mails(store, world).follow().on_change(|_| {}).start().unwrap()
}

#[test]
fn handlers_wait_on_the_callers_runtime_and_in_order() {
    let (runtime, store, world) = (runtime_with_time(), store_with(1..=5), Arc::default());
    let _entered = runtime.enter();
    let running = follow(&store, &world);
    running.wait_for(Position::new(6), LONG).unwrap();
    assert_eq!(world.mails(), (1..=5).map(|cents| (cents, 1)).collect::<Vec<_>>());
    running.stop().unwrap();
    // A caller that waits for the end of the store has handlers that wait too.
    assert_eq!(mails(&store, &world).catch_up().unwrap().events, 0);
    store.repository::<Account>().execute(deposit("alice", 6)).unwrap();
    assert_eq!(mails(&store, &world).catch_up().unwrap().events, 1);
    assert_eq!(world.mails().last(), Some(&(6, 1)));
}

/// What a handler returns after an await, and its panic there, are errors of its event.
#[test]
fn errors_and_panics_are_retried_and_become_dead_letters() {
    let (runtime, store, world) = (runtime_with_time(), store_with([FAILS, PANICS, 1]), Arc::default());
    let _entered = runtime.enter();
    let follower = mails(&store, &world).follow().on_change(|_| {});
    let running =
        follower.retry(2, Duration::from_millis(1)).on_failure(OnFailure::DeadLetter).start().unwrap();
    running.wait_for(Position::new(4), LONG).unwrap();
    let letters: Vec<_> = running.dead_letters().unwrap();
    let letters: Vec<_> =
        letters.iter().map(|letter| (letter.position.get(), &*letter.error, letter.attempts)).collect();
    let (failed, panicked) = (letters[0].1.contains("no mail for alice"), letters[1].1.contains("on fire"));
    assert!(failed && panicked, "{letters:?}");
    assert_eq!((letters[0].0, letters[0].2, letters[1].0, letters[1].2), (2, 3, 3, 3));
    assert_eq!(world.mails(), [(1, 1)]);
}

/// The handlers run on a runtime. Without one, nothing starts, and no event is the first to fail.
#[test]
fn without_a_runtime_nothing_starts() {
    let (store, world) = (store_with([1]), Arc::default());
    let is_no_runtime =
        |error: &FollowError| matches!(error, FollowError::NoRuntime { follower: "mails", .. });
    assert!(is_no_runtime(&mails(&store, &world).follow().start().unwrap_err()));
    let caught = mails(&store, &world).catch_up();
    assert!(matches!(&caught, Err(ReactionError::Follow(error)) if is_no_runtime(error)), "{caught:?}");
    let retried = mails(&store, &world).retry_dead_letters();
    assert!(matches!(&retried, Err(ReactionError::Follow(error)) if is_no_runtime(error)), "{retried:?}");
    let error = Bank { mails: Mails { world: Arc::clone(&world) } }.start(&store).unwrap_err();
    assert_eq!(error.follower, "mails");
    assert!(error.source.downcast_ref().is_some_and(is_no_runtime), "{error:?}");
    assert_eq!((mails(&store, &world).position().unwrap(), world.mails()), (Position::START, vec![]));
}

#[derive(Application)]
#[application(aggregates(Account))]
struct Bank {
    #[reaction]
    mails: Mails,
}

#[test]
fn an_application_that_a_task_starts_has_the_tasks_runtime() {
    let (store, world) = (store_with([]), Arc::<World>::default());
    runtime_with_time().block_on(async {
        let bank = Bank { mails: Mails { world: Arc::clone(&world) } };
        let bank = bank.start_async(&store).await.unwrap();
        let seen = ExecuteOptions::new().seen_by::<Mails>(LONG);
        bank.execute_with_async(deposit("alice", 1), &seen).await.unwrap();
        assert_eq!(world.mails(), [(1, 1)]);
        bank.stop_async(LONG).await.unwrap();
    });
}

/// A follower that is stopped lets its handler go on, and handles no further event.
#[test]
fn a_follower_that_is_stopped_waits_for_its_handler() {
    let (runtime, store, world) = (runtime_with_time(), store_with([WAITS, 1]), Arc::<World>::default());
    let _entered = runtime.enter();
    let running = follow(&store, &world);
    wait_until(|| world.waiting.load(Ordering::SeqCst) == 1);
    running.begin_stop();
    world.gate.add_permits(1);
    let follower = running.stop_within(LONG).unwrap();
    assert_eq!((world.mails(), follower.position().unwrap()), (vec![(WAITS, 1)], Position::new(2)));
    assert_eq!(world.dropped.load(Ordering::SeqCst), 0);
}

/// When the time to stop is over, the handler is dropped where it awaits. Its event is no dead letter: it comes again.
#[test]
fn a_handler_that_awaits_longer_is_given_up_and_its_event_comes_again() {
    for workers in [1, 2] {
        let (runtime, store, world) = (runtime_with_time(), store_with([WAITS]), Arc::<World>::default());
        let _entered = runtime.enter();
        let follower = mails(&store, &world).workers(workers).follow().on_change(|_| {});
        let running = follower.on_failure(OnFailure::DeadLetter).start().unwrap();
        wait_until(|| world.waiting.load(Ordering::SeqCst) == 1);
        let stopped = running.stop_within(Duration::from_millis(10));
        assert!(matches!(stopped, Err(ReactionError::Follow(FollowError::StillRuns { .. }))), "{stopped:?}");
        wait_until(|| world.dropped.load(Ordering::SeqCst) == 1);
        assert_eq!(mails(&store, &world).dead_letters().unwrap().len(), 0);
        world.gate.add_permits(1);
        let running = follow(&store, &world);
        running.wait_for(Position::new(2), LONG).unwrap();
        assert_eq!(world.mails(), [(WAITS, 1)]);
    }
}

/// A runtime that is shut down too early is the fault of no event: the follower ends, and none is a dead letter.
#[test]
fn a_follower_whose_runtime_was_shut_down_ends_before_its_event() {
    let (runtime, store, world) = (runtime_with_time(), store_with([WAITS, 1, 2]), Arc::<World>::default());
    let entered = runtime.enter();
    let follower = mails(&store, &world).follow().on_change(|_| {}).retry(0, Duration::ZERO);
    let running = follower.on_failure(OnFailure::DeadLetter).start().unwrap();
    wait_until(|| world.waiting.load(Ordering::SeqCst) == 1);
    drop(entered);
    runtime.shutdown_background();
    // The handler goes on, and spawns a task that the runtime drops.
    world.gate.add_permits(1);
    wait_until(|| running.has_ended());
    let error = running.stop().map(drop).unwrap_err();
    let ended = matches!(&error, ReactionError::Follow(FollowError::RuntimeEnded { position, .. }) if position.get() == 2);
    assert!(ended, "{error:?}");
    assert_eq!(mails(&store, &world).dead_letters().unwrap(), []);

    let runtime = runtime_with_time();
    let _entered = runtime.enter();
    world.gate.add_permits(1);
    let running = follow(&store, &world);
    running.wait_for(Position::new(4), LONG).unwrap();
    assert_eq!(world.mails(), [(WAITS, 1), (1, 1), (2, 1)]);
    running.stop().unwrap();
}

/// The lease is renewed while a handler awaits, so that no other runner gets the event.
#[test]
fn the_lease_is_kept_while_a_handler_awaits() {
    let folder = TempDir::new().unwrap();
    let (store, world) = (open_file(&folder), Arc::<World>::default());
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", WAITS)).unwrap();
    let (runtime, lease) = (runtime_with_time(), Duration::from_millis(100));
    let _entered = runtime.enter();
    let start = || mails(&store, &world).follow().lease(lease).on_change(|_| {}).start().unwrap();
    let first = start();
    wait_until(|| world.waiting.load(Ordering::SeqCst) == 1);
    let second = start();
    let mut holders = vec![];
    // Three leases, each of which ends later than the one before.
    wait_until(|| {
        if let Activity::WaitingForLease { holder, .. } = second.state().activity
            && holders.last() != Some(&holder.until)
        {
            holders.push(holder.until);
        }
        holders.len() > 3
    });
    assert_eq!(world.waiting.load(Ordering::SeqCst), 1, "the other runner has the event too");
    world.gate.add_permits(1);
    first.wait_for(Position::new(2), LONG).unwrap();
    assert_eq!(world.mails(), [(WAITS, 1)]);
}

/// Meets others of its kind, each of another store.
#[derive(Debug, Clone, Reaction)]
#[reaction(events(Deposited), from(Account))]
struct Meets {
    others: Arc<Barrier>,
}

#[handlers]
impl Meets {
    #[react]
    async fn deposited(&mut self, _: &Deposited) {
        self.others.wait().await;
    }
}

/// Followers share 8 threads. Five times as many handlers wait at once, for one another.
#[test]
fn more_handlers_await_than_followers_have_threads() {
    let runtime = runtime_with_time();
    let _entered = runtime.enter();
    let others = Arc::new(Barrier::new(40));
    let running: Vec<_> = (0..40)
        .map(|_| {
            let meets = Meets { others: Arc::clone(&others) };
            SqliteReaction::new(&store_with([1]), meets).unwrap().follow().start().unwrap()
        })
        .collect();
    for running in &running {
        running.wait_for(Position::new(2), LONG).unwrap();
    }
}

/// Gives a command, and waits for another one, as a task would.
#[derive(Debug, Clone, Reaction)]
#[reaction(events(Opened), from(Account), commands(crate::account::Deposit))]
struct Gift {
    accounts: Repository<Account, SqliteStore>,
}

#[handlers]
impl Gift {
    #[react]
    async fn opened(&self, _: &Opened, key: &str, delivery: &Delivery<Self>) -> Result<(), BoxError> {
        delivery.execute(deposit(key, 5))?;
        self.accounts.execute_with_async(deposit(key, 7), &delivery.options()).await?;
        Ok(())
    }
}

#[derive(Application)]
#[application(aggregates(Account))]
struct GiftBank {
    #[reaction]
    gift: Gift,
}

#[test]
fn an_async_handler_executes_commands_in_both_ways() {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    runtime_with_time().block_on(async {
        let bank = GiftBank { gift: Gift { accounts: accounts.clone() } };
        let bank = bank.start_async(&store).await.unwrap();
        let seen = ExecuteOptions::new().seen_by::<Gift>(LONG);
        bank.execute_with_async(open("alice"), &seen).await.unwrap();
        let alice = accounts.load_async(&crate::account::id("alice")).await.unwrap();
        assert_eq!((alice.version(), alice.state().cents), (3, 12));
        bank.stop_async(LONG).await.unwrap();
    });
}
