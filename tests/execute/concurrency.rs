//! Concurrent writers: conflicts, retries and expected versions.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use factum::StreamName;
use factum::prelude::*;
use factum::store::{Conflict, ExpectedVersion};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, deposit, id, open};
use crate::support::stores::stores;

const THREADS: usize = 8;
pub(crate) const EACH: u64 = 25;

#[test]
fn the_slower_writer_gets_a_conflict_with_both_versions() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        // The sender saw version 1. Another writer was faster.
        accounts.execute(deposit("alice", 1)).unwrap();
        let seen = ExecuteOptions::new().expected_version(1);
        match accounts.execute_with(deposit("alice", 1), &seen).unwrap_err() {
            ExecuteError::Conflict(conflict) => assert_eq!(
                conflict,
                Conflict::new(StreamName::of::<Account>(&id("alice")), ExpectedVersion::Exactly(1), 2)
            ),
            other => panic!("{other}"),
        }
        // An expected version from the sender stays wrong, so the command is not retried.
        assert!(accounts.execute_with(deposit("alice", 1), &seen.retry(5)).is_err());
        let seen = ExecuteOptions::new().expected_version(2);
        assert_eq!(accounts.execute_with(deposit("alice", 1), &seen).unwrap().version(), 3);
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Met;

#[derive(Debug, Clone, Command)]
struct Meet(String);

/// Waits until two threads decide at once: both have then seen one version.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Barrier, commands(Meet), events(Met))]
struct Meeting {
    count: u64,
}

#[handlers]
impl Meeting {
    #[execute]
    fn meet(&self, _: Meet, barrier: &Barrier) -> Met {
        // The loser's second attempt must not wait: it has no partner.
        if self.count == 0 {
            barrier.wait();
        }
        Met
    }

    #[apply]
    fn met(&mut self, _: &Met) {
        self.count += 1;
    }
}

#[test]
fn of_two_commands_at_once_one_wins_and_the_other_conflicts_or_is_retried() {
    for retries in [false, true] {
        for store in stores() {
            let meetings = store.repository_with::<Meeting>(Barrier::new(2));
            let meet = || {
                let command = Meet("here".into());
                if retries {
                    meetings.execute_with(command, &ExecuteOptions::new().retry(1)).map(|done| done.version())
                } else {
                    meetings.execute(command).map(|done| done.version())
                }
            };
            let mut results = std::thread::scope(|scope| {
                let other = scope.spawn(meet);
                [meet(), other.join().unwrap()]
            });
            results.sort_by_key(|result| *result.as_ref().unwrap_or(&u64::MAX));
            match results {
                [Ok(1), Ok(2)] if retries => {}
                [Ok(1), Err(ExecuteError::Conflict(conflict))] if !retries => {
                    assert_eq!((conflict.expected, conflict.actual), (ExpectedVersion::Exactly(0), 1));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn threads_that_retry_lose_nothing() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| deposit_each(&accounts));
            }
        });
        let total = EACH * THREADS as u64;
        let alice = accounts.load(&id("alice")).unwrap();
        assert_eq!((alice.version(), alice.state().cents.unsigned_abs()), (1 + total, total));
    }
}

pub(crate) fn deposit_each<S: EventStore>(accounts: &Repository<Account, S>) {
    let options = ExecuteOptions::new().retry(u32::MAX);
    for _ in 0..EACH {
        accounts.execute_with(deposit("alice", 1), &options).unwrap();
    }
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = AtomicU32, commands(Meet), events(Met))]
struct Counted;

#[handlers]
impl Counted {
    #[execute]
    fn meet(&self, _: Meet, attempts: &AtomicU32) -> Met {
        attempts.fetch_add(1, Ordering::Relaxed);
        Met
    }

    #[apply]
    fn met(&mut self, _: &Met) {}
}

#[test]
fn an_expected_version_is_not_retried() {
    for store in stores() {
        let counted = store.repository::<Counted>();
        let meet = || Meet("here".into());
        counted.execute(meet()).unwrap();
        counted.services().store(0, Ordering::Relaxed);
        // The conflict is found before the handler runs.
        let seen = ExecuteOptions::new().expected_version(7).retry(5);
        assert!(matches!(counted.execute_with(meet(), &seen), Err(ExecuteError::Conflict(_))));
        assert_eq!(counted.services().load(Ordering::Relaxed), 0);
        let seen = ExecuteOptions::new().expected_version(1).retry(5);
        counted.execute_with(meet(), &seen).unwrap();
        assert_eq!(counted.services().load(Ordering::Relaxed), 1);
    }
}
