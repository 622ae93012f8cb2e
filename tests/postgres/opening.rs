//! Opening: what is made, and what is refused.

use std::thread;
use std::time::Duration;

use factum::postgres::{ConnectError, PostgresOptions, PostgresStore};
use factum::prelude::*;
use factum::store::{AppendError, StoreError};
use factum::with_causes;

use crate::appends::{append_one, stream};
use crate::server::{Server, on_server};

fn connect(server: &Server, schema: &str) -> Result<PostgresStore, ConnectError> {
    PostgresOptions::new().schema(schema).connect(&server.url())
}

/// Programs that open a new store at once make one store.
#[test]
fn programs_that_open_at_once_have_one_store() {
    on_server!(server);
    let schema = server.new_schema();
    let ids: Vec<_> = thread::scope(|scope| {
        let open: Vec<_> =
            (0..6).map(|_| scope.spawn(|| server.store(&schema).store_id().unwrap())).collect();
        open.into_iter().map(|open| open.join().unwrap()).collect()
    });
    assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// A store keeps its id and its events when it is opened again, and stores in other schemas are others.
#[test]
fn a_store_is_found_again() {
    on_server!(server);
    let (schema, other) = (server.new_schema(), server.new_schema());
    let first = server.store(&schema);
    append_one(&first, &stream("a"), 0).unwrap();
    let id = first.store_id().unwrap();
    drop(first);
    let again = server.store(&schema);
    assert_eq!(again.store_id().unwrap(), id);
    assert_eq!(append_one(&again, &stream("a"), 1).unwrap(), 2);
    let other = server.store(&other);
    assert_ne!(other.store_id().unwrap(), id);
    assert_eq!(other.position().unwrap().get(), 0);
}

/// The schema may be there already, as one that an administrator has made. With anything in it, it is another program's.
#[test]
fn schemas_of_others_are_refused() {
    on_server!(server);
    let schema = server.new_schema();
    server.sql(&format!("CREATE SCHEMA {schema}"));
    append_one(&server.store(&schema), &stream("a"), 0).unwrap();
    for made in [
        "CREATE TABLE {}.invoices (n int)",
        "CREATE TABLE {}.store (n int)",
        "CREATE TABLE {}.store (mark text, version int, id uuid)",
        "CREATE FUNCTION {}.append() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    ] {
        let schema = server.new_schema();
        server.sql(&format!("CREATE SCHEMA {schema}; {}", made.replace("{}", &schema)));
        let before = objects(server, &schema);
        let error = connect(server, &schema).unwrap_err();
        let ConnectError::Foreign { schema: named, object, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*named, schema);
        assert!(["invoices", "store", "append"].contains(&&**object), "{error}");
        assert_eq!(objects(server, &schema), before, "nothing is changed");
    }
}

fn objects(server: &Server, schema: &str) -> Vec<String> {
    server.sql(&format!(
        "SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace
         UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace ORDER BY 1"
    ))
}

/// Version 2 had functions of other forms.
#[test]
fn functions_of_an_earlier_version_are_replaced() {
    on_server!(server);
    let schema = server.new_schema();
    drop(server.store(&schema));
    let made = objects(server, &schema);
    server.sql(&format!(
        "ALTER FUNCTION {schema}.append_one RENAME TO earlier; UPDATE {schema}.store SET version = 2"
    ));
    drop(server.store(&schema));
    assert_eq!(objects(server, &schema), made);
}

#[test]
fn a_newer_store_is_refused() {
    on_server!(server);
    let schema = server.new_schema();
    drop(server.store(&schema));
    server.sql(&format!("UPDATE {schema}.store SET version = 1000"));
    let error = connect(server, &schema).unwrap_err();
    assert!(matches!(error, ConnectError::Newer { found: 1000, .. }), "{error:?}");
}

#[test]
fn what_can_not_be_a_store_is_refused() {
    on_server!(server);
    for schema in ["", "1a", "a b", "a\"; DROP TABLE x; --"] {
        let error = connect(server, schema).unwrap_err();
        assert!(matches!(error, ConnectError::SchemaName { .. }), "{error:?}");
    }
    for url in ["", "postgresql://", "mysql://localhost", "postgresql://localhost?no_such_option=1"] {
        assert!(matches!(PostgresStore::connect(url), Err(ConnectError::Url(_))), "{url}");
    }
    server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let url = server.url().replace("/postgres?", "/latin?");
    assert!(
        matches!(PostgresStore::connect(&url), Err(ConnectError::Encoding { encoding, .. }) if encoding == "LATIN1")
    );
    let missing = server.url().replace("/postgres?", "/missing?");
    let error = PostgresStore::connect(&missing).unwrap_err();
    assert!(with_causes(&error).contains("\"missing\" does not exist"), "{}", with_causes(&error));
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    on_server!(server);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_ne!(port, server.port);
    let error = PostgresStore::connect(&Server::url_at(port)).unwrap_err();
    assert!(matches!(error, ConnectError::Store(StoreError::Unreachable(_))), "{error:?}");
}

/// The first of several hosts that answers and accepts writes is used.
#[test]
fn hosts_are_tried_in_order() {
    on_server!(server);
    // A host that accepts connections and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    let url = format!(
        "postgresql://postgres@{silent_at},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        server.port
    );
    let options =
        PostgresOptions::new().schema(server.new_schema()).connect_timeout(Duration::from_millis(500));
    let store = options.connect(&url).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
}

/// A schema that was dropped and made again has another store. No event goes there, whether the session is an old one or a
/// new one.
#[test]
fn another_store_in_its_place_is_noticed() {
    on_server!(server);
    for ends_sessions in [false, true] {
        let schema = server.new_schema();
        let url = format!("{}&application_name={schema}", server.url());
        let store = PostgresOptions::new().schema(&schema).connect(&url).unwrap();
        append_one(&store, &stream("a"), 0).unwrap();
        server.sql(&format!("DROP SCHEMA {schema} CASCADE"));
        let other = server.store(&schema);
        if ends_sessions {
            server.sql(&format!(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = '{schema}'"
            ));
        }
        let error = append_one(&store, &stream("b"), 0).unwrap_err();
        let AppendError::Store { source, .. } = error else { panic!("{error:?}") };
        match source {
            StoreError::OtherStore { opened, found, .. } => {
                assert_eq!(
                    (Some(opened), Some(found)),
                    (store.store_id().unwrap(), other.store_id().unwrap())
                );
            }
            // It was sent before the store knew that the session has ended.
            StoreError::CommitUnknown(source) if ends_sessions => {
                assert!(source.to_string().contains("another store"), "{source}");
            }
            error => panic!("{error:?}"),
        }
        assert_eq!(other.position().unwrap().get(), 0);
    }
}

/// A store of before followers were kept in the server: it gets their tables, and functions that know them.
#[test]
fn a_store_of_an_earlier_version_is_brought_to_this_one() {
    on_server!(server);
    let (schema, new) = (server.new_schema(), server.new_schema());
    drop((server.store(&schema), server.store(&new)));
    let kept = ["append", "counter", "events", "keys", "snapshots", "store", "streams"];
    let later = server.sql(&format!(
        "SELECT tablename FROM pg_tables WHERE schemaname = '{schema}' AND tablename <> ALL ('{{{}}}')",
        kept.join(",")
    ));
    for table in later {
        server.sql(&format!("DROP TABLE {schema}.{table}"));
    }
    server.sql(&format!(
        "DROP FUNCTION {schema}.append;
         CREATE FUNCTION {schema}.append() RETURNS int LANGUAGE sql AS 'SELECT 1';
         UPDATE {schema}.store SET version = 1"
    ));
    let store = server.store(&schema);
    append_one(&store, &stream("a"), 0).unwrap();
    assert_eq!(objects(server, &schema), objects(server, &new));
}

/// No sum of a point in time and such a time is a point in time.
#[test]
fn the_longest_times_hold() {
    on_server!(server);
    let longest = PostgresOptions::new()
        .schema(server.new_schema())
        .connect_timeout(Duration::MAX)
        .statement_timeout(Duration::MAX)
        .lock_timeout(Duration::MAX)
        .outage_timeout(Duration::MAX)
        .poll_every(Duration::MAX);
    let store = longest.connect(&server.url()).unwrap();
    assert_eq!(append_one(&store, &stream("a"), 0).unwrap(), 1);
    assert_eq!(store.position().unwrap().get(), 1);
    drop(store.begin().unwrap());
}
