//! Short forms for appending events to a store and reading them.

use std::ops::ControlFlow;

use factum::store::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, Filter, NewEvent, StoreError, StoredEvent,
};
use factum::{Metadata, Position, StreamName, Timestamp};
use uuid::Uuid;

pub(crate) fn stream(key: &str) -> StreamName {
    StreamName::new("tested", key)
}

/// Appends one event for each payload.
pub(crate) fn append(
    store: &impl EventStore,
    stream: &StreamName,
    expected: ExpectedVersion,
    payloads: &[&str],
) -> Result<Appended, AppendError> {
    append_all(store, &[(stream, expected, payloads)])
}

/// Appends to several streams at once.
pub(crate) fn append_all(
    store: &impl EventStore,
    parts: &[(&StreamName, ExpectedVersion, &[&str])],
) -> Result<Appended, AppendError> {
    let metadata = Metadata::default();
    let event = |payload| NewEvent::new("tested", 1, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
    let events: Vec<Vec<_>> = parts
        .iter()
        .map(|(_, _, payloads)| payloads.iter().map(|payload| event(payload)).collect())
        .collect();
    let appends: Vec<_> = parts
        .iter()
        .zip(&events)
        .map(|(&(stream, expected, _), events)| Append::new(stream, expected, events))
        .collect();
    store.append(&appends)
}

/// The payloads of one stream. Its versions must have no gap.
pub(crate) fn read(store: &impl EventStore, stream: &StreamName) -> Result<Vec<String>, StoreError> {
    let mut payloads = Vec::new();
    store.read_stream(stream, 0, usize::MAX, &mut |event| {
        assert_eq!(event.envelope.version, count(payloads.len() + 1), "a gap in {stream}");
        keep(&mut payloads, event)
    })?;
    Ok(payloads)
}

/// The payloads of all streams. The positions must have no gap.
pub(crate) fn read_all(store: &impl EventStore) -> Result<Vec<String>, StoreError> {
    let mut payloads = Vec::new();
    store.read_all(Filter::default(), Position::START, usize::MAX, &mut |event| {
        assert_eq!(
            event.envelope.position,
            Position::new(count(payloads.len() + 1)),
            "a gap in the positions"
        );
        keep(&mut payloads, event)
    })?;
    Ok(payloads)
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

fn keep(payloads: &mut Vec<String>, event: &StoredEvent<'_>) -> ControlFlow<()> {
    payloads.push(event.payload.to_owned());
    ControlFlow::Continue(())
}

/// Appends an event to any stream, as another program would.
pub(crate) fn append_event(
    store: &dyn EventStore,
    category: &str,
    key: &str,
    name: &str,
    event_version: u32,
    payload: &str,
) {
    let metadata = Metadata::default();
    let event = NewEvent::new(name, event_version, payload, Uuid::now_v7(), Timestamp::now(), &metadata);
    store.append(&[Append::new(&StreamName::new(category, key), ExpectedVersion::Any, &[event])]).unwrap();
}
