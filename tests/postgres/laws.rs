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

/// Two programs append groups at once, and a third one reads. It sees each position after the one before: a position that
/// was given later is never seen earlier.
#[test]
fn commit_order_is_position_order() {
    const WRITERS: usize = 6;
    const APPENDS: usize = 60;
    on_server!(server);
    let schema = server.new_schema();
    let stores = [server.store(&schema), server.store(&schema)];
    let reader = server.store(&schema);
    let all = (WRITERS * APPENDS * 3 * stores.len()) as u64;
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            for writer in 0..WRITERS {
                scope.spawn(move || {
                    for append in 0..APPENDS {
                        let (own, shared) =
                            (stream(&format!("{number}-{writer}-{append}")), stream("shared"));
                        let facts = [Fact::new(), Fact::new(), Fact::new()];
                        let events = facts.each_ref().map(Fact::event);
                        let appended = store
                            .append(&[
                                Append::new(&own, 0, &events[..1]),
                                Append::new(&shared, ExpectedVersion::Any, &events[1..]),
                            ])
                            .unwrap();
                        assert_eq!(appended.versions[0], 1);
                    }
                });
            }
        }
        let mut newest = Position::START;
        while newest.get() < all {
            let seen = reader.wait_for(newest.next(), LONG).unwrap();
            assert!(seen > newest, "the writers are done");
            reader
                .read_all(Filter::new(), newest, usize::MAX, &mut |event| {
                    assert_eq!(event.envelope.position, newest.next(), "no position is skipped");
                    newest = event.envelope.position;
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
    });
}

/// Each of two programs decides on the same streams. Every version has one winner.
#[test]
fn two_programs_have_one_winner_for_each_version() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [server.store(&schema), server.store(&schema)];
    let shared = stream("shared");
    let wins: usize = thread::scope(|scope| {
        let writers: Vec<_> = stores
            .iter()
            .cycle()
            .take(8)
            .map(|store| {
                let shared = &shared;
                scope.spawn(move || {
                    let (mut wins, mut version) = (0, 0);
                    while version < 40 {
                        let fact = Fact::new();
                        let event = [fact.event()];
                        match store.append(&[Append::new(shared, version, &event)]) {
                            Ok(appended) => (wins, version) = (wins + 1, appended.versions[0]),
                            Err(factum::store::AppendError::Conflict(conflict)) => version = conflict.actual,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    wins
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(stores[0].stream_version(&shared).unwrap(), wins as u64);
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
