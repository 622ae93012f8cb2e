//! Runners: threads that keep views up to date. One of them has the lease.

use std::sync::Arc;
use std::time::Duration;

use factum::Position;
use factum::follow::WaitError;
use factum::prelude::*;
use factum::sqlite::rusqlite;

use crate::support::account::{Account, deposit, id, open, withdraw};
use crate::support::stores::{LONG, doctor, open_store, sqlite_stores};
use crate::support::views::{Balances, Faults, Rows, awaited_lease, row};

#[test]
fn a_background_view_shows_appended_events() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), (0..9_000).map(|_| deposit("alice", 1))).unwrap();
        let following = SqliteProjection::new(&store, Balances::default()).unwrap().follow().start().unwrap();
        for round in 1..=20 {
            let done = accounts.execute(deposit("alice", 1)).unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            assert_eq!(Balances::rows(&store), row("alice", 9_000 + round, 9_001 + round.unsigned_abs()));
        }
        assert_eq!(following.position(), store.position().unwrap());
        let error = following.wait_for(following.position().next(), Duration::ZERO).unwrap_err();
        assert!(matches!(&error, WaitError::TimedOut { wanted, .. } if wanted.get() == 9_022), "{error}");
        // After a stop, the view resumes at its position.
        let view = following.stop().unwrap();
        accounts.execute(withdraw("alice", 20)).unwrap();
        let following = view.follow().start().unwrap();
        following.wait_for(store.position().unwrap(), LONG).unwrap();
        assert_eq!(Balances::rows(&store), row("alice", 9_000, 9_022));
    }
}

/// Events that another program appends are noticed too.
#[test]
fn a_background_view_sees_appends_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (ours, theirs) = (open_store(&file), open_store(&file));
    let following = SqliteProjection::new(&ours, Balances::default()).unwrap().follow().start().unwrap();
    let accounts = theirs.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let done = accounts.execute(deposit("alice", 3)).unwrap();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(Balances::rows(&theirs), row("alice", 3, 2));
}

/// Of many runners, one projects. When it ends, or its lease does, another one takes over.
#[test]
fn of_many_runners_one_projects() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let stores: Vec<_> = (0..4).map(|_| open_store(&file)).collect();
    let faults: Vec<_> = (0..4).map(|_| Arc::new(Faults::default())).collect();
    let accounts = stores[0].repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let mut runners: Vec<_> = stores
        .iter()
        .zip(&faults)
        .map(|(store, faults)| {
            let view = SqliteProjection::new(store, Balances { faults: faults.clone() }).unwrap();
            Some(view.follow().lease(Duration::from_mins(10)).start().unwrap())
        })
        .collect();
    let mut expected = 1;
    for round in 0..4 {
        for _ in 0..25 {
            accounts.execute(deposit("alice", 1)).unwrap();
        }
        expected += 25;
        for runner in runners.iter().flatten() {
            runner.wait_for(Position::new(expected), LONG).unwrap();
        }
        let before: Vec<u64> = faults.iter().map(|faults| faults.taken()).collect();
        assert_eq!(before.iter().sum::<u64>(), expected, "{before:?}");
        // One runner did all the work of this round. When it ends, another starts at once, long before the
        // lease ends.
        let active = before.iter().filter(|events| **events > 0).count();
        assert_eq!(active, round + 1, "{before:?}");
        let newest =
            (0..4).filter(|runner| runners[*runner].is_some()).max_by_key(|runner| before[*runner]).unwrap();
        drop(runners[newest].take().unwrap().stop().unwrap());
    }
    assert_eq!(Balances::rows(&stores[0]), row("alice", 100, 101));
}

/// A runner died, and other runners can't tell. They wait until its lease ends, and no longer.
#[test]
fn a_dead_runner_loses_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let now = Timestamp::now().as_micros();
    let dead = |until: i64| {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection
            .execute("REPLACE INTO factum_leases VALUES ('balances', x'00112233', ?1)", [until])
            .unwrap();
    };
    dead(now + 3_600_000_000);
    let view = SqliteProjection::new(&store, Balances::default()).unwrap();
    let following = view.follow().lease(Duration::from_hours(1)).start().unwrap();
    following.wait_for(Position::new(1), Duration::from_millis(300)).unwrap_err();
    assert_eq!(Balances::rows(&store), Rows::new(), "another runner has the lease");
    let holder = awaited_lease(&following).unwrap();
    assert_eq!((holder.process, holder.until.as_micros()), (None, now + 3_600_000_000));
    dead(now);
    following.wait_for(Position::new(1), LONG).unwrap();
    assert_eq!(Balances::rows(&store), row("alice", 0, 1));
    assert_eq!(awaited_lease(&following), None);
    drop(following);
    let leases: u64 = store
        .query(|connection| connection.query_row("SELECT count(*) FROM factum_leases", (), |row| row.get(0)))
        .unwrap();
    assert_eq!(leases, 0, "given back");
}

/// A holder whose clock was far ahead died. A runner that waits measures the time by itself.
#[test]
fn a_lease_in_the_far_future_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    store.repository::<Account>().execute(open("alice")).unwrap();
    doctor(&file, "INSERT INTO factum_leases VALUES ('balances', zeroblob(16), 9223372036854775807)");
    let view = SqliteProjection::new(&store, Balances::default()).unwrap();
    let following = view.follow().lease(Duration::from_millis(100)).start().unwrap();
    following.wait_for(Position::new(1), LONG).unwrap();
    assert_eq!(Balances::rows(&store), row("alice", 0, 1));
}
