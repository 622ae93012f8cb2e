//! Processes that are killed at any moment, while they append and project, catch up, make a view anew, or share it among
//! workers: in the end each view is what the events say.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, Transaction};
use factum::sqlite::{Durability, SqliteOptions};
use factum::{ExecuteOptions, OnFailure};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};

const FILE: &str = "FACTUM_KILLED_FILE";

/// How often a process is killed in each of the tests.
const KILLS: u32 = 60;

/// How many events the views have that are made from what was appended before.
const MANY: u32 = 20_000;

/// How many accounts the processes write to.
const ACCOUNTS: u32 = 5;

macro_rules! view {
    ($view:ident, $name:literal, $init:literal, $insert:literal) => {
        /// Cents and events of each account.
        #[derive(Clone, Projection)]
        #[projection(name = $name, events(Opened, Deposited), partition_by = stream)]
        #[projection(into = Sqlite, init = $init)]
        struct $view;

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                Self::add(transaction, key, 0)
            }

            #[project]
            fn deposited(
                &self,
                event: &Deposited,
                key: &str,
                transaction: &Transaction<'_>,
            ) -> rusqlite::Result<()> {
                Self::add(transaction, key, event.cents)
            }

            fn add(transaction: &Transaction<'_>, key: &str, cents: i64) -> rusqlite::Result<()> {
                transaction.prepare_cached($insert)?.execute((key, cents)).map(drop)
            }
        }
    };
}

view!(
    Inline,
    "inline",
    "CREATE TABLE inline (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
    "INSERT INTO inline VALUES (?1, ?2, 1)
     ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1"
);

view!(
    Followed,
    "followed",
    "CREATE TABLE followed (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
    "INSERT INTO followed VALUES (?1, ?2, 1)
     ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1"
);

fn open_store(file: &Path) -> SqliteStore {
    SqliteOptions::new()
        .durability(Durability::Normal)
        .busy_timeout(Duration::from_mins(1))
        .open(file)
        .unwrap()
}

/// Appends for ever, with a view in each append, and another that follows.
fn write_until_killed(file: &Path) {
    let store = open_store(file);
    SqliteProjection::new(&store, Inline).unwrap().inline().unwrap();
    let follow = SqliteProjection::new(&store, Followed).unwrap().follow();
    // Short, as the one who was killed before has most likely had it.
    let _following = follow.lease(Duration::from_millis(20)).on_failure(OnFailure::SetAside).start().unwrap();
    let accounts = store.repository::<Account>();
    let options = ExecuteOptions::new().retry(1_000);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let (accounts, options) = (&accounts, &options);
            scope.spawn(move || {
                for round in 0.. {
                    let name = ((round + thread) % ACCOUNTS).to_string();
                    if accounts.exists(&id(&name)).unwrap() {
                        accounts.execute_with(deposit(&name, i64::from(round % 100) + 1), options).unwrap();
                    } else {
                        accounts.execute_with(open(&name), options).unwrap();
                    }
                }
            });
        }
    });
}

fn spawn(file: &Path, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("follow::kills::{test}")])
        .env(FILE, file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

type Rows = BTreeMap<String, (i64, u64)>;

fn rows(store: &SqliteStore, sql: &str) -> Rows {
    store
        .query(|connection| {
            connection
                .prepare(sql)?
                .query_map((), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
                .collect()
        })
        .unwrap()
}

/// The views as they should be, counted from the events by hand.
fn counted(store: &SqliteStore, until: u64) -> Rows {
    rows(
        store,
        &format!(
            "SELECT key, coalesce(sum(payload ->> 'cents'), 0), count(*)
             FROM factum_events JOIN factum_streams ON factum_streams.id = stream
             WHERE position <= {until} GROUP BY key"
        ),
    )
}

#[test]
fn every_view_is_what_the_events_say_whoever_is_killed() {
    if let Some(file) = std::env::var_os(FILE) {
        return write_until_killed(Path::new(&file));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    SqliteProjection::new(&store, Inline).unwrap();
    SqliteProjection::new(&store, Followed).unwrap();
    // States that stay in memory while other processes append.
    let hot = store.repository::<Account>();
    let mut random = 1_u64;
    for kill in 0..KILLS {
        let before = store.position().unwrap();
        let mut child = spawn(&file, "every_view_is_what_the_events_say_whoever_is_killed");
        // Now and then before it has begun, mostly while it writes.
        let begun = Instant::now();
        while kill % 4 > 0 && store.position().unwrap() == before {
            assert!(begun.elapsed() < Duration::from_mins(1), "it does not write");
            std::thread::sleep(Duration::from_millis(1));
        }
        random = random * 48_271 % 0x7fff_ffff;
        std::thread::sleep(Duration::from_micros(random % 15_000));
        child.kill().unwrap();
        child.wait().unwrap();
        // One moment, two views: the inline one has all there is, the other all up to its checkpoint.
        let all = counted(&store, store.position().unwrap());
        assert_eq!(rows(&store, "SELECT * FROM inline"), all, "kill {kill}");
        for (name, (cents, events)) in &all {
            let loaded = hot.load(&id(name)).unwrap();
            assert_eq!((loaded.state().cents, loaded.version()), (*cents, *events), "kill {kill}");
        }
        let followed = SqliteProjection::new(&store, Followed).unwrap().position().unwrap();
        assert_eq!(rows(&store, "SELECT * FROM followed"), counted(&store, followed), "kill {kill}");
    }
    assert!(hot.statistics().outdated > 0);
    let mut view = SqliteProjection::new(&store, Followed).unwrap();
    view.catch_up().unwrap();
    assert_eq!(rows(&store, "SELECT * FROM followed"), rows(&store, "SELECT * FROM inline"));
    assert_eq!(view.dead_letters().unwrap(), []);
    assert_eq!(store.check().unwrap(), []);
}

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

fn anew(store: &SqliteStore) -> SqliteProjection<Followed> {
    SqliteProjection::reset(store, Followed, |transaction| transaction.execute_batch("DROP TABLE followed"))
        .unwrap()
}

/// Kills, again and again, a process that does `work` for ever on a store with many events; `check` looks at what it has left
/// behind.
fn kill_again_and_again(test: &str, work: impl Fn(&SqliteStore), check: impl Fn(&SqliteStore, u32)) {
    if let Some(file) = std::env::var_os(FILE) {
        let store = open_store(Path::new(&file));
        loop {
            work(&store);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    followed(&store).catch_up().unwrap();
    let mut random = 1_u64;
    for kill in 0..KILLS {
        let mut child = spawn(&file, test);
        random = random * 48_271 % 0x7fff_ffff;
        std::thread::sleep(Duration::from_micros(5_000 + random % 120_000));
        assert!(child.try_wait().unwrap().is_none(), "it works until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();
        check(&store, kill);
    }
    let mut view = followed(&store);
    view.rebuild().unwrap();
    assert_eq!(rows(&store, "SELECT * FROM followed"), counted(&store, store.position().unwrap()));
    assert_eq!(store.check().unwrap(), []);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("rebuild"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_catch_up_is_exact_whoever_is_killed() {
    let partly = std::cell::Cell::new(0);
    kill_again_and_again(
        "a_catch_up_is_exact_whoever_is_killed",
        |store| {
            anew(store).catch_up().unwrap();
        },
        |store, kill| {
            let position = followed(store).position().unwrap();
            assert_eq!(rows(store, "SELECT * FROM followed"), counted(store, position), "kill {kill}");
            partly.set(partly.get() + u32::from(position > 0 && position < u64::from(MANY)));
        },
    );
    assert!(partly.get() > KILLS / 10, "{} of {KILLS} in the middle", partly.get());
}

#[test]
fn a_rebuild_is_exact_whoever_is_killed() {
    let changed = std::cell::Cell::new(0);
    kill_again_and_again(
        "a_rebuild_is_exact_whoever_is_killed",
        |store| {
            let mut view = followed(store);
            view.catch_up().unwrap();
            view.rebuild().unwrap();
        },
        |store, kill| {
            let position = followed(store).position().unwrap();
            assert_eq!(rows(store, "SELECT * FROM followed"), counted(store, position), "kill {kill}");
            assert!(position >= u64::from(MANY), "it serves all the while");
            let under_way = "SELECT 'x', 0, count(*) FROM factum_rebuilds";
            changed.set(changed.get() + rows(store, under_way)["x"].1);
            // What has died has the lease, and what is appended meanwhile is not in the new view yet.
            store.repository::<Account>().execute(deposit("3", 7)).unwrap();
            let leases = Connection::open(store.path().unwrap()).unwrap();
            leases.busy_timeout(Duration::from_mins(1)).unwrap();
            leases.execute("DELETE FROM factum_leases", ()).unwrap();
        },
    );
    assert!(changed.get() > u64::from(KILLS) / 10, "{} of {KILLS} in the middle", changed.get());
}

#[test]
fn workers_are_exact_whoever_is_killed() {
    let partly = std::cell::Cell::new(0);
    kill_again_and_again(
        "workers_are_exact_whoever_is_killed",
        |store| {
            for workers in [3, 2, 5] {
                anew(store).workers(workers).catch_up().unwrap();
            }
        },
        |store, kill| {
            let position = followed(store).position().unwrap();
            partly.set(partly.get() + u32::from(position < u64::from(MANY)));
            // Others go on, not all of them as many.
            followed(store).workers(1 + kill as usize % 4).catch_up().unwrap();
            let all = counted(store, store.position().unwrap());
            assert_eq!(rows(store, "SELECT * FROM followed"), all, "kill {kill}");
        },
    );
    assert!(partly.get() > KILLS / 10, "{} of {KILLS} in the middle", partly.get());
}
