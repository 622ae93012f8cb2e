//! Processes that are killed during a catch-up, a rebuild, or the work of several workers.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use factum::Position;
use factum::follow::Progress;
use factum::prelude::*;

use super::{Followed, KILLS, counted};
use crate::support::account::{Account, deposit, id, open};
use crate::support::job::{Job, say};
use crate::support::stores::open_store;
use crate::support::views::rows;

/// How many events the store has before the views are built.
const MANY: u32 = 20_000;

/// What a job says after each step of its work.
const WORKS: &str = "works";

/// A store with many events, of many streams.
fn filled(file: &Path) -> SqliteStore {
    let store = open_store(file);
    let accounts = store.repository::<Account>();
    for name in 0..20 {
        let name = name.to_string();
        accounts.execute(open(&name)).unwrap();
        accounts.execute_batch(&id(&name), (1..MANY / 20).map(|_| deposit(&name, 1))).unwrap();
    }
    store
}

fn followed(store: &SqliteStore) -> SqliteProjection<Followed> {
    SqliteProjection::new(store, Followed).unwrap()
}

fn reset(store: &SqliteStore) -> SqliteProjection<Followed> {
    SqliteProjection::from_scratch(store, Followed, |transaction| {
        transaction.execute_batch("DROP TABLE followed")
    })
    .unwrap()
}

fn say_works(_: &Progress) -> ControlFlow<()> {
    say(WORKS);
    ControlFlow::Continue(())
}

/// Kills, again and again, a process that repeats a job on a store with many events. `check` looks at what it
/// leaves.
fn kill_repeatedly(job: &str, check: impl Fn(&SqliteStore, u32)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    followed(&store).catch_up().unwrap();
    let mut random = 1_u64;
    for kill in 0..KILLS {
        let mut job = Job::start(job, &file);
        // Every fourth kill comes at any moment, the others in the middle of the work.
        if kill % 4 > 0 {
            assert_eq!(job.hear().as_deref(), Some(WORKS));
        }
        random = random * 48_271 % 0x7fff_ffff;
        std::thread::sleep(Duration::from_micros(5_000 + random % 120_000));
        assert!(job.is_running(), "it works until it is killed");
        job.kill();
        check(&store, kill);
    }
    let mut view = followed(&store);
    view.rebuild().unwrap();
    assert_eq!(rows(&store, "SELECT * FROM followed"), counted(&store, store.position().unwrap().get()));
    assert_eq!(store.check().unwrap(), []);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("rebuild"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_catch_up_is_exact_after_kills() {
    let partly = Cell::new(0);
    kill_repeatedly("catch-up", |store, kill| {
        let position = followed(store).position().unwrap();
        assert_eq!(rows(store, "SELECT * FROM followed"), counted(store, position.get()), "kill {kill}");
        partly.set(
            partly.get() + u32::from(position > Position::START && position < Position::new(u64::from(MANY))),
        );
    });
    assert!(partly.get() > KILLS / 10, "{} of {KILLS} in the middle", partly.get());
}

pub(crate) fn catch_up_until_killed(file: &Path) {
    let store = open_store(file);
    loop {
        reset(&store).on_progress(say_works).catch_up().unwrap();
    }
}

#[test]
fn a_rebuild_is_exact_after_kills() {
    let changed = Cell::new(0);
    kill_repeatedly("rebuild", |store, kill| {
        let position = followed(store).position().unwrap();
        assert_eq!(rows(store, "SELECT * FROM followed"), counted(store, position.get()), "kill {kill}");
        assert!(position >= Position::new(u64::from(MANY)), "the old view serves throughout");
        let under_way = "SELECT 'x', 0, count(*) FROM factum_rebuilds";
        changed.set(changed.get() + rows(store, under_way)["x"].1);
        // The new view does not have the events appended since. The next process takes the lease at once.
        store.repository::<Account>().execute(deposit("3", 7)).unwrap();
    });
    assert!(changed.get() > u64::from(KILLS) / 10, "{} of {KILLS} in the middle", changed.get());
}

pub(crate) fn rebuild_until_killed(file: &Path) {
    let store = open_store(file);
    loop {
        let mut view = followed(&store).on_progress(say_works);
        view.catch_up().unwrap();
        view.rebuild().unwrap();
    }
}

#[test]
fn workers_are_exact_after_kills() {
    let partly = Cell::new(0);
    kill_repeatedly("catch-up-with-workers", |store, kill| {
        let position = followed(store).position().unwrap();
        partly.set(partly.get() + u32::from(position < Position::new(u64::from(MANY))));
        // Other numbers of workers continue.
        followed(store).workers(1 + kill % 4).catch_up().unwrap();
        let all = counted(store, store.position().unwrap().get());
        assert_eq!(rows(store, "SELECT * FROM followed"), all, "kill {kill}");
    });
    assert!(partly.get() > KILLS / 10, "{} of {KILLS} in the middle", partly.get());
}

pub(crate) fn catch_up_with_workers_until_killed(file: &Path) {
    let store = open_store(file);
    loop {
        for workers in [3, 2, 5] {
            reset(&store).workers(workers).on_progress(say_works).catch_up().unwrap();
        }
    }
}
