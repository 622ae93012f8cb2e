//! Rebuilds of views with everything that a schema may contain.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use factum::follow::ProjectionError;
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, Transaction};

use super::{First, Second, fill, row};
use crate::support::account::{Account, Deposited, Opened, deposit, open};
use crate::support::chain::chain;
use crate::support::stores::open_store;
use crate::support::views::balances;

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
                                                                                from(Account),
                                                                                into = Sqlite,
                                                                                init = TABLES
                                                                            )]
        struct $view;

        #[handlers]
        impl $view {
            #[project]
            fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
                transaction.execute("INSERT INTO owners (name) VALUES (?1)", [key])?;
                let owner = transaction.last_insert_rowid();
                transaction.execute("INSERT INTO plain VALUES (?1, x'00ff')", [key])?;
                transaction.execute("INSERT INTO names (rowid, name) VALUES (?1, ?2)", (owner * 10, key))?;
                transaction.execute("INSERT INTO spans VALUES (?1, ?1, ?1 + 1)", [owner])?;
                // `AUTOINCREMENT` never uses this id again.
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

/// All rows of the view's tables, and its schema.
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
fn a_rebuilt_view_equals_one_made_from_scratch() {
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
    // The trigger, the indexes and the sequence still work.
    accounts.execute(open("malice")).unwrap();
    two.catch_up().unwrap();
    let after = contents(&file);
    assert!(after.contains(&"new: malice".to_owned()) && after.contains(&"7malice".to_owned()), "{after:#?}");
    assert!(after.contains(&"70malice".to_owned()), "{after:#?}");
}

/// Tables of other owners stay as they are, and do not block the rebuild.
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

    // Another table has the name already: the old view stays, and the error names the table.
    connection.execute_batch("CREATE TABLE fifth (y)").unwrap();
    let mut fifth = SqliteProjection::new(&store, Fifth::default()).unwrap();
    let error = fifth.catch_up().unwrap_err();
    assert!(matches!(error, ProjectionError::Init { .. }), "{error}");
    assert!(chain(&error).contains("fifth"), "{}", chain(&error));
    assert_eq!(balances(&store), row("alice", 900));
    connection.execute_batch("DROP TABLE fifth").unwrap();
    fifth.catch_up().unwrap();
    assert_eq!(balances(&store), row("alice", 9));
    // The index of the second version is gone, as the fifth does not create it.
    assert_eq!(mine("SELECT count(*) FROM sqlite_schema WHERE name = 'by_cents'"), 0);
    assert_eq!(mine("SELECT count(*) FROM fifth"), 0);
}

balances_view!(Fifth, 5, 1, "CREATE TABLE fifth (z);");

#[test]
fn a_table_that_can_not_be_copied_is_an_error_at_once() {
    #[derive(Projection)]
    #[projection(
        name = "texts",
        events(Opened),
        from(Account),
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
    assert!(matches!(error, ProjectionError::Init { .. }), "{error}");
    assert!(chain(&error).contains("`from_scratch` rebuilds the view in place"), "{}", chain(&error));
    let found: u64 = store
        .query(|connection| {
            let sql = "SELECT count(*) FROM texts WHERE texts MATCH 'alice'";
            connection.query_row(sql, (), |row| row.get(0))
        })
        .unwrap();
    assert_eq!(found, 1, "the old one stays");
}
