//! Processes that are killed while they append, with an inline view and a background view.

use std::path::Path;
use std::time::Duration;

use factum::prelude::*;

use super::{Followed, Inline, KILLS, counted};
use crate::follow::projections;
use crate::support::account::{Account, deposit, id, open};
use crate::support::bounded::wait_until;
use crate::support::job::Job;
use crate::support::stores::open_store;
use crate::support::views::{balances, rows};

/// How many accounts the processes write to.
const ACCOUNTS: u32 = 5;

/// Appends until it is killed, with an inline view and a background view.
pub(crate) fn write_until_killed(file: &Path) {
    let store = open_store(file);
    SqliteProjection::new(&store, Inline).unwrap().inline().unwrap();
    let follow = SqliteProjection::new(&store, Followed).unwrap().follow();
    // A short lease, as the killed process has probably held it.
    let _following =
        follow.lease(Duration::from_millis(20)).on_failure(OnFailure::DeadLetter).start().unwrap();
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

#[test]
fn every_view_matches_the_events_after_kills() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    drop(SqliteProjection::new(&store, Inline).unwrap());
    drop(SqliteProjection::new(&store, Followed).unwrap());
    // States that stay cached while other processes append.
    let hot = store.repository::<Account>();
    let mut random = 1_u64;
    for kill in 0..KILLS {
        let before = store.position().unwrap();
        let job = Job::start("write-with-views", &file);
        // Every fourth kill may come before the first append, the others come during the appends.
        wait_until(|| kill % 4 == 0 || store.position().unwrap() != before);
        random = random * 48_271 % 0x7fff_ffff;
        std::thread::sleep(Duration::from_micros(random % 15_000));
        job.kill();
        // At one moment, the inline view has all events, and the other one all events up to its checkpoint.
        let all = counted(&store, store.position().unwrap().get());
        assert_eq!(rows(&store, "SELECT * FROM inline"), all, "kill {kill}");
        for (name, (cents, events)) in &all {
            let loaded = hot.load(&id(name)).unwrap();
            assert_eq!((loaded.state().cents, loaded.version()), (*cents, *events), "kill {kill}");
        }
        let followed = SqliteProjection::new(&store, Followed).unwrap().position().unwrap();
        assert_eq!(rows(&store, "SELECT * FROM followed"), counted(&store, followed.get()), "kill {kill}");
    }
    assert!(hot.statistics().outdated > 0);
    let mut view = SqliteProjection::new(&store, Followed).unwrap();
    view.catch_up().unwrap();
    assert_eq!(rows(&store, "SELECT * FROM followed"), rows(&store, "SELECT * FROM inline"));
    assert_eq!(view.dead_letters().unwrap(), []);
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn each_event_counts_once_after_kills_while_projecting() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (0..20_000).map(|_| deposit("alice", 1))).unwrap();
    let mut seen = Vec::new();
    for delay in 0..12 {
        let job = Job::start("project", &file);
        std::thread::sleep(Duration::from_millis(10 + 15 * delay));
        job.kill();
        // View and position always come from one commit.
        let (cents, position) = store
            .query(|connection| {
                let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'balances'";
                if connection.query_row(tables, (), |row| row.get::<_, u64>(0))? == 0 {
                    return Ok((0, 0));
                }
                let view =
                    "SELECT coalesce(sum(cents), 0), (SELECT position FROM factum_checkpoints) FROM balances";
                connection.query_row(view, (), |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap();
        assert_eq!(cents, position.max(1) - 1, "the first event is that the account is opened");
        seen.push(position);
    }
    assert!(seen.is_sorted());
    SqliteProjection::new(&store, projections::Balances { panic_at: None }).unwrap().catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), 20_000)]);
}

/// Catches up with a view, until it is killed or done.
pub(crate) fn project(file: &Path) {
    let store = SqliteStore::open(file).unwrap();
    SqliteProjection::new(&store, projections::Balances { panic_at: None }).unwrap().catch_up().unwrap();
}
