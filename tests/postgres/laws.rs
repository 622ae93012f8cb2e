//! The store keeps the laws of all stores, also as two programs.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use factum::Position;
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, Filter};
use factum::testing::conformance;

use crate::LONG;
use crate::appends::{Fact, stream};
use crate::server::on_server;

#[test]
fn the_store_keeps_the_laws() {
    on_server!(server);
    conformance::check_all(|| server.new_store());
}

#[test]
fn two_programs_keep_the_laws() {
    on_server!(server);
    conformance::check_two_programs(|| {
        let schema = server.new_schema();
        [(); 2].map(|()| server.store(&schema))
    });
}

/// A transaction that has written elsewhere, and stays open, keeps no reader from new events.
#[test]
fn readers_do_not_wait_for_transactions_of_others() {
    on_server!(server);
    let store = server.new_store();
    let long = server.session();
    let table = server.new_schema();
    long.sql(&format!("CREATE TABLE {table} (n int); BEGIN; INSERT INTO {table} VALUES (1)")).unwrap();
    let fact = Fact::new();
    let appended = store.append(&[Append::new(&stream("a"), 0, &[fact.event()])]).unwrap();
    let mut seen = 0;
    store
        .read_all(Filter::new(), Position::START, usize::MAX, &mut |_| {
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((appended.first_position, seen), (Some(Position::new(1)), 1));
    long.sql("COMMIT").unwrap();
}

/// Another program's append wakes a reader that waits, and a waker.
#[test]
fn appends_of_other_programs_wake_readers() {
    on_server!(server);
    let schema = server.new_schema();
    let (store, other) = (server.store(&schema), server.store(&schema));
    let woken = AtomicBool::new(false);
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let reached = other.wait_for(Position::new(1), LONG).unwrap();
            woken.store(true, Ordering::SeqCst);
            reached
        });
        let fact = Fact::new();
        store.append(&[Append::new(&stream("a"), 0, &[fact.event()])]).unwrap();
        assert_eq!(waits.join().unwrap(), Position::new(1));
    });
    assert!(woken.load(Ordering::SeqCst));
}

/// All that is in a long log is found by a filter that few events pass, whatever the pages are.
#[test]
fn sparse_events_are_found() {
    on_server!(server);
    let store = server.new_store();
    let (rare, common) = (stream("rare"), stream("common"));
    let one = |name: &str, at: &factum::StreamName| {
        let fact = Fact::named(name);
        store.append(&[Append::new(at, ExpectedVersion::Any, &[fact.event()])]).unwrap();
    };
    one("rare", &rare);
    let facts: Vec<_> = (0..2_000).map(|_| Fact::new()).collect();
    let events: Vec<_> = facts.iter().map(Fact::event).collect();
    for _ in 0..60 {
        store.append(&[Append::new(&common, ExpectedVersion::Any, &events)]).unwrap();
    }
    one("rare", &rare);
    let mut found = HashSet::new();
    store
        .read_all(Filter::new().names(&["rare"]), Position::START, usize::MAX, &mut |event| {
            found.insert(event.envelope.position.get());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found, HashSet::from([1, 120_002]));
}
