//! What the store has, beside what the programs were told.

use std::collections::HashMap;
use std::ops::ControlFlow;

use factum::postgres::PostgresStore;
use factum::prelude::*;
use factum::store::Filter;
use factum::{Position, Uuid};

/// An event as its command was acknowledged: id, position, version and stream.
pub(crate) type Written = (Uuid, u64, u64, String);

/// Every command was answered in the end. So the store has what was acknowledged, and nothing else.
pub(crate) fn nothing_is_lost_or_doubled(store: &PostgresStore, written: &[Written]) {
    let mut stored = HashMap::new();
    let mut versions = HashMap::new();
    store
        .read_all(Filter::new(), Position::START, usize::MAX, &mut |event| {
            let envelope = &event.envelope;
            let stream = envelope.stream();
            assert_eq!(envelope.position.get(), stored.len() as u64 + 1, "positions have no gap");
            let version = versions.entry(stream.clone()).or_insert(0);
            *version += 1;
            assert_eq!(envelope.version, *version, "versions of {stream} have no gap");
            let place = (envelope.position.get(), envelope.version, stream.as_str().to_owned());
            assert!(stored.insert(envelope.id, place).is_none(), "an event is stored twice");
            ControlFlow::Continue(())
        })
        .unwrap();
    for (id, position, version, stream) in written {
        let place = stored.get(id);
        assert_eq!(place, Some(&(*position, *version, stream.clone())), "an acknowledged event");
    }
    assert_eq!(stored.len(), written.len(), "each command was acknowledged once, and has one event");
}
