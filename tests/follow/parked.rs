//! Followers that hold no thread: they keep their leases, and notice what happens to their file.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use factum::follow::OnFailure;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection};
use factum::store::StoreError;
use factum::testing::delegate;
use factum::{Position, Uuid};

use crate::support::account::{Account, Opened, open};
use crate::support::bounded::wait_until;
use crate::support::stores::{LONG, open_store};

#[derive(Clone, Reaction)]
#[reaction(name = "failing", from(Account), events(Opened))]
struct Failing(Arc<AtomicU32>);

#[handlers]
impl Failing {
    #[react]
    fn opened(&self, _: &Opened) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err("not now".into())
    }
}

#[derive(Reaction)]
#[reaction(name = "slow", from(Account), events(Opened))]
struct Slow(Arc<AtomicU32>);

#[handlers]
impl Slow {
    #[react]
    fn opened(&self, _: &Opened) {
        self.0.fetch_add(1, Ordering::SeqCst);
        thread::sleep(Duration::from_secs(4));
    }
}

/// The runner that stands by would try the event as often again.
#[test]
fn a_wait_for_a_retry_keeps_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    store.repository::<Account>().execute(open("alice")).unwrap();
    let reaction = Failing(Arc::default());
    let start = || {
        let follower = SqliteReaction::new(&store, reaction.clone()).unwrap().follow();
        let follower = follower.lease(Duration::from_secs(1)).retry(1, Duration::from_secs(3));
        follower.on_failure(OnFailure::DeadLetter).start().unwrap()
    };
    let runners = [start(), start()];
    for runner in runners {
        runner.wait_for(store.position().unwrap(), LONG).unwrap();
        runner.stop().unwrap();
    }
    assert_eq!(reaction.0.load(Ordering::SeqCst), 2);
}

#[derive(Reaction)]
#[reaction(name = "other", from(Account), events(Opened))]
struct Other;

#[handlers]
impl Other {
    #[react]
    fn opened(&self, _: &Opened) {}
}

/// One commit renews the leases of all followers of a file.
#[test]
fn leases_of_a_file_are_renewed_together() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    let lease = Duration::from_secs(1);
    let first = SqliteReaction::new(&store, Failing(Arc::default())).unwrap().follow().lease(lease).start();
    let other = SqliteReaction::new(&store, Other).unwrap().follow().lease(lease).start();
    let reader = Connection::open(&file).unwrap();
    let leases = || {
        let mut query = reader.prepare_cached("SELECT until FROM factum_leases ORDER BY name").unwrap();
        let leases = query.query_map((), |row| row.get(0)).unwrap().collect::<Result<Vec<i64>, _>>();
        leases.unwrap()
    };
    let begun = Instant::now();
    let mut before = leases();
    for _ in 0..3 {
        let now = loop {
            let now = leases();
            if now.len() == 2 && now != before {
                break now;
            }
            before = now;
            assert!(begun.elapsed() < LONG, "{before:?}");
        };
        // Both have begun.
        if before.len() == 2 {
            assert!(now.iter().zip(&before).all(|(now, before)| now > before), "{before:?}, then {now:?}");
        }
        before = now;
    }
    first.unwrap().stop().unwrap();
    other.unwrap().stop().unwrap();
}

/// Leases are renewed although all threads are blocked: no event is handled by two runners.
#[test]
fn handlers_that_block_cost_no_lease() {
    const MANY: usize = 20;
    let folder = tempfile::tempdir().unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let stores: Vec<_> =
        (0..MANY).map(|number| open_store(&folder.path().join(format!("{number}.db")))).collect();
    let start = |store: &SqliteStore| {
        let follower = SqliteReaction::new(store, Slow(Arc::clone(&calls))).unwrap().follow();
        follower.lease(Duration::from_secs(2)).start().unwrap()
    };
    let runners: Vec<_> = stores.iter().map(|store| [start(store), start(store)]).collect();
    for store in &stores {
        store.repository::<Account>().execute(open("alice")).unwrap();
    }
    for (store, runners) in stores.iter().zip(runners) {
        for runner in runners {
            runner.wait_for(store.position().unwrap(), LONG).unwrap();
            runner.stop().unwrap();
        }
    }
    assert_eq!(calls.load(Ordering::SeqCst), 20);
}

#[cfg(unix)]
#[test]
fn an_idle_follower_notices_that_its_file_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    let quiet = SqliteReaction::new(&store, Failing(Arc::default())).unwrap().follow();
    let running = quiet.lease(LONG * 60).start().unwrap();
    std::fs::rename(&file, folder.path().join("moved.db")).unwrap();
    wait_until(|| running.has_ended());
    let error = running.stop().map(drop).unwrap_err();
    assert!(factum::with_causes(&error).contains("moved"), "{}", factum::with_causes(&error));
}

/// Counts the events that it gets.
#[derive(Reaction)]
#[reaction(name = "counting", from(Account), events(Opened))]
struct Counting(Arc<AtomicU32>);

#[handlers]
impl Counting {
    #[react]
    fn opened(&self, _: &Opened) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// No event comes, so only the keeper of its lease can wake it.
#[test]
fn a_parked_follower_notices_a_rewind_by_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    store.repository::<Account>().execute(open("alice")).unwrap();
    let calls = Arc::new(AtomicU32::new(0));
    let follower = SqliteReaction::new(&store, Counting(Arc::clone(&calls))).unwrap().follow();
    let running = follower.lease(Duration::from_secs(1)).start().unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    let other = open_store(&file);
    SqliteReaction::new(&other, Counting(Arc::default())).unwrap().rewind(Position::START).unwrap();
    wait_until(|| calls.load(Ordering::SeqCst) >= 2);
    running.stop().unwrap();
}

/// A store whose events can't be told apart once it is broken.
#[derive(Clone)]
struct Breaking {
    store: SqliteStore,
    is_broken: Arc<AtomicBool>,
    panics: Arc<AtomicU32>,
}

impl EventStore for Breaking {
    delegate!(self => self.store; append, read_stream, read_all, replay, stream_version, position, wait_for, watch,
        unwatch, outcome, forget_keys_before, read_snapshot, save_snapshot, drop_snapshots,
    );

    fn event_id(&self, position: Position) -> Result<Option<Uuid>, StoreError> {
        if self.is_broken.load(Ordering::SeqCst) {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic!("a bug in a store");
        }
        self.store.event_id(position)
    }
}

#[derive(Debug, Clone, Projection)]
#[projection(
    name = "names",
    from(Account),
    events(Opened),
    into = Sqlite,
    init = "CREATE TABLE names (name TEXT NOT NULL)"
)]
struct Names;

#[handlers]
impl Names {
    #[project]
    fn opened(&self, _: &Opened, key: &str, transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO names VALUES (?1)", [key]).map(drop)
    }
}

/// The keeper of the leases asks the store of each parked follower.
#[test]
fn a_store_that_panics_ends_no_renewal_of_other_leases() {
    let folder = tempfile::tempdir().unwrap();
    let (store, views) = (open_store(&folder.path().join("bank.db")), folder.path().join("views.db"));
    let lease = Duration::from_secs(1);
    store.repository::<Account>().execute(open("alice")).unwrap();
    let breaking = Breaking { store, is_broken: Arc::default(), panics: Arc::default() };
    let in_views = open_store(&views);
    let view = SqliteProjection::in_store(&in_views, &breaking, Names).unwrap().follow().on_change(|_| {});
    let view = view.lease(lease).start().unwrap();
    view.wait_for(Position::new(1), LONG).unwrap();
    let other = SqliteReaction::new(&in_views, Other).unwrap().follow().lease(lease).start().unwrap();
    breaking.is_broken.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let wait = |is_over: &dyn Fn() -> bool| {
        while !is_over() {
            assert!(begun.elapsed() < LONG, "the leases are not renewed");
            thread::sleep(Duration::from_millis(10));
        }
    };
    wait(&|| breaking.panics.load(Ordering::SeqCst) > 0);
    let reader = Connection::open(&views).unwrap();
    let until = || -> i64 {
        let sql = "SELECT until FROM factum_leases WHERE name = 'other'";
        reader.query_row(sql, (), |row| row.get(0)).unwrap_or(0)
    };
    for _ in 0..3 {
        let before = until();
        wait(&|| until() > before);
    }
    other.stop().unwrap();
    drop(view);
}
