//! Events in short, as a store takes and gives them.

use std::ops::ControlFlow;

use factum::{
    Append, AppendError, Appended, EventStore, ExpectedVersion, Filter, Metadata, NewEvent, StoreError,
    StoredEvent, StreamId, Timestamp,
};
use uuid::Uuid;

pub(crate) fn stream(key: &str) -> StreamId {
    StreamId::new("tested", key)
}

/// Appends one event for each payload.
pub(crate) fn append(
    store: &impl EventStore,
    stream: &StreamId,
    expected: ExpectedVersion,
    payloads: &[&str],
) -> Result<Appended, AppendError> {
    append_all(store, &[(stream, expected, payloads)])
}

/// Appends to several streams at once.
pub(crate) fn append_all(
    store: &impl EventStore,
    parts: &[(&StreamId, ExpectedVersion, &[&str])],
) -> Result<Appended, AppendError> {
    let metadata = Metadata::default();
    let event = |payload| NewEvent {
        name: "tested",
        schema: 1,
        id: Uuid::now_v7(),
        recorded_at: Timestamp::now(),
        metadata: &metadata,
        payload,
    };
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
pub(crate) fn read(store: &impl EventStore, stream: &StreamId) -> Result<Vec<String>, StoreError> {
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
    store.read_all(Filter::default(), 0, usize::MAX, &mut |event| {
        assert_eq!(event.envelope.position, count(payloads.len() + 1), "a gap in the positions");
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

/// Appends an event to any stream, as any program would.
pub(crate) fn append_event(
    store: &dyn EventStore,
    category: &str,
    key: &str,
    name: &str,
    schema: u32,
    payload: &str,
) {
    let event = NewEvent {
        name,
        schema,
        id: Uuid::now_v7(),
        recorded_at: Timestamp::now(),
        metadata: &Metadata::default(),
        payload,
    };
    store.append(&[Append::new(&StreamId::new(category, key), ExpectedVersion::Any, &[event])]).unwrap();
}
