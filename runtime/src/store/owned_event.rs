//! Events that own their parts: for the memory store, appends that wait, and readers that keep events.

use std::ops::ControlFlow;

use uuid::Uuid;

use crate::domain::metadata::{Envelope, Metadata};
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::NewEvent;
use crate::store::read::StoredEvent;

/// How many bytes of events a reader copies ahead, at most. One event may be larger than that.
pub(crate) const COPIED_BYTES: usize = 4 << 20;

/// Counts the bytes of events that are copied, up to a limit.
#[derive(Debug)]
pub(crate) struct ByteLimit {
    left: usize,
    is_reached: bool,
}

impl ByteLimit {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, is_reached: false }
    }

    /// Counts an event. Breaks if no further one should be copied.
    pub(crate) fn count(&mut self, event: &StoredEvent<'_>) -> ControlFlow<()> {
        let Envelope { category, key, custom, .. } = event.envelope;
        let texts = [category, key, custom.unwrap_or_default(), event.name, event.payload];
        let bytes = size_of::<OwnedEvent>() + texts.iter().map(|text| text.len()).sum::<usize>();
        self.is_reached = bytes >= self.left;
        self.left = self.left.saturating_sub(bytes);
        if self.is_reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(crate) fn is_reached(&self) -> bool {
        self.is_reached
    }
}

/// A [`NewEvent`] that owns its parts.
#[derive(Debug, Clone)]
pub(crate) struct OwnedNewEvent {
    name: String,
    event_version: u32,
    id: Uuid,
    recorded_at: Timestamp,
    metadata: Metadata,
    payload: String,
}

impl OwnedNewEvent {
    pub(crate) fn copy(event: &NewEvent<'_>) -> Self {
        Self {
            name: event.name.to_owned(),
            event_version: event.event_version,
            id: event.id,
            recorded_at: event.recorded_at,
            metadata: event.metadata.clone(),
            payload: event.payload.to_owned(),
        }
    }

    pub(crate) fn lend(&self) -> NewEvent<'_> {
        NewEvent {
            name: &self.name,
            event_version: self.event_version,
            id: self.id,
            recorded_at: self.recorded_at,
            metadata: &self.metadata,
            payload: &self.payload,
        }
    }
}

/// A [`StoredEvent`] that owns its parts, without its position, which its holder knows.
#[derive(Debug, Clone)]
pub(crate) struct OwnedEvent {
    stream: StreamName,
    version: u64,
    event: OwnedNewEvent,
}

impl OwnedEvent {
    pub(crate) fn new(stream: StreamName, version: u64, event: &NewEvent<'_>) -> Self {
        Self { stream, version, event: OwnedNewEvent::copy(event) }
    }

    pub(crate) fn copy(event: &StoredEvent<'_>) -> Self {
        Self::with_payload(event, event.payload)
    }

    /// A copy without the payload, for an event that is decoded already.
    pub(crate) fn copy_without_payload(event: &StoredEvent<'_>) -> Self {
        Self::with_payload(event, "")
    }

    fn with_payload(event: &StoredEvent<'_>, payload: &str) -> Self {
        let envelope = &event.envelope;
        let event = OwnedNewEvent {
            name: event.name.to_owned(),
            event_version: event.event_version,
            id: envelope.id,
            recorded_at: envelope.recorded_at,
            metadata: envelope.metadata(),
            payload: payload.to_owned(),
        };
        Self { stream: envelope.stream(), version: envelope.version, event }
    }

    pub(crate) fn stream(&self) -> &StreamName {
        &self.stream
    }

    pub(crate) fn name(&self) -> &str {
        &self.event.name
    }

    pub(crate) fn id(&self) -> Uuid {
        self.event.id
    }

    pub(crate) fn as_stored(&self, position: Position) -> StoredEvent<'_> {
        let NewEvent { name, event_version, id, recorded_at, metadata, payload } = self.event.lend();
        let envelope = Envelope {
            position,
            category: self.stream.category(),
            key: self.stream.key(),
            version: self.version,
            id,
            recorded_at,
            correlation: metadata.correlation,
            causation: metadata.causation,
            custom: metadata.custom_json(),
        };
        StoredEvent { envelope, name, event_version, payload }
    }
}
