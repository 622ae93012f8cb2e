//! A server that takes over lacks events which the earlier one has counted: no view passes over those that take their positions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::{Filter, StoreError, Visit};
use factum::testing::delegate;

use crate::support::account::{Account, Deposited, deposit, open};
use crate::support::stores::LONG;

/// A store whose server counts some events too many, and is lost at the next read.
#[derive(Clone)]
struct Cluster {
    store: SqliteStore,
    too_many: Arc<AtomicU64>,
    takeovers: Arc<AtomicU64>,
}

impl Cluster {
    fn new() -> Self {
        let store = SqliteStore::in_memory().unwrap();
        store.repository::<Account>().execute(open("alice")).unwrap();
        let cluster = Self { store, too_many: Arc::default(), takeovers: Arc::default() };
        cluster.deposit();
        cluster
    }

    fn deposit(&self) -> Position {
        let done = self.store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        done.position().unwrap()
    }
}

impl EventStore for Cluster {
    delegate!(self => self.store; append, read_stream, replay, stream_version, watch, unwatch, outcome, forget_keys_before,
        read_snapshot, save_snapshot, drop_snapshots,
    );

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        if self.too_many.swap(0, Ordering::SeqCst) > 0 {
            self.takeovers.fetch_add(1, Ordering::SeqCst);
        }
        self.store.read_all(filter, after, limit, visit)
    }

    fn position(&self) -> Result<Position, StoreError> {
        Ok(Position::new(self.store.position()?.get() + self.too_many.load(Ordering::SeqCst)))
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        self.store.wait_for(position, timeout)
    }

    fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Default, Clone, Projection)]
#[projection(events(Deposited), from(Account))]
struct Count(u64);

#[handlers]
impl Count {
    #[project]
    fn deposited(&mut self, _: &Deposited) {
        self.0 += 1;
    }
}

#[test]
fn a_view_in_memory_sees_the_event_that_takes_the_place_of_a_lost_one() {
    let cluster = Cluster::new();
    let mut count = MemoryProjection::new(&cluster, Count::default());
    cluster.too_many.store(1, Ordering::SeqCst);
    let error = count.catch_up().unwrap_err();
    let is_outage = |error: &ProjectionError| {
        matches!(
            error,
            ProjectionError::Follow(FollowError::Store { source: StoreError::Unreachable(_), .. })
        )
    };
    assert!(is_outage(&error), "{error:?}");
    cluster.deposit();
    count.catch_up().unwrap();
    assert_eq!(count.view().0, 2);
}

macro_rules! counted {
    ($view:ident, $version:literal) => {
        #[derive(Debug, Clone, Projection)]
        #[projection(name = "counted", version = $version, events(Deposited), from(Account), into = Sqlite)]
        #[projection(init = "CREATE TABLE counted (position INTEGER PRIMARY KEY)")]
        struct $view;

        #[handlers]
        impl $view {
            #[project]
            fn deposited(
                &self,
                _: &Deposited,
                envelope: &Envelope<'_>,
                transaction: &Transaction<'_>,
            ) -> rusqlite::Result<()> {
                transaction.execute("INSERT INTO counted VALUES (?1)", [envelope.position.get()]).map(drop)
            }
        }
    };
}

counted!(Counted, 1);
counted!(CountedAgain, 2);

fn count(views: &SqliteStore) -> u64 {
    views.query(|view| view.query_row("SELECT count(*) FROM counted", (), |row| row.get(0))).unwrap()
}

#[test]
fn a_view_in_another_database_sees_the_event_that_takes_the_place_of_a_lost_one() {
    let cluster = Cluster::new();
    let views = SqliteStore::in_memory().unwrap();
    cluster.too_many.store(1, Ordering::SeqCst);
    let counted = SqliteProjection::in_store(&views, &cluster, Counted).unwrap();
    let running = counted.follow().on_change(|_| {}).start().unwrap();
    running.wait_for(Position::new(2), LONG).unwrap();
    assert_eq!(cluster.takeovers(), 1);
    running.wait_for(cluster.deposit(), LONG).unwrap();
    assert_eq!(count(&views), 2);
}

/// The goal of the rebuild was a position that the new server does not have.
#[test]
fn a_rebuild_goes_on_to_the_end_of_the_server_that_takes_over() {
    let cluster = Cluster::new();
    let views = SqliteStore::in_memory().unwrap();
    SqliteProjection::in_store(&views, &cluster, Counted).unwrap().catch_up().unwrap();
    let newer = SqliteProjection::in_store(&views, &cluster, CountedAgain).unwrap();
    cluster.too_many.store(1, Ordering::SeqCst);
    let running = newer.follow().on_change(|_| {}).start().unwrap();
    running.wait_for(Position::new(2), LONG).unwrap();
    assert_eq!(cluster.takeovers(), 1);
    running.wait_for(cluster.deposit(), LONG).unwrap();
    assert_eq!(count(&views), 2);
}
