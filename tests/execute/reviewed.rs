//! What a review has found, and what must not come back.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use factum::prelude::*;
use factum::sqlite::rusqlite::{Connection, Transaction};
use factum::sqlite::{OpenError, SqliteOptions};
use factum::{AppendError, CacheOptions, ExecuteError, ExecuteOptions, StoreError};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Opened, Refused, deposit, id, open, stores, withdraw};

/// A unit of work decides on what its own store has, whatever the repository keeps in memory of another.
#[test]
fn a_unit_of_work_reads_its_own_store() {
    for (ours, theirs) in stores().into_iter().zip(stores()) {
        let accounts = ours.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 1_000)).unwrap();
        let other = theirs.repository::<Account>();
        other.execute(open("alice")).unwrap();
        other.execute(deposit("alice", 1)).unwrap();
        let mut work = theirs.unit_of_work();
        let refused = work.execute(&accounts, withdraw("alice", 500)).unwrap_err();
        assert_eq!(refused.refusal(), Some(&Refused::Overdrawn { missing: 499 }));
        work.execute(&accounts, deposit("alice", 4)).unwrap();
        work.commit().unwrap();
        assert_eq!(theirs.repository::<Account>().load(&id("alice")).unwrap().state().cents, 5);
        assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 1_000);
    }
}

/// Two requests with one key that can be carried out once: the slower one gets the outcome, not a refusal.
#[test]
fn one_key_at_once_is_one_outcome_even_where_a_second_would_be_refused() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        for round in 0..100 {
            let name = round.to_string();
            accounts.execute(open(&name)).unwrap();
            accounts.execute(deposit(&name, 50)).unwrap();
            let once = ExecuteOptions::new().idempotency_key("k").retry(10);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let done = accounts.execute_with(withdraw(&name, 50), &once).unwrap();
                        assert_eq!((done.version(), done.state().cents), (3, 0));
                    });
                }
            });
        }
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Changed {
    panic: bool,
}

#[derive(Debug, Command)]
struct Change {
    #[command(id)]
    what: String,
    panic: bool,
}

static DUE_PANICS: AtomicBool = AtomicBool::new(false);

/// A state that panics where it can.
#[derive(Debug, Default, Clone, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Change), events(Changed), snapshot(when = Self::is_due))]
struct Fragile {
    changes: u64,
}

#[handlers]
impl Fragile {
    #[execute]
    fn change(&self, command: Change) -> Changed {
        Changed { panic: command.panic }
    }

    #[apply]
    fn changed(&mut self, event: &Changed) {
        assert!(!event.panic, "in the middle of a change");
        self.changes += 1;
    }

    fn is_due(&self) -> bool {
        assert!(!DUE_PANICS.load(Ordering::SeqCst), "when asked whether a snapshot is due");
        self.changes.is_multiple_of(2)
    }
}

fn change(panic: bool) -> Change {
    Change { what: "it".into(), panic }
}

#[test]
fn a_panic_in_a_unit_of_work_leaves_nothing_of_its_command_in_it() {
    for store in stores() {
        let fragile = store.repository::<Fragile>();
        let mut work = store.unit_of_work();
        work.execute(&fragile, change(false)).unwrap();
        catch_unwind(AssertUnwindSafe(|| work.execute(&fragile, change(true)).map(drop))).unwrap_err();
        assert_eq!(work.commit().unwrap().events, 1);
        assert_eq!(store.repository::<Fragile>().load(&"it".into()).unwrap().state().changes, 1);
        assert_eq!(fragile.load(&"it".into()).unwrap().state().changes, 1);
    }
}

#[test]
fn a_policy_that_panics_harms_no_command() {
    let store = MemoryStore::new();
    let fragile = store.repository::<Fragile>();
    fragile.execute(change(false)).unwrap();
    DUE_PANICS.store(true, Ordering::SeqCst);
    let done = fragile.execute(change(false)).unwrap();
    assert_eq!((done.version(), done.state().changes), (2, 2));
    assert_eq!(fragile.load(&"it".into()).unwrap().version(), 2);
    DUE_PANICS.store(false, Ordering::SeqCst);
    assert!(fragile.statistics().snapshots_failed > 0);
    assert_eq!(fragile.execute(change(false)).unwrap().version(), 3);
}

/// A state whose end is the user's code, and asks the repository that let it go.
#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = String, commands(Note), events(Noted))]
struct Ending;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Noted;

#[derive(Debug, Command)]
struct Note(String);

#[handlers]
impl Ending {
    #[execute]
    fn note(&self, _: Note) -> Noted {
        Noted
    }

    #[apply]
    fn noted(&mut self, _: &Noted) {}
}

type Endings = Repository<Ending, MemoryStore>;

thread_local! {
    static ENDS: std::cell::RefCell<(Option<Endings>, u32)> = const { std::cell::RefCell::new((None, 0)) };
}

impl Drop for Ending {
    fn drop(&mut self) {
        ENDS.with(|ends| {
            if let Ok(mut ends) = ends.try_borrow_mut() {
                ends.1 += 1;
                // Waits for ever if the cache's lock is held.
                ends.0.as_ref().map(Repository::statistics);
            }
        });
    }
}

/// Weights that no sum can hold, and many states let go at once.
#[test]
fn extreme_weights_and_many_ends() {
    let store = MemoryStore::new();
    let heavy = |_: &Ending| u64::MAX / 2 + 1;
    let light = |_: &Ending| 7;
    for (aggregates, bytes, weight) in
        [(usize::MAX, u64::MAX, heavy as fn(&Ending) -> u64), (10, 100, light), (10, u64::MAX, light)]
    {
        let options = CacheOptions::aggregates(aggregates).bytes(bytes, weight);
        let notes = store.repository::<Ending>().with_cache(options);
        ENDS.with(|ends| ends.borrow_mut().0 = Some(notes.clone()));
        for number in 0..50 {
            notes.execute(Note(number.to_string())).unwrap();
        }
        assert!(notes.statistics().cached <= 14);
    }
    let ends = ENDS.with(std::cell::RefCell::take);
    assert!(ends.1 > 100, "{}", ends.1);
}

/// To print a store from within a handler that holds it is no deadlock, and shows no data.
#[test]
fn a_store_can_be_printed_from_within_its_handlers() {
    #[derive(Projection)]
    #[projection(events(Opened), into = Sqlite)]
    struct Prints {
        accounts: Repository<Account, SqliteStore>,
    }

    #[handlers]
    impl Prints {
        #[project]
        fn opened(&self, _: &Opened, _: &str, transaction: &Transaction<'_>) {
            let printed = format!("{:?}", self.accounts);
            assert!(printed.len() < 200 && !transaction.is_autocommit(), "{printed}");
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    SqliteProjection::new(&store, Prints { accounts: accounts.clone() }).unwrap().inline().unwrap();
    accounts.execute(open("alice")).unwrap();
}

/// A trigger of the user's can leave a row out, or undo everything: neither is taken for success, and a snapshot is nobody's
/// reason to fail.
#[test]
fn triggers_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let store = SqliteStore::open(&file).unwrap();
    let fragile = store.repository::<Fragile>();
    fragile.execute(change(false)).unwrap();
    let sql = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    sql("CREATE TRIGGER t BEFORE INSERT ON factum_events BEGIN SELECT RAISE(IGNORE); END");
    let error = fragile.execute(change(false)).unwrap_err();
    assert!(
        matches!(error, ExecuteError::Append(AppendError::Store { source: StoreError::Other(_), .. })),
        "{error}"
    );
    assert_eq!(store.position().unwrap(), 1);
    sql("DROP TRIGGER t;
         CREATE TRIGGER t BEFORE INSERT ON factum_snapshots BEGIN SELECT RAISE(ROLLBACK, 'no snapshots'); END");
    for version in 2..8 {
        assert_eq!(fragile.execute(change(false)).unwrap().version(), version);
    }
    assert!(fragile.statistics().snapshots_taken > 1);
    assert_eq!(store.position().unwrap(), 7);
}

#[test]
fn options_at_their_ends() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store.db");
    let longest = SqliteOptions::new().busy_timeout(std::time::Duration::MAX);
    longest.open(&file).unwrap().repository::<Account>().execute(open("alice")).unwrap();
    // For reading only, whoever has opened the connection.
    let reading = SqliteOptions::new().read_only().from_connection(Connection::open(&file).unwrap()).unwrap();
    let error = reading.repository::<Account>().execute(deposit("alice", 1)).unwrap_err();
    assert!(
        matches!(error, ExecuteError::Append(AppendError::Store { source: StoreError::ReadOnly, .. })),
        "{error}"
    );
    assert_eq!(reading.position().unwrap(), 1);
}

#[test]
fn other_files_and_tables_of_a_connection_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (file, attached) = (folder.path().join("shop.db"), folder.path().join("attached.db"));
    let connection = Connection::open(&file).unwrap();
    connection.execute("ATTACH ?1 AS other", [attached.to_str().unwrap()]).unwrap();
    connection.execute_batch("CREATE TABLE other.mine (a)").unwrap();
    SqliteStore::from_connection(connection).unwrap();
    let mode = |file: &std::path::Path| -> String {
        let connection = Connection::open(file).unwrap();
        connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap()
    };
    assert_eq!((mode(&file).as_str(), mode(&attached).as_str()), ("wal", "delete"));

    for table in ["TABLE", "TEMP TABLE"] {
        let file = folder.path().join(format!("{}.db", table.len()));
        let connection = Connection::open(&file).unwrap();
        connection
            .execute_batch(&format!("CREATE TABLE shop (a); CREATE {table} factum_events (a)"))
            .unwrap();
        let error = SqliteStore::from_connection(connection).unwrap_err();
        assert!(matches!(&error, OpenError::Foreign { table, .. } if table == "factum_events"), "{error}");
        assert_eq!(mode(&file), "delete", "nothing is changed");
    }
}
