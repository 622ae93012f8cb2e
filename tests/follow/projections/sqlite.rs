//! Projections into SQLite: a view and its position change in one commit.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, Transaction};
use factum::sqlite::{Durability, SqliteOptions};
use factum::{Position, ReadError};

use super::{Balances, Card, IssueCard, Totals, caught_up};
use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::bounded::SetOnDrop;
use crate::support::chain::chain;
use crate::support::stores::{LONG, open_store};
use crate::support::views::balances;

#[test]
fn a_view_in_sqlite_and_how_far_it_has_come_are_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    for store in [SqliteStore::open(&file).unwrap(), SqliteStore::in_memory().unwrap()] {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        cards.execute(IssueCard { card: 1, owner: "Alice".into() }).unwrap();
        accounts.execute(open("alice")).unwrap();
        // More events than one transaction takes.
        accounts.execute_batch(&id("alice"), (0..2500).map(|_| deposit("alice", 1))).unwrap();

        let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
        assert_eq!(caught_up(&view.catch_up().unwrap()), (2501, 2503));
        assert_eq!(balances(&store), [("alice".to_owned(), 2500)]);

        // Another run of the program resumes at the position.
        accounts.execute(deposit("alice", 10)).unwrap();
        let mut again = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
        assert_eq!(again.position().unwrap(), Position::new(2503));
        assert_eq!(caught_up(&again.catch_up().unwrap()), (1, 2504));
        assert_eq!(caught_up(&view.catch_up().unwrap()), (0, 2504));
        assert_eq!(balances(&store), [("alice".to_owned(), 2510)]);
    }
}

/// Spends some time on each event.
#[derive(Debug, Projection)]
#[projection(
    name = "slow",
    events(Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE slow (cents INTEGER NOT NULL)",
)]
struct Slow;

#[handlers]
impl Slow {
    #[project]
    fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        std::thread::sleep(Duration::from_millis(1));
        transaction.execute("INSERT INTO slow VALUES (?1)", [event.cents]).map(drop)
    }
}

#[test]
fn a_transaction_of_a_catch_up_ends_with_its_time() {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (0..20).map(|_| deposit("alice", 1))).unwrap();
    for (time, transactions) in [(Duration::ZERO, 21), (Duration::MAX, 1)] {
        let reports = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&reports);
        let mut view = SqliteProjection::from_scratch(&store, Slow, |transaction| {
            transaction.execute_batch("DROP TABLE IF EXISTS slow")
        });
        view = view.map(|view| {
            view.batch_time(time).on_progress(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                ControlFlow::Continue(())
            })
        });
        assert_eq!(caught_up(&view.unwrap().catch_up().unwrap()), (21, 21));
        assert_eq!(reports.load(Ordering::SeqCst), transactions, "{time:?}");
    }
}

/// The file is busy for much longer than the appends could wait.
#[test]
fn appends_of_another_process_get_their_turn_beside_a_catch_up() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = open_store(&file);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (0..400).map(|_| deposit("alice", 1))).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _done = SetOnDrop(&is_done);
            SqliteProjection::new(&store, Slow).unwrap().catch_up().unwrap();
        });
        // A second store locks the file as another process does.
        let options = SqliteOptions::new().durability(Durability::Normal).busy_timeout(LONG);
        let others = options.open(&file).unwrap().repository::<Account>();
        let mut appended = 0;
        while !is_done.load(Ordering::SeqCst) {
            others.execute(open(&format!("other {appended}"))).unwrap();
            appended += 1;
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(appended > 5, "{appended} appends in the time of 400 slow events");
    });
}

#[test]
fn writes_of_a_failed_transaction_do_not_count() {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 13)]).unwrap();

    let mut panics = SqliteProjection::new(&store, Balances { panic_at: Some(13) }).unwrap();
    // A panic is an error of its event. The events before it count.
    let error = panics.catch_up().unwrap_err();
    assert_eq!(
        chain(&error),
        "`balances` failed at position 3 (account/alice, version 3): the handler panicked: a handler \
         that panics"
    );
    assert_eq!((balances(&store), panics.position().unwrap().get()), (vec![("alice".to_owned(), 1)], 2));

    // The store and the projection still work.
    accounts.execute(deposit("alice", 2)).unwrap();
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    view.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), 16)]);
}

#[test]
fn events_before_a_failed_event_count() {
    #[derive(Projection)]
    #[projection(events(Deposited), from(Account), into = Sqlite, init = "CREATE TABLE seen (cents INTEGER NOT NULL)")]
    struct Seen;

    #[handlers]
    impl Seen {
        #[project]
        fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) -> Result<(), BoxError> {
            transaction.execute("INSERT INTO seen VALUES (?1)", [event.cents])?;
            if event.cents == 13 { Err("13 is refused".into()) } else { Ok(()) }
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let amounts = [1, 2, 13, 3];
    accounts.execute_batch(&id("alice"), amounts.map(|cents| deposit("alice", cents))).unwrap();
    let mut seen = SqliteProjection::new(&store, Seen).unwrap();
    for _ in 0..2 {
        let error = seen.catch_up().unwrap_err();
        assert!(
            matches!(&error, ProjectionError::Follow(FollowError::Handler { position, .. }) if position.get() == 4),
            "{error}"
        );
        assert_eq!(seen.position().unwrap(), Position::new(3));
        let sum: i64 = store
            .query(|connection| connection.query_row("SELECT sum(cents) FROM seen", (), |row| row.get(0)))
            .unwrap();
        assert_eq!(sum, 3);
    }
}

#[test]
fn a_transaction_that_sqlite_rolled_back_is_not_continued() {
    #[derive(Projection)]
    #[projection(events(Deposited), from(Account), into = Sqlite, init = "CREATE TABLE once (cents INTEGER PRIMARY KEY)")]
    struct Once;

    #[handlers]
    impl Once {
        #[project]
        fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) {
            // The handler loses the error that reports the rollback.
            drop(transaction.execute("INSERT OR ROLLBACK INTO once VALUES (?1)", [event.cents]));
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), [1, 2, 2, 3].map(|cents| deposit("alice", cents))).unwrap();
    let mut once = SqliteProjection::new(&store, Once).unwrap();
    for _ in 0..2 {
        let error = once.catch_up().unwrap_err();
        assert!(
            matches!(&error, ProjectionError::Follow(FollowError::RolledBack { position, .. }) if position.get() == 4),
            "{error}"
        );
        let count: u64 = store
            .query(|connection| connection.query_row("SELECT count(*) FROM once", (), |row| row.get(0)))
            .unwrap();
        assert_eq!((count, once.position().unwrap().get()), (2, 3));
    }
}

#[test]
fn a_name_belongs_to_one_projection() {
    #[derive(Projection)]
    #[projection(name = "balances", version = 2, events(Opened), from(Account), into = Sqlite, init = "CREATE TABLE other (x)")]
    struct Other;

    #[handlers]
    impl Other {
        #[project]
        fn opened(&self, _: &Opened) {}
    }

    let store = SqliteStore::in_memory().unwrap();
    drop(SqliteProjection::new(&store, Balances { panic_at: None }).unwrap());
    let error = SqliteProjection::new(&store, Other).unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::OtherDefinition { version: 2, .. })),
        "{error}"
    );
}

#[test]
fn a_view_ahead_of_its_store_stops() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    view.catch_up().unwrap();
    Connection::open(&file).unwrap().execute("DELETE FROM factum_events WHERE version = 2", ()).unwrap();
    let error = view.catch_up().unwrap_err();
    assert!(
        matches!(&error, ProjectionError::Follow(FollowError::AheadOfStore { seen, newest, .. }) if (seen.get(), newest.get()) == (2, 1)),
        "{error}"
    );
}

#[test]
fn a_view_of_another_version_is_rebuilt() {
    #[derive(Projection)]
    #[projection(
        name = "balances",
        version = 3,
        events(Opened),
        from(Account),
        into = Sqlite,
        init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL DEFAULT -1)",
    )]
    struct Newer;

    #[handlers]
    impl Newer {
        #[project]
        fn opened(
            &self,
            _: &Opened,
            envelope: &Envelope<'_>,
            transaction: &Transaction<'_>,
        ) -> rusqlite::Result<()> {
            transaction.execute("INSERT INTO balances (account) VALUES (?1)", [envelope.key]).map(drop)
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    SqliteProjection::new(&store, Balances { panic_at: None }).unwrap().catch_up().unwrap();
    let mut older = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    let mut newer = SqliteProjection::new(&store, Newer).unwrap();
    assert!(newer.needs_rebuild().unwrap());
    let error = newer.position().unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 2, current: 3, .. })),
        "{error}"
    );
    assert_eq!(balances(&store), [("alice".to_owned(), 0)]);
    newer.catch_up().unwrap();
    assert!(!newer.needs_rebuild().unwrap());
    assert_eq!(balances(&store), [("alice".to_owned(), -1)]);

    // A program that still runs the older version writes nothing into the newer view.
    store.repository::<Account>().execute(open("bob")).unwrap();
    let error = older.catch_up().unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 3, current: 2, .. })),
        "{error}"
    );
    newer.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), -1), ("bob".to_owned(), -1)]);
}

#[test]
fn an_event_that_can_not_be_read_stops_the_projection_at_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let doctored = "UPDATE factum_events SET payload = '{}', checksum = NULL WHERE version = 2";
    Connection::open(&file).unwrap().execute(doctored, ()).unwrap();

    let mut totals = MemoryProjection::new(&store, Totals::default());
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    for error in [totals.catch_up().unwrap_err(), view.catch_up().unwrap_err()] {
        let ProjectionError::Follow(FollowError::Read { source, .. }) = error else { panic!("{error}") };
        assert!(
            matches!(*source, ReadError::Decode { version: 2, position, .. } if position.get() == 2),
            "{source}"
        );
    }
    // The events before it count.
    assert_eq!((view.position().unwrap().get(), balances(&store)), (1, vec![("alice".to_owned(), 0)]));
}
