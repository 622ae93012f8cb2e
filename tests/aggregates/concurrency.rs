//! Two writers at one version.

use std::process::{Command, Stdio};
use std::sync::Barrier;

use factum::prelude::*;
use factum::{Conflict, ExecuteError, ExecuteOptions, ExpectedVersion, StreamId};
use serde::{Deserialize, Serialize};

use crate::domain::{Account, Refused, deposit, id, open, stores};

const THREADS: usize = 8;
const EACH: u64 = 25;

#[test]
fn the_slower_writer_gets_a_conflict_that_tells_both_versions() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        // What the sender saw was version 1; somebody else was faster.
        accounts.execute(deposit("alice", 1)).unwrap();
        let seen = ExecuteOptions::new().expected_version(1);
        match accounts.execute_with(deposit("alice", 1), &seen).unwrap_err() {
            ExecuteError::Conflict(conflict) => assert_eq!(
                conflict,
                Conflict::new(StreamId::of::<Account>(&id("alice")), ExpectedVersion::Exactly(1), 2)
            ),
            other => panic!("{other}"),
        }
        // What the sender saw does not change back, so this is not retried.
        assert!(accounts.execute_with(deposit("alice", 1), &seen.retry(5)).is_err());
        let seen = ExecuteOptions::new().expected_version(2);
        assert_eq!(accounts.execute_with(deposit("alice", 1), &seen).unwrap().version(), 3);
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Met;

#[derive(Debug, Clone, Command)]
struct Meet(String);

/// Decides only when two decide at once: both have then seen the same version.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Barrier, commands(Meet), events(Met))]
struct Meeting {
    count: u64,
}

#[handlers]
impl Meeting {
    #[execute]
    fn meet(&self, _: Meet, barrier: &Barrier) -> Met {
        // Nobody to wait for on the second attempt of the one who lost.
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
fn of_two_that_decide_at_once_one_wins_and_the_other_is_told_or_retried() {
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

fn deposit_each<S: EventStore>(accounts: &Repository<Account, S>) {
    let options = ExecuteOptions::new().retry(u32::MAX);
    for _ in 0..EACH {
        accounts.execute_with(deposit("alice", 1), &options).unwrap();
    }
}

/// The file for the child of the test below; not set in any other run.
const FILE: &str = "FACTUM_TEST_FILE";

#[test]
fn two_processes_on_one_file_lose_nothing() {
    if let Some(file) = std::env::var_os(FILE) {
        // The child: one of two that write the same account in the same file.
        return deposit_each(&SqliteStore::open(file).unwrap().repository());
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let accounts = SqliteStore::open(&file).unwrap().repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let children: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "concurrency::two_processes_on_one_file_lose_nothing", "--nocapture"])
                .env(FILE, &file)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let alice = accounts.load(&id("alice")).unwrap();
    assert_eq!((alice.version(), alice.state().cents.unsigned_abs()), (1 + 2 * EACH, 2 * EACH));
}

#[derive(Debug, Clone, Command)]
struct Explode(String);

#[derive(Debug, Serialize, Deserialize, Event)]
struct Exploded;

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = bool, error = Refused, commands(Explode), events(Exploded))]
struct Bomb;

#[handlers]
impl Bomb {
    #[execute]
    fn explode(&self, _: Explode, panics: &bool) -> Result<Exploded, Refused> {
        assert!(!panics, "a handler that panics");
        Ok(Exploded)
    }

    #[apply]
    fn exploded(&mut self, _: &Exploded) {}
}

#[test]
fn a_handler_that_panics_harms_nobody_else() {
    for store in stores() {
        let bombs = store.repository::<Bomb>();
        let panics = ExecuteOptions::new().services(&true);
        let attempt = std::panic::AssertUnwindSafe(|| bombs.execute_with(Explode("a".into()), &panics));
        assert!(std::panic::catch_unwind(attempt).is_err());
        assert_eq!(bombs.execute(Explode("a".into())).unwrap().version(), 1);
    }
}
