//! A store in a database that has other tables.

use factum::Position;
use factum::sqlite::{OpenError, SqliteOptions, SqliteStore};
use factum::store::EventStore;
use factum::store::ExpectedVersion::Any;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::events::{append, read_all, stream};

#[test]
fn other_tables_stay_as_they_are() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("shop.db");
    let connect = || Connection::open(&file).unwrap();
    connect()
        .execute_batch("CREATE TABLE customers (name TEXT); INSERT INTO customers VALUES ('Alice')")
        .unwrap();
    assert!(matches!(SqliteStore::open(&file), Err(OpenError::Foreign { .. })), "not without the option");
    for round in 1..=3 {
        let store = SqliteStore::from_connection(connect()).unwrap();
        append(&store, &stream("a"), Any, &["1"]).unwrap();
        assert_eq!(store.position().unwrap(), Position::new(round));
        let name: String = store
            .query(|connection| connection.query_row("SELECT name FROM customers", (), |row| row.get(0)))
            .unwrap();
        assert_eq!(name, "Alice");
        // The program's own connections still work.
        connect().execute("INSERT INTO customers VALUES (?1)", ["Bob"]).unwrap();
        assert_eq!(read_all(&store).unwrap().len(), usize::try_from(round).unwrap());
    }
    let customers: u64 = connect().query_row("SELECT count(*) FROM customers", (), |row| row.get(0)).unwrap();
    assert_eq!(customers, 4);
    // With a store in it, the file opens as any other.
    assert_eq!(SqliteStore::open(&file).unwrap().position().unwrap(), Position::new(3));
}

#[test]
fn a_connection_to_memory_is_enough() {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("CREATE TABLE customers (name TEXT)").unwrap();
    let store = SqliteStore::from_connection(connection).unwrap();
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    assert_eq!(read_all(&store).unwrap(), ["1"]);
}

#[test]
fn a_database_that_can_not_be_a_store_is_refused_unchanged() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("shop.db");
    let connection = Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE customers (name TEXT); BEGIN").unwrap();
    let error = SqliteStore::from_connection(connection).unwrap_err();
    assert!(matches!(error, OpenError::InTransaction { .. }), "{error}");
    let error =
        SqliteOptions::new().read_only().from_connection(Connection::open(&file).unwrap()).unwrap_err();
    assert!(matches!(error, OpenError::NoStore { .. }), "{error}");
    let tables = |connection: &Connection| -> u64 {
        connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0)).unwrap()
    };
    let connection = Connection::open(&file).unwrap();
    assert_eq!(tables(&connection), 1);
    connection.execute_batch("CREATE TABLE factum_schema (version INTEGER)").unwrap();
    let error = SqliteStore::from_connection(connection).unwrap_err();
    assert!(matches!(&error, OpenError::Foreign { table, .. } if table == "factum_schema"), "{error}");
    assert_eq!(tables(&Connection::open(&file).unwrap()), 2);
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
