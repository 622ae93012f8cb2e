//! Old and new programs on one file: what an old program's inline view can't read, and which version of a view
//! serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use factum::Position;
use factum::follow::{FollowError, InlineView};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::AppendError;
use factum::store::ExpectedVersion::Any;

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};
use crate::support::chain::chain;
use crate::support::events::{append, stream};
use crate::support::stores::{doctor, open_store, sqlite_stores};
use crate::support::views::{balances, rows};

/// The aggregate as a newer program has it.
mod newer {
    use factum::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Clone, Serialize, Deserialize, Event)]
    #[event(name = "deposited", version = 2)]
    pub(super) struct Deposited {
        cents: i64,
        #[event(added(since = 2, default = String::new()))]
        reason: String,
    }

    #[derive(Debug, Clone, Command)]
    pub(super) struct Deposit(pub(super) String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "account", id = String, commands(Deposit), events(Deposited))]
    pub(super) struct Account;

    #[handlers]
    impl Account {
        #[execute]
        fn deposit(&self, _: Deposit) -> Deposited {
            Deposited { cents: 1, reason: "a present".into() }
        }

        #[apply]
        fn deposited(&mut self, _: &Deposited) {}
    }
}

macro_rules! sums {
    ($view:ident, $version:literal, $factor:literal) => {
        #[derive(Debug, Default, Clone, Projection)]
        #[projection(
            name = "balances",
            version = $version,
            from(Account),
            events(Opened, Deposited),
            into = Sqlite,
            init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL, events INTEGER NOT NULL)",
        )]
        struct $view {
            /// How many deposits of 13 its handler refuses.
            refuses: Arc<AtomicU32>,
            /// How many deposits of 14 end the transaction.
            rolls_back: Arc<AtomicU32>,
        }

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                transaction.execute("INSERT INTO balances VALUES (?1, 0, 1)", [key]).map(drop)
            }

            #[project]
            fn deposited(&self, event: &Deposited, key: &str, transaction: &Transaction<'_>) -> Result<(), BoxError> {
                let update = "UPDATE balances SET cents = cents + ?2, events = events + 1 WHERE account = ?1";
                transaction.execute(update, (key, $factor * event.cents))?;
                let fails = |times: &AtomicU32| {
                    times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
                };
                if event.cents == 13 && fails(&self.refuses) {
                    return Err("13 is refused".into());
                }
                if event.cents == 14 && fails(&self.rolls_back) {
                    transaction.execute("INSERT OR ROLLBACK INTO balances SELECT * FROM balances", ())?;
                }
                Ok(())
            }
        }
    };
}

sums!(Sums, 1, 1);
sums!(NewerSums, 2, 100);

/// The only inline view of a store.
fn only(store: &SqliteStore) -> InlineView {
    let [view] = &store.inline_views().unwrap()[..] else { panic!("not one view") };
    view.clone()
}

fn cents(store: &SqliteStore, account: &str) -> Option<(i64, u64)> {
    rows(store, "SELECT account, cents, events FROM balances").get(account).copied()
}

/// An old program with an inline view, and what its view does not read.
#[test]
fn an_event_of_a_newer_program_does_not_stop_the_appends_of_an_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (old, new) = (open_store(&file), open_store(&file));
    let accounts = old.repository::<Account>();
    SqliteProjection::new(&old, Sums::default()).unwrap().inline().unwrap();
    accounts.execute(open("alice")).unwrap();
    assert_eq!((only(&old).position, only(&old).error.is_none()), (Some(Position::new(1)), true));

    open_store(&file).repository::<Account>().execute(deposit("alice", 2)).unwrap();
    let unreadable = new.repository::<newer::Account>().execute(newer::Deposit("carol".into())).unwrap();
    accounts.execute(open("bob")).unwrap();
    accounts.execute(deposit("bob", 5)).unwrap();
    append(&old, &stream("another category"), Any, &["{}"]).unwrap();

    let behind = only(&old);
    assert_eq!(behind.name, "balances");
    assert_eq!(behind.position, Some(Position::new(2)));
    let error = behind.error.unwrap();
    assert!(matches!(&*error, FollowError::Read { .. }), "{error}");
    assert_eq!(error.position(), unreadable.position());
    // The view has all events before the one that it can't read, and none after that.
    assert_eq!((cents(&old, "alice"), cents(&old, "bob")), (Some((2, 2)), None));
    // The old program stops at the stream that it can't read, and at no other.
    accounts.execute(deposit("carol", 1)).unwrap_err();
    assert_eq!(old.check().unwrap(), []);
}

/// A handler fails at an event that another program has written. Later it does not.
#[test]
fn a_view_catches_up_after_an_event_that_failed_for_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let sums = Sums::default();
    SqliteProjection::new(&with, sums.clone()).unwrap().inline().unwrap();
    let accounts = with.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    without
        .repository::<Account>()
        .execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 13)])
        .unwrap();
    sums.refuses.store(3, Ordering::SeqCst);
    for round in 0..3 {
        accounts.execute(deposit("alice", 1)).unwrap();
        assert_eq!(cents(&with, "alice"), Some((1, 2)), "round {round}");
        assert!(chain(&*only(&with).error.unwrap()).ends_with("13 is refused"));
    }
    accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!(cents(&with, "alice"), Some((18, 7)));
    assert!(only(&with).error.is_none());
    // An event of the append itself makes the append fail, as ever.
    sums.refuses.store(1, Ordering::SeqCst);
    let error = accounts.execute(deposit("alice", 13)).unwrap_err();
    assert!(matches!(error, ExecuteError::Append(AppendError::Hook { .. })), "{error}");
    assert_eq!(cents(&with, "alice"), Some((18, 7)));
}

/// A handler's SQL ends the transaction of an append, at an event of another program: one append fails. If the view needs longer
/// than a batch to come to the event, it meets it in a batch, and none fails.
#[test]
fn an_event_that_ends_the_transaction_stops_one_append_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (with, without) = (open_store(&file), open_store(&file));
    let sums = Sums::default();
    SqliteProjection::new(&with, sums.clone()).unwrap().inline().unwrap();
    let accounts = with.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    without
        .repository::<Account>()
        .execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 14)])
        .unwrap();
    sums.rolls_back.store(u32::MAX, Ordering::SeqCst);
    let _ = accounts.execute(deposit("alice", 1));
    accounts.execute(deposit("alice", 1)).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!(cents(&with, "alice"), Some((1, 2)));
    let error = only(&with).error.unwrap();
    assert!(matches!(&*error, FollowError::RolledBack { .. }), "{error}");
}

#[test]
fn a_lost_checkpoint_stops_only_appends_that_the_view_reads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    SqliteProjection::new(&store, Sums::default()).unwrap().inline().unwrap();
    doctor(&file, "DELETE FROM factum_checkpoints");
    let error = store.repository::<Account>().execute(open("alice")).unwrap_err();
    assert!(chain(&error).contains("has lost its checkpoint"), "{}", chain(&error));
    append(&store, &stream("another category"), Any, &["{}"]).unwrap();
    let view = only(&store);
    assert_eq!(view.position, None);
    assert!(matches!(&*view.error.unwrap(), FollowError::CheckpointMissing { .. }));
}

/// While a newer version is rebuilt, a program can ask which one serves.
#[test]
fn a_query_knows_which_version_serves() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let serving = || store.query(SqliteProjection::<NewerSums>::serving).unwrap();
        assert_eq!(serving(), None);
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        SqliteProjection::new(&store, Sums::default()).unwrap().catch_up().unwrap();
        let (asked, seen) = (store.clone(), Arc::new(std::sync::Mutex::new(Vec::new())));
        let during = seen.clone();
        let mut view = SqliteProjection::new(&store, NewerSums::default()).unwrap().on_progress(move |_| {
            let found = asked.query(|connection| {
                let serving = SqliteProjection::<NewerSums>::serving(connection)?.unwrap();
                let sum = "SELECT sum(cents) FROM balances";
                Ok((serving, connection.query_row(sum, (), |row| row.get::<_, i64>(0))?))
            });
            during.lock().unwrap().push(found.unwrap());
            std::ops::ControlFlow::Continue(())
        });
        view.catch_up().unwrap();
        let seen = seen.lock().unwrap();
        let (during, sum) = seen.first().unwrap();
        assert_eq!((during.version, during.position.get(), during.rebuilding, *sum), (1, 2, Some(2), 1));
        let after = serving().unwrap();
        assert_eq!((after.version, after.position.get(), after.rebuilding), (2, 2, None));
        assert_eq!(balances(&store), [("alice".to_owned(), 100)]);
    }
}
