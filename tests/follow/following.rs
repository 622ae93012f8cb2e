//! Views that keep up by themselves: inline, in each append, or following, in a thread of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::sqlite::{Durability, SqliteOptions};
use factum::{AppendError, ExecuteError, OnFailure, ProjectionError, StoreError, WaitError};

use crate::support::account::{Account, Deposited, Opened, Withdrawn, deposit, id, open, withdraw};

/// No test waits so long unless it fails.
const LONG: Duration = Duration::from_mins(1);

/// What handlers of a view are to do wrong.
#[derive(Debug, Default)]
struct Faults {
    /// An amount that is refused so many times more.
    refused: AtomicU32,
    panics: AtomicBool,
    /// How many transactions have begun to write, and not ended: two at once would be two runners.
    events: AtomicU32,
}

/// The balance of each account, and how many events made it: one too many shows.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    events(Opened, Deposited, Withdrawn),
    into = Sqlite,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
)]
struct Balances {
    faults: Arc<Faults>,
}

#[handlers]
impl Balances {
    #[project]
    fn opened(&self, _: &Opened, account: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.add(transaction, account, 0)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        account: &str,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        self.add(transaction, account, event.cents)?;
        let take = |left: u32| left.checked_sub(1);
        if event.cents == 13
            && self.faults.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
        {
            assert!(!self.faults.panics.load(Ordering::SeqCst), "13 in a panic");
            return Err("13 is refused".into());
        }
        Ok(())
    }

    #[project]
    fn withdrawn(
        &self,
        event: &Withdrawn,
        account: &str,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        self.add(transaction, account, -event.cents)
    }

    fn add(&self, transaction: &Transaction<'_>, account: &str, cents: i64) -> rusqlite::Result<()> {
        self.faults.events.fetch_add(1, Ordering::SeqCst);
        transaction
            .prepare_cached(
                "INSERT INTO balances VALUES (?1, ?2, 1)
                 ON CONFLICT DO UPDATE SET cents = cents + excluded.cents, events = events + 1",
            )?
            .execute((account, cents))
            .map(drop)
    }
}

type Rows = BTreeMap<String, (i64, u64)>;

fn balances(store: &SqliteStore) -> Rows {
    store
        .query(|connection| {
            connection
                .prepare("SELECT account, cents, events FROM balances")?
                .query_map((), |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?
                .collect()
        })
        .unwrap()
}

fn row(account: &str, cents: i64, events: u64) -> Rows {
    BTreeMap::from([(account.to_owned(), (cents, events))])
}

fn open_store(file: &Path) -> SqliteStore {
    SqliteOptions::new().durability(Durability::Normal).open(file).unwrap()
}

fn stores(folder: &tempfile::TempDir) -> [SqliteStore; 2] {
    [open_store(&folder.path().join("bank.db")), SqliteStore::in_memory().unwrap()]
}

#[test]
fn an_inline_view_is_always_current() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        SqliteProjection::new(&store, Balances::default()).unwrap().inline().unwrap();
        assert_eq!(balances(&store), row("alice", 5, 2), "what was there before is in it");
        for round in 1..=10 {
            accounts.execute(deposit("alice", 1)).unwrap();
            assert_eq!(balances(&store), row("alice", 5 + round, 2 + round.unsigned_abs()));
        }
        let again = SqliteProjection::new(&store, Balances::default()).unwrap().inline().unwrap_err();
        assert!(matches!(again, ProjectionError::Registered { projection: "balances", .. }), "{again}");
    }
}

#[test]
fn an_inline_view_that_fails_makes_its_command_fail() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        for panics in [false, true] {
            let faults =
                Arc::new(Faults { refused: u32::MAX.into(), panics: panics.into(), ..Faults::default() });
            let accounts = store.repository::<Account>();
            accounts.execute(open("alice")).unwrap();
            if !panics {
                let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
                view.inline().unwrap();
            }
            let before = store.position().unwrap();
            let error = accounts.execute(deposit("alice", 13)).unwrap_err();
            let ExecuteError::Append(AppendError::Projection { stream, source, .. }) = &error else {
                panic!("{error}")
            };
            assert_eq!((stream.to_string().as_str(), source.position()), ("account/alice", Some(before + 1)));
            assert!(error.to_string().starts_with("can't append to account/alice: `balances` failed at"));
            assert_eq!(store.position().unwrap(), before, "nothing is stored");
            // Neither the view nor the state in memory has kept anything of it.
            let cents = accounts.load(&id("alice")).unwrap().state().cents;
            assert_eq!(balances(&store)["alice"].0, cents);
            accounts.execute(deposit("alice", 1)).unwrap();
            assert_eq!(balances(&store)["alice"].0, cents + 1);
        }
    }
}

/// In a commit for many, the one whose events the view refuses fails alone.
#[test]
fn an_inline_view_fails_one_command_of_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    let accounts = store.repository::<Account>();
    let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
    SqliteProjection::new(&store, Balances { faults }).unwrap().inline().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let accounts = &accounts;
            scope.spawn(move || {
                let name = thread.to_string();
                accounts.execute(open(&name)).unwrap();
                for round in 0..10 {
                    let cents = if round % 2 == 0 { 13 } else { 1 };
                    assert_eq!(accounts.execute(deposit(&name, cents)).is_ok(), cents == 1);
                }
            });
        }
    });
    let rows = balances(&store);
    assert_eq!(rows.len(), 16);
    assert!(rows.values().all(|row| *row == (5, 6)), "{rows:?}");
}

/// A program that does not have the view leaves it behind; the next append of one that has it brings it up to date.
#[test]
fn an_inline_view_catches_up_with_programs_that_do_not_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    SqliteProjection::new(&with, Balances::default()).unwrap().inline().unwrap();
    without.repository::<Account>().execute(open("alice")).unwrap();
    without.repository::<Account>().execute(deposit("alice", 3)).unwrap();
    assert_eq!(balances(&with), Rows::new());
    with.repository::<Account>().execute(deposit("alice", 4)).unwrap();
    assert_eq!(balances(&with), row("alice", 7, 3));
}

#[test]
fn a_following_view_shows_what_was_written() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), (0..9_000).map(|_| deposit("alice", 1))).unwrap();
        let following = SqliteProjection::new(&store, Balances::default()).unwrap().follow().start().unwrap();
        for round in 1..=20 {
            let done = accounts.execute(deposit("alice", 1)).unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            assert_eq!(balances(&store), row("alice", 9_000 + round, 9_001 + round.unsigned_abs()));
        }
        assert_eq!(following.position(), store.position().unwrap());
        let error = following.wait_for(following.position() + 1, Duration::ZERO).unwrap_err();
        assert!(matches!(error, WaitError::TimedOut { wanted: 9_022, .. }), "{error}");
        // Stopped, it goes on where it was.
        let view = following.stop().unwrap();
        accounts.execute(withdraw("alice", 20)).unwrap();
        let following = view.follow().start().unwrap();
        following.wait_for(store.position().unwrap(), LONG).unwrap();
        assert_eq!(balances(&store), row("alice", 9_000, 9_022));
    }
}

/// What another program appends is noticed too.
#[test]
fn a_following_view_sees_what_others_append() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (ours, theirs) = (open_store(&file), open_store(&file));
    let following = SqliteProjection::new(&ours, Balances::default()).unwrap().follow().start().unwrap();
    let accounts = theirs.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let done = accounts.execute(deposit("alice", 3)).unwrap();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(balances(&theirs), row("alice", 3, 2));
}

#[test]
fn an_event_that_fails_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        for panics in [false, true] {
            let accounts = store.repository::<Account>();
            accounts.execute(open("alice")).unwrap();
            let done = accounts
                .execute_batch(&id("alice"), [1, 13, 2].map(|cents| deposit("alice", cents)))
                .unwrap();
            let faults = Arc::new(Faults { refused: 3.into(), panics: panics.into(), ..Faults::default() });
            let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
            let following = view.follow().retry(3, Duration::from_millis(1)).start().unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            let (cents, events) = balances(&store)["alice"];
            assert_eq!((cents, events), (done.state().cents, done.version()), "each event counts once");
            assert_eq!(faults.refused.load(Ordering::SeqCst), 0);
            assert_eq!(following.stop().unwrap().dead_letters().unwrap(), []);
        }
    }
}

#[test]
fn an_event_that_keeps_failing_stops_the_view_before_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [1, 13, 2].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: 3.into(), ..Faults::default() });
        let view = || SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
        let following = view().follow().retry(2, Duration::from_millis(1)).start().unwrap();
        let error = following.wait_for(4, LONG).unwrap_err();
        assert!(matches!(error, WaitError::Ended { position: 2, wanted: 4, .. }), "{error}");
        assert!(following.has_ended());
        let error = following.stop().unwrap_err();
        assert!(matches!(error, ProjectionError::Handler { position: 3, .. }), "{error}");
        assert_eq!(balances(&store), row("alice", 1, 2));
        // The reason is gone, and another start goes on from there.
        let following = view().follow().start().unwrap();
        following.wait_for(4, LONG).unwrap();
        assert_eq!(balances(&store), row("alice", 16, 4));
    }
}

#[test]
fn an_event_can_be_set_aside_and_tried_again_later() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [1, 13, 13, 2].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: 5.into(), ..Faults::default() });
        let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
        let follow = view.follow().retry(1, Duration::from_millis(1)).on_failure(OnFailure::SetAside);
        let following = follow.start().unwrap();
        following.wait_for(5, LONG).unwrap();
        let mut view = following.stop().unwrap();
        assert_eq!(balances(&store), row("alice", 3, 3), "without the two that failed");
        let letters = view.dead_letters().unwrap();
        let told: Vec<_> = letters
            .iter()
            .map(|letter| (letter.position, letter.stream.to_string(), letter.version, letter.attempts))
            .collect();
        assert_eq!(told, [(3, "account/alice".into(), 3, 2), (4, "account/alice".into(), 4, 2)]);
        assert_eq!(letters[0].name, "deposited");
        assert!(letters[0].error.ends_with("13 is refused"), "{}", letters[0].error);

        // One more refusal is left.
        let revived = view.retry_dead_letters().unwrap();
        assert_eq!((revived.done, revived.failed), (1, 1));
        assert_eq!(balances(&store), row("alice", 16, 4));
        let letters = view.dead_letters().unwrap();
        assert_eq!((letters.len(), letters[0].position, letters[0].attempts), (1, 3, 3));
        let revived = view.retry_dead_letters().unwrap();
        assert_eq!((revived.done, revived.failed), (1, 0));
        assert_eq!(balances(&store), row("alice", 29, 5));
        assert_eq!(view.dead_letters().unwrap(), []);
    }
}

/// A handler whose SQL fails for want of room, or because somebody holds the file, is not at fault, and its event is not
/// set aside.
#[test]
fn an_error_of_the_database_is_nobodys_fault() {
    #[derive(Projection)]
    #[projection(name = "full", events(Opened), into = Sqlite)]
    struct Full;

    #[handlers]
    impl Full {
        #[project]
        fn opened(&self, _: &Opened) -> Result<(), BoxError> {
            // As the transaction would answer.
            let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
            Err(rusqlite::Error::SqliteFailure(full, None).into())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let view = SqliteProjection::new(&store, Full).unwrap();
        let following = view.follow().on_failure(OnFailure::SetAside).start().unwrap();
        following.wait_for(1, LONG).unwrap_err();
        let error = following.stop().unwrap_err();
        assert!(matches!(error, ProjectionError::Store { source: StoreError::Full, .. }), "{error}");
        let view = SqliteProjection::new(&store, Full).unwrap();
        assert_eq!((view.position().unwrap(), view.dead_letters().unwrap()), (0, vec![]));
    }
}

/// A file that another holds for longer than one waits is no reason to end, neither for a step nor to set an event aside.
#[test]
fn a_busy_file_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    open_store(&file).repository::<Account>().execute(open("alice")).unwrap();
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(1)).open(&file).unwrap();
    let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
    let view = SqliteProjection::new(&store, Balances { faults }).unwrap();
    let following = view.follow().on_failure(OnFailure::SetAside).start().unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.busy_timeout(LONG).unwrap();
    for round in 1..=20 {
        let accounts = open_store(&file).repository::<Account>();
        let done = accounts.execute(deposit("alice", 13)).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        std::thread::sleep(Duration::from_millis(5));
        other.execute_batch("COMMIT").unwrap();
        assert!(!following.has_ended(), "round {round}");
        if round % 5 == 0 {
            following.wait_for(done.position().unwrap(), LONG).unwrap();
        }
    }
    assert_eq!(following.stop().unwrap().dead_letters().unwrap().len(), 20);
}

/// However many runners there are, one projects; when it ends, or its lease does, another takes its place.
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
            runner.wait_for(expected, LONG).unwrap();
        }
        let before: Vec<u32> = faults.iter().map(|faults| faults.events.load(Ordering::SeqCst)).collect();
        assert_eq!(before.iter().sum::<u32>(), u32::try_from(expected).unwrap(), "{before:?}");
        // All of a round is one runner's. Its end lets another in at once, long before the lease would.
        let active = before.iter().filter(|events| **events > 0).count();
        assert_eq!(active, round + 1, "{before:?}");
        let newest =
            (0..4).filter(|runner| runners[*runner].is_some()).max_by_key(|runner| before[*runner]).unwrap();
        runners[newest].take().unwrap().stop().unwrap();
    }
    assert_eq!(balances(&stores[0]), row("alice", 100, 101));
}

/// A runner that has died, as when its process is killed, is waited for until its lease ends, and no longer.
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
    let following = view.follow().lease(Duration::from_millis(200)).start().unwrap();
    following.wait_for(1, Duration::from_millis(300)).unwrap_err();
    assert_eq!(balances(&store), Rows::new(), "the lease is another's");
    dead(now);
    following.wait_for(1, LONG).unwrap();
    assert_eq!(balances(&store), row("alice", 0, 1));
    drop(following);
    let leases: u64 = store
        .query(|connection| connection.query_row("SELECT count(*) FROM factum_leases", (), |row| row.get(0)))
        .unwrap();
    assert_eq!(leases, 0, "given back");
}
