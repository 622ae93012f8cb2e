//! A stored event that owns its parts, for stores that can't lend theirs and for those who keep events.

use uuid::Uuid;

use super::{NewEvent, StoredEvent};
use crate::id::StreamId;
use crate::metadata::{Envelope, Metadata};
use crate::time::Timestamp;

/// Everything of an event but its position, which the keeper knows.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(super) stream: StreamId,
    version: u64,
    pub(super) name: String,
    schema: u32,
    id: Uuid,
    recorded_at: Timestamp,
    metadata: Metadata,
    payload: String,
}

impl Kept {
    pub(super) fn new(stream: StreamId, version: u64, event: &NewEvent<'_>) -> Self {
        Self {
            stream,
            version,
            name: event.name.to_owned(),
            schema: event.schema,
            id: event.id,
            recorded_at: event.recorded_at,
            metadata: event.metadata.clone(),
            payload: event.payload.to_owned(),
        }
    }

    pub(crate) fn copy(event: &StoredEvent<'_>) -> Self {
        Self { payload: event.payload.to_owned(), ..Self::without_payload(event) }
    }

    /// All but the event itself, for one that is decoded already.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
    pub(crate) fn without_payload(event: &StoredEvent<'_>) -> Self {
        Self {
            stream: event.envelope.stream(),
            version: event.envelope.version,
            name: event.name.to_owned(),
            schema: event.schema,
            id: event.envelope.id,
            recorded_at: event.envelope.recorded_at,
            metadata: event.envelope.metadata(),
            payload: String::new(),
        }
    }

    pub(crate) fn as_stored(&self, position: u64) -> StoredEvent<'_> {
        StoredEvent {
            envelope: Envelope {
                position,
                category: self.stream.category(),
                key: self.stream.key(),
                version: self.version,
                id: self.id,
                recorded_at: self.recorded_at,
                correlation: self.metadata.correlation,
                causation: self.metadata.causation,
                custom: self.metadata.custom_json(),
            },
            name: &self.name,
            schema: self.schema,
            payload: &self.payload,
        }
    }
}

/// A count as a version or position.
pub(super) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
