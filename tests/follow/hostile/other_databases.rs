//! Handlers that use a database of their own: its errors are theirs, and no failure of the store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use factum::Position;
use factum::follow::{DeadLetter, FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::SqliteOptions;
use factum::sqlite::rusqlite::{Connection, OpenFlags, Transaction};
use factum::store::StoreError;
use factum::with_causes;

use crate::support::account::{Account, Opened, open};
use crate::support::stores::{LONG, sqlite_stores};

/// A way to fail with a database that is not the view's.
type Way = (&'static str, fn(&Path) -> Result<(), BoxError>);

/// The end of each error, and how a handler gets it.
const WAYS: [Way; 6] = [
    ("malformed", |folder| {
        let connection = Connection::open(folder.join("damaged.db"))?;
        Ok(connection.query_row("SELECT count(*) FROM numbers", (), |row| row.get::<_, u64>(0)).map(drop)?)
    }),
    ("not a database", |folder| {
        let connection = Connection::open(folder.join("text.db"))?;
        Ok(connection.execute_batch("CREATE TABLE t (a)")?)
    }),
    ("readonly database", |folder| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(folder.join("held.db"), flags)?;
        connection.busy_timeout(LONG)?;
        Ok(connection.execute_batch("CREATE TABLE t (a)")?)
    }),
    ("locked", |folder| {
        let connection = Connection::open(folder.join("held.db"))?;
        connection.busy_timeout(Duration::ZERO)?;
        Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
    }),
    ("can only be read", |folder| {
        let store = SqliteOptions::new().read_only().open(folder.join("store.db"))?;
        Ok(store.repository::<Account>().execute(open("copy")).map(drop)?)
    }),
    ("held by another writer for too long", |folder| {
        let store = SqliteOptions::new().busy_timeout(Duration::ZERO).open(folder.join("store.db"))?;
        let held = Connection::open(folder.join("store.db"))?;
        held.execute_batch("BEGIN IMMEDIATE")?;
        Ok(store.repository::<Account>().execute(open("copy")).map(drop)?)
    }),
];

/// The databases of the handlers. `held.db` stays locked for as long as the connection lives.
fn databases(folder: &Path) -> Connection {
    std::fs::write(folder.join("text.db"), "no database, ".repeat(100)).unwrap();
    drop(SqliteStore::open(folder.join("store.db")).unwrap());
    let damaged = folder.join("damaged.db");
    let fill = "CREATE TABLE numbers AS
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i FROM n";
    Connection::open(&damaged).unwrap().execute_batch(fill).unwrap();
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[4096..8192].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    let held = Connection::open(folder.join("held.db")).unwrap();
    held.execute_batch("CREATE TABLE held (a); BEGIN IMMEDIATE").unwrap();
    held
}

fn fail(folder: &Path, key: &str) -> Result<(), BoxError> {
    match WAYS.iter().find(|(end, _)| *end == key) {
        Some((_, fail)) => fail(folder),
        None => Ok(()),
    }
}

#[derive(Projection)]
#[projection(name = "view", from(Account), events(Opened), into = Sqlite)]
struct View(PathBuf);

#[handlers]
impl View {
    #[project]
    fn opened(&self, _: &Opened, key: &str) -> Result<(), BoxError> {
        fail(&self.0, key)
    }
}

#[derive(Reaction)]
#[reaction(name = "echo", from(Account), events(Opened))]
struct Echo(PathBuf);

#[handlers]
impl Echo {
    #[react]
    fn opened(&self, _: &Opened, key: &str) -> Result<(), BoxError> {
        fail(&self.0, key)
    }
}

fn check(letters: &[DeadLetter], ways: &[Way]) {
    let errors: Vec<_> = letters.iter().map(|letter| &letter.error).collect();
    assert_eq!(errors.len(), ways.len(), "{errors:?}");
    for (error, (end, _)) in errors.into_iter().zip(ways) {
        assert!(error.contains(end), "{end}: {error}");
    }
}

#[test]
fn an_error_of_another_database_is_the_handlers() {
    let folder = tempfile::tempdir().unwrap();
    let _held = databases(folder.path());
    for store in sqlite_stores(&folder) {
        for (key, _) in WAYS {
            store.repository::<Account>().execute(open(key)).unwrap();
        }
        let end = Position::new(WAYS.len() as u64);
        let view = SqliteProjection::new(&store, View(folder.path().into())).unwrap();
        let running = view.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
        running.wait_for(end, LONG).unwrap();
        check(&running.stop().unwrap().dead_letters().unwrap(), &WAYS);
        // A reaction that finds a store busy waits for it.
        let (_, others) = WAYS.split_last().unwrap();
        let echo = SqliteReaction::new(&store, Echo(folder.path().into())).unwrap();
        let running = echo.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
        running.wait_for(Position::new(WAYS.len() as u64 - 1), LONG).unwrap();
        check(&running.stop().unwrap().dead_letters().unwrap(), others);
    }
}

/// A view's own file is the store's, whatever its handlers return.
#[test]
fn damage_in_the_views_own_file_is_the_fault_of_no_event() {
    #[derive(Projection)]
    #[projection(
        name = "own",
        from(Account),
        events(Opened),
        into = Sqlite,
        init = "CREATE TABLE own (text);
                WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)
                INSERT INTO own SELECT hex(zeroblob(500)) FROM n",
    )]
    struct Own;

    #[handlers]
    impl Own {
        #[project]
        fn opened(&self, _: &Opened, transaction: &Transaction<'_>) -> Result<(), BoxError> {
            Ok(transaction.execute("UPDATE own SET text = text || 'x'", ()).map(drop)?)
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let events = SqliteStore::open(folder.path().join("events.db")).unwrap();
    events.repository::<Account>().execute(open("alice")).unwrap();
    let file = folder.path().join("views.db");
    drop(SqliteProjection::in_store(&SqliteStore::open(&file).unwrap(), &events, Own).unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 8192 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();

    let views = SqliteStore::open(&file).unwrap();
    let view = SqliteProjection::in_store(&views, &events, Own).unwrap();
    let running = view.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
    running.wait_for(Position::new(1), LONG).unwrap_err();
    let error = running.stop().unwrap_err();
    let text = with_causes(&error);
    let ProjectionError::Follow(FollowError::Store { source, .. }) = error else { panic!("{text}") };
    assert!(matches!(source, StoreError::Damaged { .. }), "{text}");
}
