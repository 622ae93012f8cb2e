//! Programs that share the partitions of a follower. Each has a store of its own on one file.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use factum::Position;
use factum::follow::{Activity, FollowerChange, PartitionPlace, RunningFollower};
use factum::prelude::*;
use factum::store::{Filter, StoreError, Visit};
use factum::testing::delegate;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::account::{Account, Opened, open};
use crate::support::stores::{LONG, open_store};

/// Each partition has some of so many accounts.
const ACCOUNTS: u32 = 30;

type Handle = dyn Fn() -> Result<(), BoxError> + Send + Sync;

/// The reaction that the programs share. Each program handles an event in its own way.
#[derive(Clone, Reaction)]
#[reaction(name = "shared", from(Account), events(Opened), partition_by = stream)]
struct Shared(Arc<Handle>);

#[handlers]
impl Shared {
    #[react]
    fn opened(&self, _: &Opened) -> Result<(), BoxError> {
        (self.0)()
    }
}

type Running = RunningFollower<SqliteReaction<Shared>>;

/// A file with accounts, which two programs have open.
struct Programs {
    stores: [SqliteStore; 2],
    folder: TempDir,
}

impl Programs {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stores = [(); 2].map(|()| open_store(&folder.path().join("bank.db")));
        let accounts = stores[0].repository::<Account>();
        for number in 0..ACCOUNTS {
            accounts.execute(open(&format!("a{number}"))).unwrap();
        }
        Self { stores, folder }
    }

    fn reaction(
        &self,
        program: usize,
        workers: u32,
        handle: impl Fn() -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> SqliteReaction<Shared> {
        SqliteReaction::new(&self.stores[program], Shared(Arc::new(handle))).unwrap().workers(workers)
    }
}

/// How many partitions run here.
fn here(running: &Running) -> usize {
    let partitions = running.state().partitions;
    partitions.iter().filter(|partition| partition.place == PartitionPlace::Here).count()
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LONG, "it does not come");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The worker of one partition is busy, and those of the others have ended: another program runs these meanwhile.
#[test]
fn a_catch_up_hands_over_the_partitions_of_workers_that_have_ended() {
    let programs = Programs::start();
    let (begun, has_begun) = channel();
    let (go, wait) = channel::<()>();
    let (is_first, wait) = (AtomicBool::new(true), Mutex::new(wait));
    let mut slow = programs.reaction(0, 3, move || {
        if is_first.swap(false, Ordering::SeqCst) {
            begun.send(())?;
            // An error is the end of the wait.
            let _ = wait.lock().unwrap().recv_timeout(2 * LONG);
        }
        Ok(())
    });
    thread::scope(|scope| {
        let catch_up = scope.spawn(move || slow.catch_up());
        has_begun.recv_timeout(LONG).unwrap();
        let other = programs.reaction(1, 3, || Ok(())).follow().on_change(|_| {}).start().unwrap();
        wait_until(|| here(&other) == 2);
        drop(go);
        catch_up.join().unwrap().unwrap();
        wait_until(|| here(&other) == 3);
    });
}

/// All workers of a program wait for a retry. It hands over a partition before the next attempt.
#[test]
fn a_program_that_waits_for_retries_hands_partitions_over_at_once() {
    for _ in 0..3 {
        let programs = Programs::start();
        let attempts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&attempts);
        let failing = programs.reaction(0, 2, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            Err("not now".into())
        });
        let failing = failing.follow().retry(u32::MAX, Duration::from_hours(1)).on_change(|_| {});
        let failing = failing.start().unwrap();
        wait_until(|| attempts.load(Ordering::SeqCst) == 2);
        let other = programs.reaction(1, 2, || Ok(())).follow().on_change(|_| {}).start().unwrap();
        wait_until(|| here(&other) == 1);
        let attempts = attempts.load(Ordering::SeqCst);
        assert!(matches!(failing.state().activity, Activity::Retrying { .. }));
        // A slow machine may take longer than the delay of a retry.
        if attempts == 2 {
            return;
        }
    }
    panic!("the partition was handed over after the next attempt, each time");
}

/// A release that fails is tried again: the lease does not end by itself.
#[test]
fn a_partition_whose_release_fails_is_released_later() {
    let programs = Programs::start();
    let (said, heard) = channel();
    let hook = move |change: &FollowerChange| {
        if let FollowerChange::Retrying { position: None, error, .. } = change {
            let _ = said.send(error.clone());
        }
    };
    let first = programs.reaction(0, 2, || Ok(())).follow().lease(LONG * 60);
    let first = first.retry(u32::MAX, Duration::from_millis(1)).on_change(hook).start().unwrap();
    first.wait_for(programs.stores[0].position().unwrap(), LONG).unwrap();
    assert_eq!(here(&first), 2);
    let file = Connection::open(programs.folder.path().join("bank.db")).unwrap();
    file.busy_timeout(LONG).unwrap();
    let refuse =
        "CREATE TRIGGER keep BEFORE DELETE ON factum_leases BEGIN SELECT RAISE(ABORT, 'not now'); END";
    file.execute_batch(refuse).unwrap();
    let other = programs.reaction(1, 2, || Ok(())).follow().lease(LONG * 60).on_change(|_| {}).start();
    let other = other.unwrap();
    for _ in 0..3 {
        let error = heard.recv_timeout(LONG).unwrap();
        assert!(error.contains("not now"), "{error}");
    }
    assert_eq!(here(&other), 0);
    file.execute_batch("DROP TRIGGER keep").unwrap();
    wait_until(|| here(&first) == 1 && here(&other) == 1);
}

/// A store that counts how often the newest position is asked for.
#[derive(Clone)]
struct Counted {
    store: SqliteStore,
    asked: Arc<AtomicU32>,
}

impl EventStore for Counted {
    delegate!(self => self.store; append, read_stream, replay, stream_version, watch, unwatch, outcome, forget_keys_before,
        read_snapshot, save_snapshot, drop_snapshots,
    );

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.store.read_all(filter, after, limit, visit)
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.store.position()
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        self.store.wait_for(position, timeout)
    }
}

/// A program with several workers waits for the lease of one that is behind: the longer it waits, the less often it looks.
#[test]
fn several_workers_that_stand_by_look_less_and_less_often() {
    /// How often both workers look in a second, at most. Each of them would look 200 times if it always waited as it does at first.
    const MOST_LOOKS: f64 = 150.0;
    let programs = Programs::start();
    let Programs { stores: [store, views], .. } = &programs;
    let (begun, has_begun) = channel();
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let busy = move || {
        begun.send(())?;
        let _ = wait.lock().unwrap().recv_timeout(2 * LONG);
        Ok(())
    };
    let counted = || Counted { store: store.clone(), asked: Arc::default() };
    let (of_first, of_other) = (counted(), counted());
    let start = |events: &Counted, workers, handle: Arc<Handle>| {
        let reaction = SqliteReaction::in_store(views, events, Shared(handle)).unwrap().workers(workers);
        reaction.follow().on_change(|_| {}).start().unwrap()
    };
    let first = start(&of_first, 1, Arc::new(busy));
    has_begun.recv_timeout(LONG).unwrap();
    let other = start(&of_other, 2, Arc::new(|| Ok(())));
    wait_until(|| matches!(other.state().activity, Activity::WaitingForLease { .. }));
    let (begun, before) = (Instant::now(), of_other.asked.load(Ordering::SeqCst));
    thread::sleep(Duration::from_secs(2));
    let looks = of_other.asked.load(Ordering::SeqCst) - before;
    let seconds = begun.elapsed().as_secs_f64();
    drop(go);
    assert!(looks > 0 && f64::from(looks) < MOST_LOOKS * seconds, "{looks} looks in {seconds} s");
    drop((first, other));
}
