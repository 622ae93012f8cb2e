//! SQL of handlers that would end the transaction of their step, change the connection, or write to the tables of
//! the store.

use std::sync::{Arc, Mutex};

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::store::AppendError;

use crate::support::account::{Account, Opened, open};
use crate::support::stores::{LONG, sqlite_stores};

/// The SQL that the handlers run, until it is replaced by none, and whether they hide the error.
#[derive(Debug, Clone, Default)]
struct Sql(Arc<Mutex<(String, bool)>>);

impl Sql {
    fn set(&self, sql: &str, is_hidden: bool) {
        *self.0.lock().unwrap() = (sql.to_owned(), is_hidden);
    }

    fn run(&self, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        let (sql, is_hidden) = self.0.lock().unwrap().clone();
        let result = transaction.execute_batch(&sql);
        if is_hidden { Ok(()) } else { Ok(result?) }
    }
}

#[derive(Clone, Projection)]
#[projection(
    name = "view",
    from(Account),
    events(Opened),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE rows (name TEXT NOT NULL)",
)]
struct View(Sql);

#[handlers]
impl View {
    #[project]
    fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        transaction.execute("INSERT INTO rows VALUES (?1)", [key])?;
        self.0.run(transaction)
    }
}

/// SQL that no handler may run, and how the reason begins.
const REFUSED: &[(&str, &str)] = &[
    ("COMMIT", "COMMIT"),
    ("END", "COMMIT"),
    ("ROLLBACK", "ROLLBACK"),
    ("ROLLBACK; BEGIN IMMEDIATE", "ROLLBACK"),
    ("COMMIT; BEGIN IMMEDIATE", "COMMIT"),
    ("/* hidden */ commit transaction", "COMMIT"),
    ("BEGIN", "BEGIN"),
    ("ATTACH ':memory:' AS other", "ATTACH"),
    ("ATTACH 'other' || '.db' AS other", "ATTACH"),
    ("DETACH main", "DETACH"),
    ("PRAGMA synchronous = OFF", "PRAGMA synchronous"),
    ("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys"),
    ("PRAGMA query_only(1)", "PRAGMA query_only"),
    ("PRAGMA writable_schema = ON", "PRAGMA writable_schema"),
    ("PRAGMA user_version = 7", "PRAGMA user_version"),
    ("PRAGMA optimize", "PRAGMA optimize"),
    ("SAVEPOINT Factum_rest", "the savepoint"),
    ("RELEASE factum_rest", "the savepoint"),
    ("DELETE FROM factum_events", "a write to factum_events"),
    ("DELETE FROM main.FACTUM_EVENTS", "a write to factum_events"),
    ("UPDATE factum_checkpoints SET position = 0", "a write to factum_checkpoints"),
    ("INSERT INTO factum_leases VALUES ('a', x'00', 1)", "a write to factum_leases"),
    ("WITH gone AS (SELECT 1) DELETE FROM factum_checkpoints", "a write to factum_checkpoints"),
    ("DROP TABLE factum_dead_letters", "the removal of factum_dead_letters"),
    ("ALTER TABLE factum_events ADD COLUMN mine TEXT", "a change of factum_events"),
    ("CREATE TABLE factum_mine (a)", "the creation of factum_mine"),
    ("CREATE TEMP TABLE factum_events (a)", "the creation of factum_events"),
    ("CREATE TEMP VIEW Factum_Events AS SELECT 1", "the creation of Factum_Events"),
    ("CREATE INDEX mine ON factum_events (name)", "the index mine"),
    ("CREATE TRIGGER mine AFTER INSERT ON factum_events BEGIN SELECT 1; END", "the trigger mine"),
    ("CREATE TEMP TRIGGER mine AFTER INSERT ON factum_events BEGIN SELECT 1; END", "the trigger mine"),
];

/// SQL that handlers may run.
const ALLOWED: &[&str] = &[
    "SAVEPOINT mine; INSERT INTO rows VALUES ('undone'); ROLLBACK TO mine; RELEASE mine",
    "SELECT count(*) FROM factum_events; SELECT position FROM factum_checkpoints",
    "PRAGMA table_info(factum_events); PRAGMA foreign_key_list('rows'); PRAGMA synchronous",
    "PRAGMA defer_foreign_keys = ON",
    "SELECT name FROM pragma_table_xinfo('rows')",
    "CREATE TABLE IF NOT EXISTS more (a); CREATE INDEX IF NOT EXISTS more_a ON more (a)",
    "CREATE TEMP TABLE IF NOT EXISTS scratch (a); INSERT INTO scratch VALUES (1)",
    "ALTER TABLE rows ADD COLUMN later TEXT; ALTER TABLE rows DROP COLUMN later",
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(word); INSERT INTO words VALUES ('a')",
];

fn rows(store: &SqliteStore) -> u64 {
    store.query(|view| view.query_row("SELECT count(*) FROM rows", (), |row| row.get(0))).unwrap()
}

fn check(error: &FollowError, reason: &str) {
    let FollowError::RefusedSql { refused, position, .. } = error else { panic!("{reason}: {error:?}") };
    assert!(refused.starts_with(reason), "{refused}");
    assert_eq!(error.position(), Some(*position));
    let text = error.to_string();
    assert!(text.starts_with("`view`: SQL of a handler was refused at position "), "{text}");
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_catch_up_refuses_sql_that_is_not_the_handlers() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let sql = Sql::default();
        let mut view = SqliteProjection::new(&store, View(sql.clone())).unwrap();
        for (number, (text, reason)) in (1..).zip(REFUSED) {
            store.repository::<Account>().execute(open(text)).unwrap();
            sql.set(text, false);
            let ProjectionError::Follow(error) = view.catch_up().unwrap_err() else { panic!("{text}") };
            check(&error, reason);
            assert_eq!(rows(&store), number - 1, "{text}");
            // A handler that hides the refusal has changed nothing.
            sql.set(text, true);
            assert_eq!(view.catch_up().unwrap().position, Position::new(number));
            assert_eq!(rows(&store), number, "{text}");
        }
        // A trigger of the handler's own may not do so either.
        store.repository::<Account>().execute(open("sneaky")).unwrap();
        let trigger = "CREATE TRIGGER sneaky AFTER INSERT ON rows BEGIN DELETE FROM factum_checkpoints; END;
                       INSERT INTO rows VALUES ('sneaky')";
        sql.set(trigger, false);
        let ProjectionError::Follow(error) = view.catch_up().unwrap_err() else { panic!() };
        check(&error, "a write to factum_checkpoints");
    }
}

#[test]
fn a_handler_may_run_other_sql() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let sql = Sql::default();
        SqliteProjection::new(&store, View(sql.clone())).unwrap().inline().unwrap();
        for text in ALLOWED {
            sql.set(text, false);
            if let Err(error) = store.repository::<Account>().execute(open(text)) {
                panic!("{text}: {}", factum::with_causes(&error));
            }
        }
        assert_eq!(rows(&store), ALLOWED.len() as u64);
    }
}

#[test]
fn every_way_to_run_a_view_refuses_it() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        let sql = Sql::default();
        let view = || SqliteProjection::new(&store, View(sql.clone())).unwrap();
        let text = "DELETE FROM factum_checkpoints";
        let reason = "a write to factum_checkpoints";
        accounts.execute(open("alice")).unwrap();
        for workers in [1, 3] {
            sql.set(text, false);
            let mut view = view().workers(workers);
            let ProjectionError::Follow(error) = view.catch_up().unwrap_err() else { panic!() };
            check(&error, reason);
            let ProjectionError::Follow(error) = view.rebuild().unwrap_err() else { panic!() };
            check(&error, reason);
            let running = view.follow().start().unwrap();
            running.wait_for(Position::new(1), LONG).unwrap_err();
            let ProjectionError::Follow(error) = running.stop().unwrap_err() else { panic!() };
            check(&error, reason);
        }
        let running = view().follow().on_failure(OnFailure::DeadLetter).start().unwrap();
        running.wait_for(Position::new(1), LONG).unwrap();
        let mut view = running.stop().unwrap();
        assert_eq!(view.retry_dead_letters().unwrap().failed, 1);
        assert!(view.dead_letters().unwrap()[0].error.contains(reason));
        sql.set("", false);
        assert_eq!(view.retry_dead_letters().unwrap().succeeded, 1);
        view.inline().unwrap();
        sql.set("ROLLBACK; BEGIN", false);
        let ExecuteError::Append(AppendError::Hook { source, .. }) =
            accounts.execute(open("bob")).unwrap_err()
        else {
            panic!()
        };
        check(source.downcast_ref().unwrap(), "ROLLBACK");
        assert_eq!((store.position().unwrap(), rows(&store)), (Position::new(1), 1));
        // What runs after the handlers is factum's again.
        sql.set("", false);
        accounts.execute(open("bob")).unwrap();
        assert_eq!(rows(&store), 2);
    }
}

/// A savepoint that is open after its event is an error: a later event's handler could undo what counts as seen.
#[test]
fn a_savepoint_ends_with_its_event() {
    /// Opens a savepoint for some accounts, and goes back to it for others.
    #[derive(Clone, Projection)]
    #[projection(
        name = "saved",
        from(Account),
        events(Opened),
        into = Sqlite,
        partition_by = stream,
        init = "CREATE TABLE rows (name TEXT NOT NULL)",
    )]
    struct Saved;

    #[handlers]
    impl Saved {
        #[project]
        fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
            if key == "back" {
                transaction.execute_batch("ROLLBACK TO \"a \"\"point\"").unwrap_err();
            }
            transaction.execute("INSERT INTO rows VALUES (?1)", [key])?;
            // The second one that is left open is not compiled again.
            let begin = |sql| transaction.prepare_cached(sql)?.execute(());
            match key {
                "twice" | "open" => begin("SAVEPOINT \"a \"\"Point\"").map(drop),
                "nested" => {
                    begin("SAVEPOINT inner")?;
                    begin("SAVEPOINT \"a \"\"Point\"")?;
                    transaction.execute_batch("RELEASE inner")
                }
                _ => Ok(()),
            }
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        for key in ["first", "open", "twice", "nested", "back"] {
            accounts.execute(open(key)).unwrap();
        }
        for workers in [1, 2] {
            let mut view = SqliteProjection::new(&store, Saved).unwrap().workers(workers);
            let ProjectionError::Follow(error) = view.rebuild().unwrap_err() else { panic!() };
            assert!(matches!(&error, FollowError::OpenSavepoint { .. }), "{error}");
            // Of several workers, either may be first.
            assert!(
                error.position().is_some_and(|position| [2, 3][..workers as usize].contains(&position.get()))
            );
            assert!(error.to_string().contains("leaves the savepoint a \"Point open"), "{error}");
        }
        let view = SqliteProjection::new(&store, Saved).unwrap();
        let running = view.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
        running.wait_for(Position::new(5), LONG).unwrap();
        let view = running.stop().unwrap();
        let letters: Vec<_> =
            view.dead_letters().unwrap().iter().map(|letter| letter.position.get()).collect();
        assert_eq!((letters, rows(&store)), (vec![2, 3], 3));
        view.inline().unwrap();
        accounts.execute(open("once more")).unwrap();
        assert_eq!(rows(&store), 4);
    }
}

/// A statement in the cache of the connection is not compiled again, so SQLite does not ask.
#[test]
fn a_cached_statement_of_the_store_is_not_the_handlers() {
    /// Texts of statements that the store runs with each append or each step.
    const TEXTS: [&str; 5] = [
        "INSERT OR IGNORE INTO factum_streams (category, key) VALUES (?1, ?2)",
        "UPDATE factum_parts SET position = ?3 WHERE projection = ?1 AND part = ?2",
        "REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)",
        "UPDATE factum_leases SET until = ?3 WHERE name = ?1 AND holder = ?2",
        "DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2",
    ];

    #[derive(Projection)]
    #[projection(name = "cached", from(Account), events(Opened), into = Sqlite)]
    struct Cached;

    #[handlers]
    impl Cached {
        #[project]
        fn opened(&self, _: &Opened, transaction: &Transaction<'_>) {
            for text in TEXTS {
                let refused = transaction.prepare_cached(text).map(drop).unwrap_err();
                let code = refused.sqlite_error_code();
                assert_eq!(code, Some(rusqlite::ErrorCode::AuthorizationForStatementDenied), "{text}");
            }
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let running = SqliteProjection::new(&store, Cached).unwrap().follow().start().unwrap();
        running.wait_for(Position::new(1), LONG).unwrap();
        drop(running.stop().unwrap());
        SqliteProjection::new(&store, Cached).unwrap().inline().unwrap();
        store.repository::<Account>().execute(open("bob")).unwrap();
    }
}

#[test]
fn the_definition_of_a_view_is_not_the_stores_either() {
    #[derive(Projection)]
    #[projection(
        name = "greedy",
        from(Account),
        events(Opened),
        into = Sqlite,
        init = "CREATE TABLE greedy (a); DELETE FROM factum_events",
    )]
    struct Greedy;

    #[handlers]
    impl Greedy {
        #[project]
        fn opened(&self, _: &Opened) {}
    }

    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        store.repository::<Account>().execute(open("alice")).unwrap();
        let text = factum::with_causes(&SqliteProjection::new(&store, Greedy).unwrap_err());
        assert!(text.contains("SQL was refused. a write to factum_events"), "{text}");
        let mut view = SqliteProjection::new(&store, View(Sql::default())).unwrap();
        view.catch_up().unwrap();
        for (sql, reason) in [
            ("DROP TABLE rows; COMMIT; BEGIN", "SQL was refused. COMMIT"),
            ("DROP TABLE rows; DROP TABLE factum_parts", "the removal of factum_parts"),
        ] {
            let drop_tables = |transaction: &Transaction<'_>| transaction.execute_batch(sql);
            let error =
                SqliteProjection::from_scratch(&store, View(Sql::default()), drop_tables).unwrap_err();
            let text = factum::with_causes(&error);
            assert!(text.contains(reason), "{text}");
            assert_eq!(rows(&store), 1);
        }
        // `OR ROLLBACK` needs no permission. The writes after it are outside of any transaction.
        let hidden = |transaction: &Transaction<'_>| -> rusqlite::Result<()> {
            let sql = "CREATE TEMP TABLE one (a UNIQUE); INSERT INTO one VALUES (1);
                       INSERT OR ROLLBACK INTO one VALUES (1)";
            transaction.execute_batch(sql).unwrap_err();
            Ok(())
        };
        let error = SqliteProjection::from_scratch(&store, View(Sql::default()), hidden).unwrap_err();
        assert!(factum::with_causes(&error).contains("rolled the transaction back"), "{error}");
        assert_eq!((rows(&store), store.position().unwrap()), (1, Position::new(1)));
    }
}

/// A handler may use another store, where factum's own SQL runs.
#[test]
fn a_handler_may_write_to_another_store() {
    #[derive(Projection)]
    #[projection(name = "copies", from(Account), events(Opened), into = Sqlite)]
    struct Copies(SqliteStore);

    #[handlers]
    impl Copies {
        #[project]
        fn opened(&self, _: &Opened, key: &str, transaction: &Transaction<'_>) -> Result<(), BoxError> {
            self.0.repository::<Account>().execute(open(key))?;
            SqliteProjection::new(&self.0, View(Sql::default()))?.catch_up()?;
            // The handler's own transaction is still not its own.
            transaction.execute_batch("COMMIT").unwrap_err();
            Ok(())
        }
    }

    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let other = SqliteStore::in_memory().unwrap();
        store.repository::<Account>().execute(open("alice")).unwrap();
        SqliteProjection::new(&store, Copies(other.clone())).unwrap().catch_up().unwrap();
        assert_eq!((other.position().unwrap(), rows(&other)), (Position::new(1), 1));
    }
}
