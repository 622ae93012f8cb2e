//! Appends: what the server refuses, and what a check sees.

use std::thread;
use std::time::Duration;

use factum::postgres::{PostgresOptions, PostgresStore};
use factum::prelude::*;
use factum::store::{Append, AppendError, ExpectedVersion, NewEvent, NewKey, StoreError};
use factum::{Metadata, StreamName, Uuid};

use crate::server::{RawSession, Server, on_server};
use crate::support::bounded::wait_until;

pub(crate) fn stream(key: &str) -> StreamName {
    StreamName::new("tests", key)
}

/// An event with an id of its own.
pub(crate) struct Fact {
    name: String,
    payload: String,
    pub(crate) id: Uuid,
    metadata: Metadata,
}

impl Fact {
    pub(crate) fn new() -> Self {
        Self::named("counted")
    }

    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            payload: "{}".to_owned(),
            id: Uuid::now_v7(),
            metadata: Metadata::default(),
        }
    }

    pub(crate) fn event(&self) -> NewEvent<'_> {
        NewEvent::new(&self.name, 1, &self.payload, self.id, Timestamp::now(), &self.metadata)
    }
}

/// Appends one event.
pub(crate) fn append_one(
    store: &PostgresStore,
    to: &StreamName,
    expected: impl Into<ExpectedVersion>,
) -> Result<u64, AppendError> {
    let fact = Fact::new();
    store.append(&[Append::new(to, expected, &[fact.event()])]).map(|appended| appended.versions[0])
}

/// Calls the server's function as another program would, in a transaction that stays open.
pub(crate) fn append_in_transaction(
    server: &Server,
    schema: &str,
    (category, key, expected): (&str, &str, i64),
    (name, payload): (&str, &str),
) -> RawSession {
    let session = server.session();
    let append = format!(
        "BEGIN; SET LOCAL factum.token = 'other';
         SELECT ({schema}.append_one((SELECT id FROM {schema}.store), 'other', '{category}', '{key}', {expected},
             NULL, '{name}', 1, gen_random_uuid(), 0, NULL, NULL, NULL, '{payload}'))[3]"
    );
    assert_eq!(session.sql(&append).unwrap(), ["0"]);
    session
}

fn count_in_transaction(server: &Server, schema: &str, key: &str, expected: i64) -> RawSession {
    append_in_transaction(server, schema, ("tests", key, expected), ("counted", "{}"))
}

/// Waits until this many sessions wait for their turn to append.
pub(crate) fn wait_for_waiting(server: &Server, schema: &str, count: usize) {
    let waiting = format!(
        "SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory' AND classid = '{schema}.counter'::regclass"
    );
    wait_until(|| server.sql(&format!("SELECT count(*) FROM ({waiting}) AS w")) == [count.to_string()]);
}

/// The trap: a check that sees the state from before it waited for its turn would store a second version 2.
#[test]
fn a_check_sees_what_it_has_waited_for() {
    on_server!(server);
    // As the user's default, this would make each append fail that has waited.
    for isolation in ["read committed", "serializable"] {
        let schema = server.new_schema();
        server.sql(&format!("ALTER DATABASE postgres SET default_transaction_isolation = '{isolation}'"));
        let store = server.store(&schema);
        server.sql("ALTER DATABASE postgres RESET default_transaction_isolation");
        let (a, b) = (stream("a"), stream("b"));
        append_one(&store, &a, 0).unwrap();
        let other = count_in_transaction(server, &schema, "a", 1);
        thread::scope(|scope| {
            // The first one is a group by itself, and the others are one.
            let first = scope.spawn(|| append_one(&store, &a, 1));
            wait_for_waiting(server, &schema, 1);
            let second = scope.spawn(|| append_one(&store, &a, 1));
            let unrelated = scope.spawn(|| append_one(&store, &b, 0));
            thread::sleep(Duration::from_millis(20));
            other.sql("COMMIT").unwrap();
            for refused in [first, second] {
                match refused.join().unwrap() {
                    Err(AppendError::Conflict(conflict)) => assert_eq!(conflict.actual, 2),
                    other => panic!("{isolation}: {other:?}"),
                }
            }
            assert_eq!(unrelated.join().unwrap().unwrap(), 1, "a refused append leaves the others alone");
        });
        assert_eq!(store.position().unwrap().get(), 3, "no position is lost");
    }
}

/// A key that another program stores while the append waits is known.
#[test]
fn a_key_of_a_transaction_that_was_waited_for_is_known() {
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    let a = stream("a");
    let keys = [NewKey::new("once", 0..1, Timestamp::now())];
    let other = count_in_transaction(server, &schema, "a", 0);
    other
        .sql(&format!(
            "INSERT INTO {schema}.keys SELECT id, 'once', 0, 1, 7 FROM {schema}.streams WHERE key = 'a'"
        ))
        .unwrap();
    thread::scope(|scope| {
        let append = scope.spawn(|| {
            let fact = Fact::new();
            store.append(&[Append::new(&a, ExpectedVersion::Any, &[fact.event()]).with_keys(&keys)])
        });
        wait_for_waiting(server, &schema, 1);
        other.sql("COMMIT").unwrap();
        match append.join().unwrap() {
            Err(AppendError::KnownKey { key, outcome, .. }) => {
                assert_eq!((&*key, outcome.before, outcome.version), ("once", 0, 1));
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(store.stream_version(&a).unwrap(), 1);
}

/// A name that can't be stored is an error of its own append, also in a group.
#[test]
fn an_append_that_can_not_be_stored_harms_no_other() {
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    // All that is appended meanwhile is one group.
    let other = count_in_transaction(server, &schema, "other", 0);
    let long: String = (0..5_000).map(|_| Uuid::now_v7().to_string()).collect();
    thread::scope(|scope| {
        let first = scope.spawn(|| append_one(&store, &stream("first"), 0));
        wait_for_waiting(server, &schema, 1);
        let good: Vec<_> = ["a", "b", "c"]
            .map(|key| {
                scope.spawn({
                    let store = &store;
                    move || append_one(store, &stream(key), 0)
                })
            })
            .into();
        let bad = scope.spawn(|| append_one(&store, &stream(&long), 0));
        let nul = scope.spawn(|| {
            let fact = Fact::named("a\0b");
            store.append(&[Append::new(&stream("nul"), 0, &[fact.event()])])
        });
        thread::sleep(Duration::from_millis(50));
        other.sql("COMMIT").unwrap();
        assert_eq!(first.join().unwrap().unwrap(), 1);
        for good in good {
            assert_eq!(good.join().unwrap().unwrap(), 1);
        }
        for error in [bad.join().unwrap().unwrap_err(), nul.join().unwrap().unwrap_err()] {
            let AppendError::Store { source: StoreError::NotStorable { problem, .. }, .. } = error else {
                panic!("{error:?}")
            };
            assert!(!problem.is_empty());
        }
    });
    assert_eq!(store.position().unwrap().get(), 5, "no position is lost");
}

/// An append that waits too long for its turn stores nothing, and says so.
#[test]
fn an_append_that_waits_too_long_is_refused() {
    on_server!(server);
    let schema = server.new_schema();
    let options = PostgresOptions::new().schema(&schema);
    let impatient = [
        options.clone().lock_timeout(Duration::from_millis(100)),
        options.statement_timeout(Duration::from_millis(100)),
    ];
    let stores = impatient.map(|options| options.connect(&server.url()).unwrap());
    let other = count_in_transaction(server, &schema, "a", 0);
    for store in &stores {
        let error = append_one(store, &stream("b"), 0).unwrap_err();
        assert!(matches!(error, AppendError::Store { source: StoreError::Busy, .. }), "{error:?}");
    }
    other.sql("ROLLBACK").unwrap();
    for (store, key) in stores.iter().zip(["b", "c"]) {
        assert_eq!(append_one(store, &stream(key), 0).unwrap(), 1);
    }
    assert_eq!(stores[0].position().unwrap().get(), 2);
}

/// A session that has not begun with the token is that of a pooler, and must not append.
#[test]
fn a_session_without_the_token_is_refused() {
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    let append = format!(
        "SELECT {schema}.append_one((SELECT id FROM {schema}.store), '1', 'tests', 'a', 0, NULL, 'counted', 1, gen_random_uuid(), 0, NULL, NULL, NULL, '{{}}')"
    );
    let error = server.session().sql(&append).unwrap_err();
    assert_eq!(error.code().map(tokio_postgres::error::SqlState::code), Some("FA001"));
    assert_eq!(store.position().unwrap().get(), 0);
}

/// A server that accepts no writes is an error after the time that the options give, and events come back with writes.
#[test]
fn a_server_without_writes_is_an_error() {
    let Some(own) = Server::start() else { return };
    let options = PostgresOptions::new().outage_timeout(Duration::from_millis(300));
    let store = options.connect(&own.url()).unwrap();
    append_one(&store, &stream("a"), 0).unwrap();
    own.sql("ALTER DATABASE postgres SET default_transaction_read_only = on");
    own.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'factum'");
    // The first append may be sent before the store knows that its session has ended.
    let error = append_one(&store, &stream("a"), 1).unwrap_err();
    let AppendError::Store { source, .. } = error else { panic!("{error:?}") };
    assert!(matches!(source, StoreError::ReadOnly | StoreError::CommitUnknown(_)), "{source:?}");
    let error = append_one(&store, &stream("a"), 1).unwrap_err();
    assert!(matches!(error, AppendError::Store { source: StoreError::ReadOnly, .. }), "{error:?}");
    let administrator = own.session();
    administrator.sql("SET default_transaction_read_only = off").unwrap();
    administrator.sql("ALTER DATABASE postgres RESET default_transaction_read_only").unwrap();
    assert_eq!(append_one(&store, &stream("a"), 1).unwrap(), 2);
}
