//! Followers share the threads of their process.

#[cfg(target_os = "linux")]
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use factum::follow::RunningFollower;
use factum::prelude::*;

use crate::support::account::{Account, Opened, open};
use crate::support::bounded::wait_until;
#[cfg(target_os = "linux")]
use crate::support::job::{Job, say};
use crate::support::stores::{LONG, doctor, open_store, sqlite_stores};

/// More than the threads that followers share.
const MANY: usize = 20;

#[derive(Reaction)]
#[reaction(name = "blocking", from(Account), events(Opened))]
struct Blocking {
    begun: Sender<()>,
    go: Arc<Mutex<Receiver<()>>>,
}

#[handlers]
impl Blocking {
    #[react]
    fn opened(&self, _: &Opened) {
        self.begun.send(()).unwrap();
        // An error is the end of the test.
        let _ = self.go.lock().unwrap().recv();
    }
}

#[derive(Reaction)]
#[reaction(name = "quiet", from(Account), events(Opened))]
struct Quiet;

#[handlers]
impl Quiet {
    #[react]
    fn opened(&self, _: &Opened) {}
}

fn in_memory() -> SqliteStore {
    let store = SqliteStore::in_memory().unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    store
}

/// If the number of threads had a limit, the last handlers would never begin.
#[test]
fn handlers_that_block_keep_no_follower_from_its_events() {
    let (begun, has_begun) = channel();
    let blocked: Vec<_> = (0..MANY)
        .map(|_| {
            let (go, wait) = channel();
            let reaction = Blocking { begun: begun.clone(), go: Arc::new(Mutex::new(wait)) };
            (go, SqliteReaction::new(&in_memory(), reaction).unwrap().follow().start().unwrap())
        })
        .collect();
    for _ in 0..MANY {
        has_begun.recv_timeout(LONG).unwrap();
    }
    let store = in_memory();
    let quiet = SqliteReaction::new(&store, Quiet).unwrap().follow().start().unwrap();
    quiet.wait_for(store.position().unwrap(), LONG).unwrap();
    let (goes, runners): (Vec<_>, Vec<_>) = blocked.into_iter().unzip();
    drop(goes);
    for runner in runners {
        runner.stop().unwrap();
    }
    quiet.stop().unwrap();
}

#[test]
fn a_stop_begins_without_a_wait() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let (begun, has_begun) = channel();
        let (go, wait) = channel();
        let reaction = Blocking { begun, go: Arc::new(Mutex::new(wait)) };
        let running = SqliteReaction::new(&store, reaction).unwrap().follow().start().unwrap();
        has_begun.recv_timeout(LONG).unwrap();
        // The handler waits for this thread.
        running.begin_stop();
        running.begin_stop();
        go.send(()).unwrap();
        wait_until(|| running.has_ended());
        assert_eq!(running.stop().unwrap().position().unwrap(), store.position().unwrap());
    }
}

/// A runner that waits for its lease, and one that waits for a retry, hear of a stop.
#[test]
fn followers_that_wait_hear_of_a_stop() {
    #[derive(Reaction)]
    #[reaction(name = "failing", from(Account), events(Opened))]
    struct Failing;

    #[handlers]
    impl Failing {
        #[react]
        fn opened(&self, _: &Opened) -> Result<(), BoxError> {
            Err("not now".into())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    store.repository::<Account>().execute(open("alice")).unwrap();
    let (said, hears) = channel();
    let failing = SqliteReaction::new(&store, Failing).unwrap().follow().retry(5, LONG * 60);
    let failing = failing.on_change(move |change| said.send(change.to_string()).unwrap()).start().unwrap();
    while !hears.recv_timeout(LONG).unwrap().contains("tries again") {}
    let start = || SqliteReaction::new(&store, Quiet).unwrap().follow().start().unwrap();
    let runners: [RunningFollower<_>; 2] = [start(), start()];
    for runner in runners {
        runner.wait_for(store.position().unwrap(), LONG).unwrap();
        runner.stop().unwrap();
    }
    failing.stop().unwrap();
}

/// Also followers with several workers, and those that wait for their store to work again.
#[cfg(target_os = "linux")]
#[test]
fn many_followers_share_few_threads() {
    let folder = tempfile::tempdir().unwrap();
    let said = Job::start("many-followers", folder.path()).finish();
    let most: Vec<usize> = said.iter().map(|said| said.parse().unwrap()).collect();
    // 8, one for the time and one for the files. A busy machine may look as if all threads were blocked.
    assert!(most.len() == 3 && most.iter().all(|most| *most < MANY), "{most:?} threads");
}

#[cfg(target_os = "linux")]
#[derive(Clone, Reaction)]
#[reaction(name = "by-stream", from(Account), events(Opened), partition_by = stream)]
struct ByStream;

#[cfg(target_os = "linux")]
#[handlers]
impl ByStream {
    #[react]
    fn opened(&self, _: &Opened) {}
}

/// Prints how many threads of factum there are with many idle followers, with many idle workers, and with many followers
/// whose store has failed.
#[cfg(target_os = "linux")]
pub(crate) fn follow_much(folder: &Path) {
    let file = |number: usize| folder.join(format!("{number}.db"));
    let stores: Vec<_> = (0..MANY).map(|number| open_store(&file(number))).collect();
    let start = |store| SqliteReaction::new(store, Quiet).unwrap().follow().start().unwrap();
    let running: Vec<_> = stores.iter().map(|store| (start(store), start(store))).collect();
    for (store, (one, other)) in stores.iter().zip(&running) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        one.wait_for(store.position().unwrap(), LONG).unwrap();
        other.wait_for(store.position().unwrap(), LONG).unwrap();
    }
    say(threads());

    let start = |store| SqliteReaction::new(store, ByStream).unwrap().workers(3).follow().start().unwrap();
    let workers: Vec<_> = stores.iter().map(start).collect();
    for (store, workers) in stores.iter().zip(&workers) {
        workers.wait_for(store.position().unwrap(), LONG).unwrap();
    }
    say(threads());

    drop((running, workers));
    let (said, hears) = channel();
    let failing = stores.iter().zip(0..).map(|(store, number)| {
        let said = said.clone();
        let reaction = SqliteReaction::new(store, Quiet).unwrap();
        doctor(&file(number), "ALTER TABLE factum_checkpoints RENAME TO gone");
        let reaction = reaction.follow().retry(1, LONG);
        reaction.on_change(move |change| drop(said.send(change.to_string()))).start().unwrap()
    });
    let failing: Vec<_> = failing.collect();
    for _ in 0..MANY {
        while !hears.recv_timeout(LONG).unwrap().contains("tries again") {}
    }
    say(threads());
    drop(failing);
}

/// The number of factum's threads, once there are few, or after a while.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    let begun = Instant::now();
    loop {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        let count = names.filter(|name| name.starts_with("factum")).count();
        // A wait of a follower whose store has failed lasts twice as long.
        if count < MANY || begun.elapsed() > Duration::from_secs(5) {
            return count;
        }
        thread::sleep(Duration::from_millis(50));
    }
}
