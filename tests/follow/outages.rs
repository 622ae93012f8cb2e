//! Stores that fail for a time: followers try again, as their policy says.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use factum::follow::{Activity, FollowError, FollowerChange, ProjectionError, WaitError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::{Filter, StoreError, Visit};
use factum::testing::delegate;
use factum::{Position, Timestamp};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::bounded::wait_until;
use crate::support::stores::{LONG, open_store};
use crate::support::views::rows;

/// A store whose reads fail as often as `failures` says.
#[derive(Clone)]
struct Failing {
    store: SqliteStore,
    failures: Arc<AtomicU32>,
    error: fn() -> StoreError,
}

impl Failing {
    fn fail(&self) -> Result<(), StoreError> {
        let left = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_or(Ok(()), |_| Err((self.error)()))
    }
}

impl EventStore for Failing {
    delegate!(self => self.store; append, read_stream, replay, stream_version, outcome, forget_keys_before,
        read_snapshot, save_snapshot, drop_snapshots,
    );

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.fail()?;
        self.store.read_all(filter, after, limit, visit)
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.fail()?;
        self.store.position()
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        self.fail()?;
        self.store.wait_for(position, timeout)
    }
}

macro_rules! sums {
    ($view:ident, $version:literal) => {
        #[derive(Debug, Clone, Projection)]
        #[projection(
            name = "sums",
            version = $version,
            from(Account),
            events(Opened, Deposited),
            into = Sqlite,
            partition_by = stream,
            init = "CREATE TABLE sums (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
        )]
        struct $view;

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                transaction.execute("INSERT INTO sums VALUES (?1, 0, 1)", [key]).map(drop)
            }

            #[project]
            fn deposited(
                &self,
                event: &Deposited,
                key: &str,
                transaction: &Transaction<'_>,
            ) -> rusqlite::Result<()> {
                let update = "UPDATE sums SET cents = cents + ?2, events = events + 1 WHERE account = ?1";
                transaction.execute(update, (key, event.cents * $version)).map(drop)
            }
        }
    };
}

sums!(Sums, 1);
sums!(NewerSums, 2);

struct Bank {
    events: Failing,
    views: SqliteStore,
    _folder: tempfile::TempDir,
}

impl Bank {
    /// A store with 100 events of two accounts, and another one for views.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&folder.path().join("bank.db"));
        let views = open_store(&folder.path().join("views.db"));
        let accounts = store.repository::<Account>();
        for name in ["alice", "bob"] {
            accounts.execute(open(name)).unwrap();
            accounts.execute_batch(&id(name), (0..49).map(|_| deposit(name, 1))).unwrap();
        }
        let error = || StoreError::Other("the disk does not answer".into());
        Self { events: Failing { store, failures: Arc::default(), error }, views, _folder: folder }
    }

    fn sums(&self) -> SqliteProjection<Sums> {
        SqliteProjection::in_store(&self.views, &self.events, Sums).unwrap()
    }

    fn fail(&self, times: u32) {
        self.events.failures.store(times, Ordering::SeqCst);
    }

    fn cents_of_alice(&self) -> i64 {
        rows(&self.views, "SELECT account, cents, events FROM sums")["alice"].0
    }
}

/// A hook, and the attempts that it hears of after failures without an event.
fn attempts() -> (impl Fn(&FollowerChange) + Send + Sync + 'static, Receiver<u32>) {
    let (said, heard) = channel();
    let hook = move |change: &FollowerChange| {
        if let FollowerChange::Retrying { position: None, error, attempts, .. } = change {
            assert!(error.contains("the disk does not answer"), "{error}");
            let _ = said.send(*attempts);
        }
    };
    (hook, heard)
}

/// The store fails at the start, and while the follower waits for events.
#[test]
fn a_follower_survives_failures_of_the_store() {
    for workers in [1, 3] {
        let bank = Bank::new();
        let view = bank.sums().workers(workers);
        bank.fail(4);
        let (hook, heard) = attempts();
        let running = view.follow().retry(12, Duration::from_millis(1)).on_change(hook).start().unwrap();
        running.wait_for(Position::new(100), LONG).unwrap();
        assert_eq!(heard.try_iter().next(), Some(1), "the failures are reported");
        bank.fail(4);
        wait_until(|| {
            assert!(!running.has_ended());
            bank.events.failures.load(Ordering::SeqCst) == 0
        });
        let done = bank.events.store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        running.wait_for(done.position().unwrap(), LONG).unwrap();
        assert_eq!(bank.cents_of_alice(), 50, "{workers} workers");
        assert_eq!(running.stop().unwrap().dead_letters().unwrap(), []);
    }
}

#[test]
fn a_follower_ends_when_its_policy_says_so() {
    for retries in [0, 2] {
        let bank = Bank::new();
        let view = bank.sums();
        bank.fail(u32::MAX);
        let (hook, heard) = attempts();
        let follow = view.follow().retry(retries, Duration::ZERO).on_change(hook);
        let running = follow.start().unwrap();
        let error = running.wait_for(Position::new(1), LONG).unwrap_err();
        assert!(matches!(error, WaitError::Ended { .. }), "{error}");
        let error = running.stop().unwrap_err();
        let ProjectionError::Follow(FollowError::Store { source: StoreError::Other(_), .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(heard.try_iter().count(), retries as usize);
    }
}

/// A runner with dead letters does not end: no event is the reason, so none can be skipped.
#[test]
fn a_follower_with_dead_letters_tries_again_for_as_long_as_it_takes() {
    let bank = Bank::new();
    let view = bank.sums();
    bank.fail(4);
    let follow = view.follow().retry(1, Duration::ZERO).on_failure(OnFailure::DeadLetter);
    let (hook, heard) = attempts();
    let running = follow.on_change(hook).start().unwrap();
    running.wait_for(Position::new(100), LONG).unwrap();
    assert_eq!(heard.try_iter().max(), Some(4));
    assert_eq!(running.stop().unwrap().dead_letters().unwrap(), []);
    assert_eq!(bank.cents_of_alice(), 49);
}

/// However long the server is away, the runner tries often, says so now and then, and its state tells of the last attempt.
#[test]
fn a_server_that_is_away_is_reported_as_it_is() {
    const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);
    for workers in [1, 3] {
        let mut bank = Bank::new();
        bank.events.error = || StoreError::Unreachable("nobody answers".into());
        let (said, heard) = channel();
        let hook = move |change: &FollowerChange| {
            if let FollowerChange::Retrying { position: None, attempts, delay, .. } = change {
                let _ = said.send((*attempts, *delay));
            }
        };
        let begun = Instant::now();
        let running = bank.sums().workers(workers).follow().on_change(hook).start().unwrap();
        running.wait_for(Position::new(100), LONG).unwrap();
        bank.fail(u32::MAX);
        let mut most = 0;
        while most < 20 {
            assert!(begun.elapsed() < LONG, "{most} attempts");
            let Activity::Retrying { position, attempts, next, .. } = running.state().activity else {
                continue;
            };
            assert_eq!(position, None);
            let latest = Timestamp::now().as_micros() + i64::try_from(BETWEEN_ATTEMPTS.as_micros()).unwrap();
            assert!(next.as_micros() <= latest, "{next}");
            most = most.max(attempts);
            std::thread::sleep(Duration::from_millis(1));
        }
        bank.fail(0);
        let done = bank.events.store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        running.wait_for(done.position().unwrap(), LONG).unwrap();
        running.stop().unwrap();
        let lines: Vec<_> = heard.iter().collect();
        assert_eq!(lines.first(), Some(&(1, Duration::from_millis(10))));
        assert!(lines.iter().all(|(_, delay)| *delay <= BETWEEN_ATTEMPTS), "{lines:?}");
        assert!(lines.len() as u64 <= 1 + begun.elapsed().as_secs() / 5, "{lines:?}, {workers} workers");
    }
}

#[test]
fn a_rebuild_survives_failures_of_the_store() {
    let bank = Bank::new();
    bank.sums().catch_up().unwrap();
    let newer = SqliteProjection::in_store(&bank.views, &bank.events, NewerSums).unwrap();
    bank.fail(4);
    let running = newer.follow().retry(12, Duration::from_millis(1)).start().unwrap();
    running.wait_for(Position::new(100), LONG).unwrap();
    assert_eq!(bank.cents_of_alice(), 98);
    running.stop().unwrap();
    // A caller that waits for the result gets the error.
    bank.fail(1);
    let mut view = SqliteProjection::in_store(&bank.views, &bank.events, NewerSums).unwrap();
    let error = view.rebuild().unwrap_err();
    assert!(matches!(error, ProjectionError::Follow(FollowError::Store { .. })), "{error}");
}

/// What the reaction has heard of, in order.
#[derive(Clone, Reaction)]
#[reaction(name = "echo", from(Account), events(Deposited))]
struct Echo(Sender<Position>);

#[handlers]
impl Echo {
    #[react]
    fn deposited(&self, _: &Deposited, envelope: &Envelope<'_>) -> Result<(), BoxError> {
        Ok(self.0.send(envelope.position)?)
    }
}

#[test]
fn a_reaction_survives_failures_of_the_store() {
    let bank = Bank::new();
    let (sent, heard) = channel();
    let echo = SqliteReaction::in_store(&bank.views, &bank.events, Echo(sent)).unwrap();
    bank.fail(4);
    let running = echo.follow().retry(12, Duration::from_millis(1)).start().unwrap();
    running.wait_for(Position::new(100), LONG).unwrap();
    running.stop().unwrap();
    assert_eq!(heard.iter().count(), 98, "each event once");
}

/// Fails once as SQLite does at an I/O error: the transaction is gone, and the error has its code.
#[derive(Projection)]
#[projection(
    name = "interrupted",
    from(Account),
    events(Deposited),
    into = Sqlite,
    init = "CREATE TABLE interrupted (position INTEGER PRIMARY KEY)",
)]
struct Interrupted {
    failures: Arc<AtomicU32>,
}

#[handlers]
impl Interrupted {
    #[project]
    fn deposited(
        &self,
        _: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        let insert = "INSERT OR ROLLBACK INTO interrupted VALUES (?1)";
        transaction.execute(insert, [envelope.position.get()])?;
        if envelope.position.get() == 20 && self.failures.swap(0, Ordering::SeqCst) > 0 {
            transaction.execute(insert, [envelope.position.get()]).unwrap_err();
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
            return Err(rusqlite::Error::SqliteFailure(code, Some("the disk does not answer".into())));
        }
        Ok(())
    }
}

#[test]
fn an_io_error_in_a_handler_is_the_fault_of_no_event() {
    let bank = Bank::new();
    let interrupted = Interrupted { failures: Arc::new(1.into()) };
    let view = SqliteProjection::in_store(&bank.views, &bank.events, interrupted).unwrap();
    let (hook, heard) = attempts();
    let running = view.follow().on_failure(OnFailure::DeadLetter).on_change(hook).start().unwrap();
    running.wait_for(Position::new(100), LONG).unwrap();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1]);
    assert_eq!(running.stop().unwrap().dead_letters().unwrap(), []);
    let count = "SELECT count(*) FROM interrupted";
    assert_eq!(bank.views.query(|view| view.query_row(count, (), |row| row.get::<_, u32>(0))).unwrap(), 98);
}
