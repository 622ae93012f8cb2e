//! Reads: pages, and rows that other programs have changed.

use std::ops::ControlFlow;

use factum::Position;
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, Filter, StoreError};

use crate::appends::{Fact, append_one, stream};
use crate::server::on_server;

/// A stream without a name, and a position below 1, are errors that name the event.
#[test]
fn damaged_rows_are_errors() {
    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    append_one(&store, &stream("a"), 0).unwrap();
    server.sql(&format!("UPDATE {schema}.events SET stream = 99"));
    let error =
        store.read_all(Filter::new(), Position::START, 9, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, StoreError::DamagedEvent { position: 1, column: "stream", .. }), "{error:?}");
    server
        .sql(&format!("UPDATE {schema}.events SET stream = (SELECT id FROM {schema}.streams), version = -1"));
    let error =
        store.read_all(Filter::new(), Position::START, 9, &mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, StoreError::DamagedEvent { position: 1, column: "version", .. }), "{error:?}");
}

/// A read that is broken off leaves the connection to others.
#[test]
fn a_read_that_is_broken_off_holds_nothing() {
    on_server!(server);
    let store = server.new_store();
    let facts: Vec<_> = (0..3_000).map(|_| Fact::new()).collect();
    let events: Vec<_> = facts.iter().map(Fact::event).collect();
    store.append(&[Append::new(&stream("a"), ExpectedVersion::Any, &events)]).unwrap();
    for wanted in [1, 256, 257, 2_999] {
        let mut seen = 0;
        let mut visit = |_: &factum::store::StoredEvent<'_>| {
            seen += 1;
            if seen == wanted { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.read_stream(&stream("a"), 0, usize::MAX, &mut visit).unwrap();
        assert_eq!(seen, wanted);
    }
}
