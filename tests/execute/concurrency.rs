//! Two writers at one version.

use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use factum::prelude::*;
use factum::{Conflict, ExecuteError, ExecuteOptions, ExpectedVersion, StreamId};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Refused, deposit, id, open, stores};

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
                .args([
                    "--exact",
                    "execute::concurrency::two_processes_on_one_file_lose_nothing",
                    "--nocapture",
                ])
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
struct Exploded {
    in_apply: bool,
}

/// How the next handler fails.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Fuse {
    #[default]
    None,
    Execute,
    Apply,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, services = Fuse, error = Refused, commands(Explode), events(Exploded))]
struct Bomb;

#[handlers]
impl Bomb {
    #[execute]
    fn explode(&self, _: Explode, fuse: &Fuse) -> Result<Exploded, Refused> {
        assert!(*fuse != Fuse::Execute, "a handler that panics");
        Ok(Exploded { in_apply: *fuse == Fuse::Apply })
    }

    #[apply]
    fn exploded(&mut self, event: &Exploded) {
        assert!(!event.in_apply, "a handler that panics");
    }
}

#[test]
fn a_handler_that_panics_harms_nobody_else() {
    for fuse in [Fuse::Execute, Fuse::Apply] {
        for store in stores() {
            let bombs = store.repository::<Bomb>();
            let options = ExecuteOptions::new().services(&fuse);
            let explode = || Explode("a".into());
            let panics =
                |attempt: &dyn Fn()| std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt)).is_err();
            assert!(panics(&|| drop(bombs.execute_with(explode(), &options))));
            let batch = || [(explode(), ExecuteOptions::new()), (explode(), options.clone())];
            assert!(panics(&|| drop(bombs.execute_batch_with(&"a".into(), batch()))));
            assert!(panics(&|| {
                let mut work = store.unit_of_work();
                drop(work.execute(&bombs, explode()));
                drop(work.execute_with(&bombs, explode(), &options));
                drop(work.commit());
            }));
            // An event that can't be applied is never stored: it could never be loaded.
            assert_eq!(store.position().unwrap(), 0);
            assert_eq!(bombs.execute(explode()).unwrap().version(), 1);
            assert_eq!(bombs.load(&"a".into()).unwrap().version(), 1);
        }
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
fn what_the_sender_saw_is_not_tried_again() {
    for store in stores() {
        let counted = store.repository::<Counted>();
        let meet = || Meet("here".into());
        counted.execute(meet()).unwrap();
        counted.services().store(0, Ordering::Relaxed);
        // Told before the handler is asked at all.
        let seen = ExecuteOptions::new().expected_version(7).retry(5);
        assert!(matches!(counted.execute_with(meet(), &seen), Err(ExecuteError::Conflict(_))));
        assert_eq!(counted.services().load(Ordering::Relaxed), 0);
        let seen = ExecuteOptions::new().expected_version(1).retry(5);
        counted.execute_with(meet(), &seen).unwrap();
        assert_eq!(counted.services().load(Ordering::Relaxed), 1);
    }
}
