//! Programs that share the partitions of a follower.

mod lock_order;
pub(crate) mod programs;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use factum::follow::{Activity, Follower, FollowerState, PartitionPlace, PartitionState, RunningFollower};
use factum::postgres::PostgresProjection;
use factum::prelude::*;

use crate::LONG;
use crate::account::{Account, Deposited, deposit, id, open};
use crate::server::on_server;
use crate::support::bounded::wait_until;
use crate::support::sql_views::{SqlBalances, balances};

const ACCOUNTS: usize = 20;

/// Each account gets deposits of one cent until this ends.
pub(crate) struct Traffic {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<u64>,
}

impl Traffic {
    /// Opens the accounts, and begins.
    pub(crate) fn start(store: &PostgresStore) -> Self {
        let accounts = store.repository::<Account>();
        let names: Vec<_> = (0..ACCOUNTS).map(|number| format!("a{number}")).collect();
        for name in &names {
            accounts.execute(open(name)).unwrap();
        }
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut rounds = 0;
            while !over.load(Ordering::SeqCst) {
                rounds += 1;
                for name in &names {
                    accounts.execute(deposit(name, 1)).unwrap();
                }
                // Followers keep up with it, also on a slow machine.
                thread::sleep(Duration::from_millis(100));
            }
            rounds
        });
        Self { is_over, thread }
    }

    /// Ends. Returns how many deposits each account has.
    pub(crate) fn end(self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Checks that the view has each event once.
pub(crate) fn check_view(store: &PostgresStore, deposits: u64) {
    let mut found = balances(store);
    found.retain(|account, _| account.starts_with('a'));
    assert_eq!(found.len(), ACCOUNTS);
    let wrong: Vec<_> =
        found.iter().filter(|(_, row)| **row != (deposits.cast_signed(), deposits + 1)).collect();
    assert!(wrong.is_empty(), "{wrong:?} are not {deposits}");
}

type View = RunningFollower<PostgresProjection<SqlBalances>>;

fn view(store: &PostgresStore, workers: u32) -> View {
    let view = PostgresProjection::new(store, SqlBalances::default()).unwrap().workers(workers);
    view.follow().on_change(|_| {}).start().unwrap()
}

/// The partitions that run here.
pub(crate) fn here<F: Follower>(running: &RunningFollower<F>) -> BTreeSet<u32> {
    let partitions = running.state().partitions.into_iter();
    partitions.filter(|partition| partition.place == PartitionPlace::Here).map(|here| here.index).collect()
}

fn wait_for_shares<F: Follower>(running: &[&RunningFollower<F>], shares: &[usize]) {
    wait_until(|| {
        // On a busy machine, a program may come later than its lease lasts: another one has the larger share then.
        let mut found: Vec<_> = running.iter().map(|running| here(running).len()).collect();
        found.sort_by(|one, other| other.cmp(one));
        found == shares
    });
    let all: BTreeSet<_> = running.iter().flat_map(|running| here(running)).collect();
    assert_eq!(all.len(), shares.iter().sum::<usize>(), "each partition runs once");
}

#[test]
fn programs_that_come_and_go_share_a_view() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let traffic = Traffic::start(&stores[0]);
    let first = view(&stores[0], 4);
    wait_for_shares(&[&first], &[4]);
    let second = view(&stores[1], 4);
    wait_for_shares(&[&first, &second], &[2, 2]);
    let third = view(&stores[2], 4);
    wait_for_shares(&[&first, &second, &third], &[2, 1, 1]);
    let state = [&first, &second, &third].map(RunningFollower::state);
    let is_here = |partition: &PartitionState| partition.place == PartitionPlace::Here;
    let has_one = |state: &&FollowerState| state.partitions.iter().filter(|one| is_here(one)).count() == 1;
    let state = state.iter().find(has_one).unwrap();
    assert_eq!(state.activity, Activity::Running);
    let elsewhere = state.partitions.iter().filter_map(|partition| match &partition.place {
        PartitionPlace::Elsewhere { holder, .. } => holder.process,
        _ => None,
    });
    // What has just been handed over belongs to no program for a moment.
    assert!(elsewhere.collect::<Vec<_>>().into_iter().all(|process| process == std::process::id()));
    // Each program knows how far the partitions of the others are.
    let seen = stores[1].position().unwrap();
    for running in [&first, &second, &third] {
        running.wait_for(seen, LONG).unwrap();
    }
    first.stop().unwrap();
    wait_for_shares(&[&second, &third], &[2, 2]);
    drop(third);
    wait_for_shares(&[&second], &[4]);
    let deposits = traffic.end();
    second.wait_for(stores[0].position().unwrap(), LONG).unwrap();
    check_view(&stores[0], deposits);
}

/// More programs than partitions: those without one stand by.
#[test]
fn programs_without_a_partition_stand_by() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let traffic = Traffic::start(&stores[0]);
    let [first, second, third] = stores.each_ref().map(|store| view(store, 2));
    let all = [&first, &second, &third];
    wait_until(|| {
        let here = all.iter().map(|running| here(running).len());
        let waits = |running: &&&View| matches!(running.state().activity, Activity::WaitingForLease { .. });
        here.sum::<usize>() == 2 && all.iter().filter(waits).count() == 1
    });
    let deposits = traffic.end();
    for running in all {
        running.wait_for(stores[0].position().unwrap(), LONG).unwrap();
    }
    check_view(&stores[0], deposits);
}

/// The positions that it has seen, by account, in the order in which it has seen them.
#[derive(Debug, Default, Clone, Reaction)]
#[reaction(name = "notes", events(Deposited), from(Account), partition_by = stream)]
struct Notes(Arc<Mutex<HashMap<String, Vec<u64>>>>);

#[handlers]
impl Notes {
    #[react]
    fn deposited(&self, _: &Deposited, envelope: &Envelope<'_>) {
        self.0.lock().unwrap().entry(envelope.key.to_owned()).or_default().push(envelope.position.get());
        thread::sleep(Duration::from_millis(1));
    }
}

impl Notes {
    /// Starts a program that shares the reaction.
    fn start(&self, store: &PostgresStore) -> RunningFollower<PostgresReaction<Self>> {
        let notes = PostgresReaction::new(store, self.clone()).unwrap().workers(4);
        notes.follow().on_change(|_| {}).start().unwrap()
    }
}

/// A program hands partitions over between two events.
#[test]
fn a_reaction_that_is_handed_over_gets_no_event_twice() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let notes = Notes::default();
    let traffic = Traffic::start(&stores[0]);
    let first = notes.start(&stores[0]);
    wait_for_shares(&[&first], &[4]);
    let second = notes.start(&stores[1]);
    wait_for_shares(&[&first, &second], &[2, 2]);
    let third = notes.start(&stores[2]);
    wait_for_shares(&[&first, &second, &third], &[2, 1, 1]);
    first.stop().unwrap();
    wait_for_shares(&[&second, &third], &[2, 2]);
    // A catch-up takes a share as well, and returns it.
    PostgresReaction::new(&stores[0], notes.clone()).unwrap().workers(4).catch_up().unwrap();
    let deposits = traffic.end();
    wait_for_shares(&[&second, &third], &[2, 2]);
    for running in [second, third] {
        running.wait_for(stores[0].position().unwrap(), LONG).unwrap();
    }
    let seen = notes.0.lock().unwrap();
    for (account, seen) in &*seen {
        assert_eq!(seen.len() as u64, deposits, "{account}");
        assert!(seen.is_sorted(), "{account}: {seen:?}");
    }
    assert_eq!(seen.len(), ACCOUNTS);
}

/// Programs of two deployments have different numbers of workers: those of one have all partitions.
#[test]
fn programs_with_other_numbers_of_workers_do_not_share() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let traffic = Traffic::start(&stores[0]);
    let mut old = view(&stores[0], 4);
    wait_for_shares(&[&old], &[4]);
    for workers in [6, 1, 3] {
        let new = view(&stores[1], workers);
        let seen = stores[0].position().unwrap();
        wait_until(|| matches!(new.state().activity, Activity::WaitingForLease { .. }));
        new.wait_for(seen, LONG).unwrap();
        assert!(here(&new).is_empty());
        old.stop().unwrap();
        wait_for_shares(&[&new], &[workers as usize]);
        old = new;
    }
    // Another one of the new deployment shares.
    let other = view(&stores[2], 3);
    wait_for_shares(&[&old, &other], &[2, 1]);
    let deposits = traffic.end();
    other.wait_for(stores[0].position().unwrap(), LONG).unwrap();
    check_view(&stores[0], deposits);
}

/// Each program can deal with the dead letters of all partitions.
#[test]
fn dead_letters_of_a_shared_view_belong_to_all_programs() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 2].map(|()| server.store(&schema));
    let refused = Arc::new(AtomicU32::new(u32::MAX));
    let start = |store: &PostgresStore| {
        let view = PostgresProjection::new(store, SqlBalances { refused: Arc::clone(&refused) }).unwrap();
        let follow = view.workers(4).follow().on_failure(OnFailure::SequencedDeadLetter);
        follow.on_change(|_| {}).start().unwrap()
    };
    let running = stores.each_ref().map(start);
    wait_for_shares(&running.each_ref(), &[2, 2]);
    let accounts = stores[0].repository::<Account>();
    let names: Vec<_> = (0..8).map(|number| format!("b{number}")).collect();
    for name in &names {
        accounts.execute(open(name)).unwrap();
        accounts.execute_batch(&id(name), [13, 1].map(|cents| deposit(name, cents))).unwrap();
    }
    let newest = stores[0].position().unwrap();
    for running in &running {
        running.wait_for(newest, LONG).unwrap();
        assert_eq!(running.dead_letters().unwrap().len(), 16);
    }
    refused.store(0, Ordering::SeqCst);
    let letters = running[1].dead_letters().unwrap();
    let firsts: Vec<_> = letters.iter().filter(|letter| letter.behind.is_none()).collect();
    running[0].discard_dead_letter(firsts[0].position, "not wanted").unwrap();
    assert_eq!(running[1].retry_dead_letter(firsts[1].position).unwrap().succeeded, 2);
    running[0].retry_dead_letters().unwrap();
    wait_until(|| running[1].dead_letters().unwrap().is_empty());
    let discarded = firsts[0].stream.to_string();
    for (name, row) in balances(&stores[0]) {
        let is_discarded = discarded.ends_with(&format!("/{name}"));
        assert_eq!(row, if is_discarded { (1, 2) } else { (14, 3) }, "{name}");
    }
}

/// A partition that waits for a retry is handed over as well. The next program tries at once.
#[test]
fn a_partition_that_waits_for_a_retry_is_handed_over() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 2].map(|()| server.store(&schema));
    let accounts = stores[0].repository::<Account>();
    let names: Vec<_> = (0..12).map(|number| format!("b{number}")).collect();
    for name in &names {
        accounts.execute(open(name)).unwrap();
    }
    for name in &names {
        accounts.execute(deposit(name, 13)).unwrap();
    }
    let start = |store: &PostgresStore, refused: u32| {
        let view = SqlBalances { refused: Arc::new(AtomicU32::new(refused)) };
        let view = PostgresProjection::new(store, view).unwrap().workers(4);
        view.follow().retry(u32::MAX, Duration::from_hours(1)).on_change(|_| {}).start().unwrap()
    };
    let is_retrying = |running: &View| matches!(running.state().activity, Activity::Retrying { .. });
    let first = start(&stores[0], u32::MAX);
    wait_until(|| is_retrying(&first));
    let second = start(&stores[1], 0);
    wait_for_shares(&[&first, &second], &[2, 2]);
    let newest = stores[0].position().unwrap();
    let is_done = |index: u32| second.state().partitions[index as usize].position == newest;
    wait_until(|| here(&second).into_iter().all(is_done));
    assert!(is_retrying(&first) && second.position() < newest);
    first.stop().unwrap();
    second.wait_for(newest, LONG).unwrap();
    assert!(balances(&stores[0]).values().all(|row| *row == (13, 2)));
}

/// The rebuilt view takes the place of the one that two programs share.
#[test]
fn a_shared_view_is_rebuilt() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let traffic = Traffic::start(&stores[0]);
    let running = [view(&stores[0], 4), view(&stores[1], 4)];
    wait_for_shares(&running.each_ref(), &[2, 2]);
    for workers in [4, 2, 1] {
        let mut view = PostgresProjection::new(&stores[2], SqlBalances::default()).unwrap().workers(workers);
        view.rebuild().unwrap();
        wait_for_shares(&running.each_ref(), &[2, 2]);
    }
    let deposits = traffic.end();
    for running in &running {
        running.wait_for(stores[0].position().unwrap(), LONG).unwrap();
    }
    check_view(&stores[0], deposits);
}

/// A reaction that is rewound begins again with all partitions.
#[test]
fn a_shared_reaction_is_rewound() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let accounts = stores[0].repository::<Account>();
    let notes = Notes::default();
    let running = [notes.start(&stores[0]), notes.start(&stores[1])];
    wait_for_shares(&running.each_ref(), &[2, 2]);
    for number in 0..8 {
        accounts.execute(open(&format!("c{number}"))).unwrap();
        accounts.execute(deposit(&format!("c{number}"), 1)).unwrap();
    }
    let newest = stores[0].position().unwrap();
    running[0].wait_for(newest, LONG).unwrap();
    PostgresReaction::new(&stores[2], notes.clone()).unwrap().rewind(factum::Position::START).unwrap();
    let is_seen_twice = || notes.0.lock().unwrap().values().all(|seen| seen.len() == 2);
    wait_until(is_seen_twice);
    wait_for_shares(&running.each_ref(), &[2, 2]);
    accounts.execute(deposit("c0", 1)).unwrap();
    running[1].wait_for(newest.next(), LONG).unwrap();
    assert_eq!(notes.0.lock().unwrap()["c0"].len(), 3);
}

/// Two programs catch up at once.
#[test]
fn catch_ups_of_two_programs_count_each_event_once() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 2].map(|()| server.store(&schema));
    let accounts = stores[0].repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for _ in 0..6 {
        accounts.execute_batch(&id("alice"), (0..100).map(|_| deposit("alice", 1))).unwrap();
    }
    for workers in [1, 2] {
        for round in 0..3 {
            drop(PostgresProjection::from_scratch(&stores[0], SqlBalances::default()).unwrap());
            thread::scope(|scope| {
                for store in &stores {
                    scope.spawn(move || {
                        let view = PostgresProjection::new(store, SqlBalances::default()).unwrap();
                        view.workers(workers).catch_up().unwrap();
                    });
                }
            });
            assert_eq!(balances(&stores[0])["alice"], (600, 601), "{workers} workers, round {round}");
        }
    }
}
