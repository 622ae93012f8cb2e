//! Views that are made anew, beside the one that serves, which is replaced when the new one has caught up.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, Transaction};
use factum::sqlite::{Durability, SqliteOptions};
use factum::{OnFailure, Progress, ProjectionError, StoreError};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open};

/// No test waits so long unless it fails.
const LONG: Duration = Duration::from_mins(1);

/// How many events there are where there are many: some transactions' worth.
const MANY: u64 = 12_000;

/// A view of balances under one name, in the version given, where each cent counts `$factor` times.
macro_rules! balances {
    ($view:ident, $version:literal, $factor:literal $(, $init:literal)?) => {
        #[derive(Debug, Default, Clone, Projection)]
        #[projection(
            name = "balances",
            version = $version,
            events(Opened, Deposited),
            into = Sqlite,
            init = concat!(
                "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL);",
                $($init)?
            ),
        )]
        struct $view {
            /// How many events its handlers have taken.
            taken: Arc<AtomicU64>,
        }

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                self.taken.fetch_add(1, Ordering::SeqCst);
                transaction.execute("INSERT INTO balances VALUES (?1, 0)", [key]).map(drop)
            }

            #[project]
            fn deposited(
                &self,
                event: &Deposited,
                key: &str,
                transaction: &Transaction<'_>,
            ) -> Result<(), BoxError> {
                if event.cents == 13 && $version == 3 {
                    return Err("13 is refused".into());
                }
                self.taken.fetch_add(1, Ordering::SeqCst);
                transaction
                    .prepare_cached("UPDATE balances SET cents = cents + ?2 WHERE account = ?1")?
                    .execute((key, event.cents * $factor))?;
                Ok(())
            }
        }
    };
}

balances!(First, 1, 1);
balances!(Second, 2, 100, "CREATE INDEX by_cents ON balances (cents);");
// Refuses some events.
balances!(Third, 3, 1);

fn balances(store: &SqliteStore) -> Vec<(String, i64)> {
    store
        .query(|connection| {
            connection
                .prepare("SELECT account, cents FROM balances ORDER BY account")?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .unwrap()
}

fn row(account: &str, cents: i64) -> Vec<(String, i64)> {
    vec![(account.to_owned(), cents)]
}

fn open_store(file: &Path) -> SqliteStore {
    SqliteOptions::new().durability(Durability::Normal).busy_timeout(LONG).open(file).unwrap()
}

fn stores(folder: &tempfile::TempDir) -> [SqliteStore; 2] {
    [open_store(&folder.path().join("bank.db")), SqliteStore::in_memory().unwrap()]
}

fn fill(store: &SqliteStore, events: u64) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (1..events).map(|_| deposit("alice", 1))).unwrap();
}

/// The names in a folder, or whatever a rebuild has left where the system keeps what need not last.
fn left_behind(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.contains("rebuild"));
    names.sort();
    names
}

#[test]
fn a_changed_version_makes_the_view_anew() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", 11_999));

        let mut second = SqliteProjection::new(&store, Second::default()).unwrap();
        assert!(second.needs_rebuild().unwrap());
        assert_eq!(balances(&store), row("alice", 11_999), "the old one serves");
        let caught = second.catch_up().unwrap();
        assert_eq!((caught.events, caught.position), (MANY, MANY));
        assert_eq!(balances(&store), row("alice", 1_199_900));
        assert_eq!(second.position().unwrap(), MANY);
        // It goes on as any other.
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        assert_eq!(second.catch_up().unwrap().events, 1);
        assert_eq!(balances(&store), row("alice", 1_200_000));
        assert_eq!(left_behind(folder.path()), Vec::<String>::new());
        assert_eq!(store.check().unwrap(), []);

        // A program that still runs the first version writes nothing into the second's.
        let error = SqliteProjection::new(&store, First::default()).unwrap_err();
        assert!(matches!(error, ProjectionError::OtherVersion { stored: 2, current: 1, .. }), "{error}");
        assert!(error.to_string().ends_with("a newer program has made it"), "{error}");
    }
}

#[test]
fn a_view_is_made_anew_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, 10);
        let mut view = SqliteProjection::new(&store, First::default()).unwrap();
        view.catch_up().unwrap();
        // Damage.
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        damage(&store);
        view.catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", -999));
        assert_eq!(view.rebuild().unwrap().position, 11);
        assert_eq!(balances(&store), row("alice", 10));
        assert_eq!(view.rebuild().unwrap().position, 11);
        assert_eq!(balances(&store), row("alice", 10));
    }
}

/// Writes something wrong into the view of either store, by a projection that may.
fn damage(store: &SqliteStore) {
    #[derive(Projection)]
    #[projection(name = "damage", events(Opened), into = Sqlite)]
    struct Damage;

    #[handlers]
    impl Damage {
        #[project]
        fn opened(&self, _: &Opened, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
            transaction.execute("UPDATE balances SET cents = -1000", ()).map(drop)
        }
    }

    SqliteProjection::new(store, Damage).unwrap().catch_up().unwrap();
}

/// All progress that was told.
#[derive(Debug, Default, Clone)]
struct Told(Arc<Mutex<Vec<Progress>>>);

impl Told {
    /// Tells, and breaks off where `until` events are done.
    fn until(&self, until: u64) -> impl FnMut(&Progress) -> ControlFlow<()> + Send + use<> {
        let told = self.clone();
        move |progress| {
            told.0.lock().unwrap().push(*progress);
            if progress.done >= until { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    fn take(&self) -> Vec<Progress> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn a_rebuild_tells_its_progress_and_goes_on_where_it_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let (taken, told) = (Arc::new(AtomicU64::new(0)), Told::default());
        let second = || SqliteProjection::new(&store, Second { taken: taken.clone() }).unwrap();

        let mut stopped = second().on_progress(told.until(1));
        let error = stopped.catch_up().unwrap_err();
        let ProjectionError::Stopped { position, goal: MANY, .. } = error else { panic!("{error}") };
        assert!((1..MANY).contains(&position), "{position}");
        assert_eq!(balances(&store), row("alice", 11_999), "the old one serves");
        assert_eq!(taken.load(Ordering::SeqCst), position);
        let first = told.take();
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].done, first[0].total), (position, MANY));
        assert!(first[0].rate() > 0.0 && first[0].left().is_some());

        let caught = second().on_progress(told.until(u64::MAX)).catch_up().unwrap();
        assert_eq!((caught.position, caught.events), (MANY, MANY - position));
        assert_eq!(taken.load(Ordering::SeqCst), MANY, "no event was projected twice");
        assert_eq!(balances(&store), row("alice", 1_199_900));
        let rest = told.take();
        assert!(rest.iter().all(|progress| progress.total == MANY && progress.done > position), "{rest:?}");
        assert!(rest.is_sorted_by_key(|progress| progress.done));
        assert_eq!(rest.last().unwrap().done, MANY);
        assert_eq!(rest.last().unwrap().left(), Some(Duration::ZERO));
    }
}

#[test]
fn a_catch_up_tells_its_progress_and_can_be_stopped() {
    let store = SqliteStore::in_memory().unwrap();
    fill(&store, MANY);
    let told = Told::default();
    let mut view = SqliteProjection::new(&store, First::default()).unwrap().on_progress(told.until(4_000));
    let error = view.catch_up().unwrap_err();
    assert!(matches!(error, ProjectionError::Stopped { goal: MANY, .. }), "{error}");
    let position = view.position().unwrap();
    assert_eq!(balances(&store), row("alice", i64::try_from(position).unwrap() - 1), "it is exact");
    let mut view = view.on_progress(told.until(u64::MAX));
    assert_eq!(view.catch_up().unwrap().events, MANY - position);
    let told = told.take();
    assert_eq!(told.last().unwrap().done, told.last().unwrap().total);
    assert_eq!(balances(&store), row("alice", 11_999));
    // There is nothing to tell where there is nothing to do.
    assert_eq!(view.catch_up().unwrap().events, 0);
}

/// While the new view is made, the old one is read and is part of appends; who waits for the new one does not take the old one
/// for it.
#[test]
fn the_old_view_serves_while_the_new_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (store, old) = (open_store(&file), open_store(&file));
    fill(&store, MANY);
    SqliteProjection::new(&old, First::default()).unwrap().inline().unwrap();
    let (in_the_middle, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let mut pause = Some((in_the_middle.clone(), go_on.clone()));
    let following = SqliteProjection::new(&store, Second::default())
        .unwrap()
        .on_progress(move |_| {
            if let Some((in_the_middle, go_on)) = pause.take() {
                in_the_middle.wait();
                go_on.wait();
            }
            ControlFlow::Continue(())
        })
        .follow()
        .start()
        .unwrap();
    in_the_middle.wait();
    assert_eq!(following.position(), 0, "nobody can see it yet");
    following.wait_for(1, Duration::from_millis(1)).unwrap_err();
    let accounts = old.repository::<Account>();
    let done = accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!(balances(&store), row("alice", 12_000), "inline, in the old one");
    go_on.wait();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(balances(&store), row("alice", 1_200_000));
    // The old program's appends fail from now on, and say why, as its view is gone.
    let error = accounts.execute(deposit("alice", 1)).unwrap_err();
    assert!(error.to_string().contains("a newer program has made it"), "{error}");
    following.stop().unwrap();
}

#[test]
fn whoever_follows_makes_it_anew_first_and_inline_does_too() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, 10);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        SqliteProjection::new(&store, Second::default()).unwrap().inline().unwrap();
        assert_eq!(balances(&store), row("alice", 900));
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        assert_eq!(balances(&store), row("alice", 1_000));
    }
}

/// An event that the new version refuses: the old view stays, or it is set aside.
#[test]
fn a_rebuild_that_fails_leaves_the_old_view() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, 10);
        let accounts = store.repository::<Account>();
        let refused = accounts.execute(deposit("alice", 13)).unwrap().position().unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let mut third = SqliteProjection::new(&store, Third::default()).unwrap();
        for _ in 0..2 {
            let error = third.catch_up().unwrap_err();
            assert_eq!(error.position(), Some(refused), "{error}");
            assert_eq!(balances(&store), row("alice", 23));
            assert!(third.needs_rebuild().unwrap());
        }
        let following = third.follow().on_failure(OnFailure::SetAside).start().unwrap();
        following.wait_for(store.position().unwrap(), LONG).unwrap();
        let third = following.stop().unwrap();
        assert_eq!(balances(&store), row("alice", 10));
        let letters = third.dead_letters().unwrap();
        assert_eq!(letters.iter().map(|letter| letter.position).collect::<Vec<_>>(), [refused]);

        // What an earlier version has set aside is the new one's to take.
        SqliteProjection::new(&store, Fourth::default()).unwrap().catch_up().unwrap();
        assert_eq!(SqliteProjection::new(&store, Fourth::default()).unwrap().dead_letters().unwrap(), []);
        assert_eq!(balances(&store), row("alice", 23));
    }
}

balances!(Fourth, 4, 1);

/// What was begun for one version is not gone on with for another.
#[test]
fn a_stopped_rebuild_of_an_earlier_version_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let second = SqliteProjection::new(&store, Second::default()).unwrap();
        second.on_progress(Told::default().until(1)).catch_up().unwrap_err();
        let fourth = Fourth::default();
        SqliteProjection::new(&store, fourth.clone()).unwrap().catch_up().unwrap();
        assert_eq!(fourth.taken.load(Ordering::SeqCst), MANY);
        assert_eq!(balances(&store), row("alice", 11_999));
    }
}

/// Of two processes that find an old view, one makes it anew.
#[test]
fn two_programs_make_it_anew_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    fill(&open_store(&file), MANY);
    SqliteProjection::new(&open_store(&file), First::default()).unwrap().catch_up().unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = open_store(&file);
                let mut view = SqliteProjection::new(&store, Second { taken: taken.clone() }).unwrap();
                view.catch_up().unwrap();
                assert_eq!(balances(&store), row("alice", 1_199_900));
            });
        }
    });
    assert_eq!(taken.load(Ordering::SeqCst), MANY);
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

/// Events that come all the while.
#[test]
fn a_rebuild_catches_up_with_those_who_append() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let accounts = store.repository::<Account>();
            let mut cents = 11_999;
            while !stop.load(Ordering::SeqCst) {
                accounts.execute(deposit("alice", 1)).unwrap();
                cents += 1;
            }
            cents
        });
        let mut view = SqliteProjection::new(&store, Second::default()).unwrap();
        view.catch_up().unwrap();
        for _ in 0..3 {
            view.rebuild().unwrap();
        }
        stop.store(true, Ordering::SeqCst);
        let cents = writer.join().unwrap();
        view.catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", cents * 100));
    });
}

/// All that a schema may have in it.
mod schema {
    use super::*;

    const TABLES: &str = "
        CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE);
        CREATE TABLE \"odd \"\"name\" (
            owner INTEGER NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
            cents INTEGER NOT NULL CHECK (cents >= 0),
            twice INTEGER AS (cents * 2) STORED,
            thrice INTEGER AS (cents * 3)
        ) STRICT;
        CREATE TABLE plain (owner TEXT PRIMARY KEY, note BLOB) WITHOUT ROWID;
        CREATE TABLE log (line TEXT NOT NULL);
        CREATE INDEX big ON \"odd \"\"name\" (cents) WHERE cents > 10;
        CREATE INDEX odd_expression ON plain (upper(owner));
        CREATE TRIGGER logged AFTER INSERT ON owners BEGIN INSERT INTO log VALUES ('new: ' || new.name); END;
        CREATE VIEW rich AS SELECT name, cents FROM owners JOIN \"odd \"\"name\" ON owner = owners.id;
        CREATE VIRTUAL TABLE names USING fts5 (name, tokenize = 'trigram');
        CREATE VIRTUAL TABLE spans USING rtree (id, low, high);";

    macro_rules! everything {
        ($view:ident, $version:literal) => {
            #[derive(Projection)]
            #[projection(
                                                                            name = "everything",
                                                                            version = $version,
                                                                            events(Opened, Deposited),
                                                                            into = Sqlite,
                                                                            init = TABLES
                                                                        )]
            struct $view;

            #[handlers]
            impl $view {
                #[project]
                fn opened(
                    &self,
                    _: &Opened,
                    key: &str,
                    transaction: &Transaction<'_>,
                ) -> rusqlite::Result<()> {
                    transaction.execute("INSERT INTO owners (name) VALUES (?1)", [key])?;
                    let owner = transaction.last_insert_rowid();
                    transaction.execute("INSERT INTO plain VALUES (?1, x'00ff')", [key])?;
                    transaction
                        .execute("INSERT INTO names (rowid, name) VALUES (?1, ?2)", (owner * 10, key))?;
                    transaction.execute("INSERT INTO spans VALUES (?1, ?1, ?1 + 1)", [owner])?;
                    // An id that is not used again.
                    transaction.execute("INSERT INTO owners (name) VALUES ('gone')", ())?;
                    transaction.execute("DELETE FROM owners WHERE name = 'gone'", ()).map(drop)
                }

                #[project]
                fn deposited(
                    &self,
                    event: &Deposited,
                    key: &str,
                    transaction: &Transaction<'_>,
                ) -> rusqlite::Result<()> {
                    let sql = "INSERT INTO \"odd \"\"name\" (owner, cents)
                               SELECT id, ?2 FROM owners WHERE name = ?1";
                    transaction.execute(sql, (key, event.cents)).map(drop)
                }
            }
        };
    }

    everything!(One, 1);
    everything!(Two, 2);

    /// All rows of all that is the view's, and its schema.
    fn contents(file: &Path) -> Vec<String> {
        let connection = Connection::open(file).unwrap();
        let mut all = Vec::new();
        for query in [
            "SELECT type || name || sql FROM sqlite_schema WHERE name NOT LIKE 'factum%' AND sql IS NOT NULL ORDER BY 1",
            "SELECT id || name FROM owners ORDER BY 1",
            "SELECT owner || ' ' || cents || ' ' || twice || ' ' || thrice FROM \"odd \"\"name\" ORDER BY 1",
            "SELECT owner || hex(note) FROM plain ORDER BY 1",
            "SELECT line FROM log ORDER BY 1",
            "SELECT name || cents FROM rich ORDER BY 1",
            "SELECT rowid || name FROM names WHERE names MATCH 'lic' ORDER BY 1",
            "SELECT id || ' ' || low FROM spans WHERE high > 2 ORDER BY 1",
            "SELECT name || seq FROM sqlite_sequence ORDER BY 1",
        ] {
            all.push(query.to_owned());
            let mut select = connection.prepare(query).unwrap();
            all.extend(select.query_map((), |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
        }
        let broken: Vec<String> = connection
            .prepare("SELECT \"table\" FROM pragma_foreign_key_check")
            .unwrap()
            .query_map((), |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(broken, Vec::<String>::new());
        all
    }

    #[test]
    fn a_rebuilt_view_is_what_one_made_from_scratch_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bank.db");
        let store = open_store(&file);
        let accounts = store.repository::<Account>();
        for name in ["alice", "bob", "alice's"] {
            accounts.execute(open(name)).unwrap();
            accounts.execute(deposit(name, 5)).unwrap();
            accounts.execute(deposit(name, 50)).unwrap();
        }
        SqliteProjection::new(&store, One).unwrap().catch_up().unwrap();
        let before = contents(&file);
        assert!(before.len() > 40, "{before:#?}");
        let mut two = SqliteProjection::new(&store, Two).unwrap();
        for _ in 0..3 {
            two.rebuild().unwrap();
            assert_eq!(contents(&file), before);
            assert_eq!(store.check().unwrap(), []);
        }
        // The trigger, the indexes and the sequence go on.
        accounts.execute(open("malice")).unwrap();
        two.catch_up().unwrap();
        let after = contents(&file);
        assert!(
            after.contains(&"new: malice".to_owned()) && after.contains(&"7malice".to_owned()),
            "{after:#?}"
        );
        assert!(after.contains(&"70malice".to_owned()), "{after:#?}");
    }

    /// What is not the view's stays as it is, and is not in its way.
    #[test]
    fn tables_of_others_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bank.db");
        let store = open_store(&file);
        fill(&store, 10);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let connection = Connection::open(&file).unwrap();
        connection.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
        SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
        let mine = |sql: &str| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(mine("SELECT count(*) FROM mine"), 1);

        // A name that somebody else has taken: the old view stays, and the error says which.
        connection.execute_batch("CREATE TABLE fifth (y)").unwrap();
        let mut fifth = SqliteProjection::new(&store, Fifth::default()).unwrap();
        let error = fifth.catch_up().unwrap_err();
        assert!(matches!(error, ProjectionError::Tables { .. }), "{error}");
        assert!(error.to_string().contains("fifth"), "{error}");
        assert_eq!(balances(&store), row("alice", 900));
        connection.execute_batch("DROP TABLE fifth").unwrap();
        fifth.catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", 9));
        // And the index that the second version had is gone, as the fifth does not make it.
        assert_eq!(mine("SELECT count(*) FROM sqlite_schema WHERE name = 'by_cents'"), 0);
        assert_eq!(mine("SELECT count(*) FROM fifth"), 0);
    }

    balances!(Fifth, 5, 1, "CREATE TABLE fifth (z);");

    #[test]
    fn what_can_not_be_copied_says_so_at_once() {
        #[derive(Projection)]
        #[projection(
            name = "texts",
            events(Opened),
            into = Sqlite,
            init = "CREATE VIRTUAL TABLE texts USING fts5 (name, content = '')",
        )]
        struct Texts;

        #[handlers]
        impl Texts {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                transaction.execute("INSERT INTO texts (name) VALUES (?1)", [key]).map(drop)
            }
        }

        let store = SqliteStore::in_memory().unwrap();
        fill(&store, 10);
        let mut texts = SqliteProjection::new(&store, Texts).unwrap();
        texts.catch_up().unwrap();
        let error = texts.rebuild().unwrap_err();
        assert!(matches!(error, ProjectionError::Tables { .. }), "{error}");
        assert!(error.to_string().contains("`reset` makes the view anew in place"), "{error}");
        let found: u64 = store
            .query(|connection| {
                let sql = "SELECT count(*) FROM texts WHERE texts MATCH 'alice'";
                connection.query_row(sql, (), |row| row.get(0))
            })
            .unwrap();
        assert_eq!(found, 1, "the old one stays");
    }
}

/// A file that somebody has put in the place of the new view is not taken for it.
#[test]
fn another_file_of_that_name_is_not_taken_for_the_new_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let second = SqliteProjection::new(&store, Second::default()).unwrap();
    second.on_progress(Told::default().until(1)).catch_up().unwrap_err();
    let begun: Vec<_> = left_behind(folder.path());
    let begun = begun.iter().find(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).unwrap();
    for content in [&b""[..], b"no database"] {
        for name in left_behind(folder.path()) {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join(begun), content).unwrap();
        let mut second = SqliteProjection::new(&store, Second::default()).unwrap();
        if content.is_empty() {
            // Stopped once more, for the next round.
            second.on_progress(Told::default().until(1)).catch_up().unwrap_err();
        } else {
            second.catch_up().unwrap();
        }
    }
    assert_eq!(balances(&store), row("alice", 1_199_900));
}

/// A process that has died over a rebuild is waited for, and no longer than its lease.
#[test]
fn whoever_dies_over_it_loses_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, 10);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let until = Timestamp::now().as_micros() + 300_000;
    Connection::open(&file)
        .unwrap()
        .execute("INSERT INTO factum_leases VALUES ('balances (rebuild)', x'00112233', ?1)", [until])
        .unwrap();
    SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
    assert!(Timestamp::now().as_micros() >= until);
    assert_eq!(balances(&store), row("alice", 900));
}

/// Readers never see a view that is partly old, partly new, or empty.
#[test]
fn readers_see_the_old_view_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let [(_, cents)] = balances(&store)[..] else { panic!("not one row") };
                if seen.last() != Some(&cents) {
                    seen.push(cents);
                }
            }
            seen
        });
        SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
        while balances(&store) != row("alice", 1_199_900) {}
        std::thread::sleep(Duration::from_millis(10));
        done.store(true, Ordering::SeqCst);
        assert_eq!(reader.join().unwrap(), [11_999, 1_199_900]);
    });
}

/// The view in another file than the events.
#[test]
fn a_view_in_another_file_is_made_anew_there() {
    let folder = tempfile::tempdir().unwrap();
    let (events, views) =
        (open_store(&folder.path().join("bank.db")), open_store(&folder.path().join("views.db")));
    fill(&events, MANY);
    SqliteProjection::new_in(&views, &events, First::default()).unwrap().catch_up().unwrap();
    assert_eq!(balances(&views), row("alice", 11_999));
    let told = Told::default();
    let second = || SqliteProjection::new_in(&views, &events, Second::default()).unwrap();
    second().on_progress(told.until(1)).catch_up().unwrap_err();
    assert!(left_behind(folder.path()).iter().all(|name| name.starts_with("views.db-rebuild-balances-")));
    second().catch_up().unwrap();
    assert_eq!(balances(&views), row("alice", 1_199_900));
    assert_eq!((views.position().unwrap(), left_behind(folder.path())), (0, vec![]));
    let error = second().inline().unwrap_err();
    assert!(matches!(error, ProjectionError::OtherFile { .. }), "{error}");
}

/// A path that no file can be made at.
#[test]
fn a_rebuild_without_a_place_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let second = || SqliteProjection::new(&store, Second::default()).unwrap();
    second().on_progress(Told::default().until(1)).catch_up().unwrap_err();
    for name in left_behind(folder.path()) {
        let path = folder.path().join(&name);
        std::fs::remove_file(&path).unwrap();
        if !name.ends_with("-wal") && !name.ends_with("-shm") {
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("full"), "").unwrap();
        }
    }
    let error = second().catch_up().unwrap_err();
    let ProjectionError::RebuildFile { path, .. } = &error else { panic!("{error}") };
    assert!(path.starts_with(folder.path()), "{error}");
    assert_eq!(balances(&store), row("alice", 11_999));
    assert!(!matches!(error, ProjectionError::Store { source: StoreError::Busy, .. }));
}

/// What a store in memory has had in a file goes with it, done or not.
#[test]
fn a_store_in_memory_leaves_nothing_behind() {
    #[derive(Projection)]
    #[projection(name = "left-behind-by-memory", events(Opened, Deposited), into = Sqlite)]
    struct View;

    #[handlers]
    impl View {
        #[project]
        fn opened(&self, _: &Opened) {}

        #[project]
        fn deposited(&self, _: &Deposited) {}
    }

    // The folder is not this test's alone: what counts is what has this rebuild's name.
    let name = "left-behind-by-memory";
    let left = || left_behind(&std::env::temp_dir()).into_iter().filter(|file| file.contains(name)).count();
    let store = SqliteStore::in_memory().unwrap();
    fill(&store, MANY);
    let view = SqliteProjection::new(&store, View).unwrap();
    view.on_progress(Told::default().until(1)).rebuild().unwrap_err();
    assert!(left() > 0);
    drop(store);
    assert_eq!(left(), 0);
}
