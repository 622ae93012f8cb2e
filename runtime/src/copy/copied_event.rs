//! An event on its way from one store to another.

use uuid::Uuid;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event::{Event, EventKind};
use crate::domain::hash::{hashed, mixed};
use crate::domain::metadata::Metadata;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::NewEvent;
use crate::store::read::StoredEvent;

/// What a copy does with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it says whether the event is copied"]
pub enum Change {
    /// Copies the event, as it is now.
    Keep,
    /// Leaves the event out.
    LeaveOut,
}

/// An event that is copied. The fields are what may be changed on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopiedEvent {
    /// The name to store the event under.
    pub name: String,
    /// The event version: that of the payload's shape.
    pub event_version: u32,
    /// The event as JSON text.
    pub payload: String,
    /// The correlation, the causation, and the custom metadata.
    pub metadata: Metadata,
    stream: StreamName,
    position: Position,
    version: u64,
    id: Uuid,
    recorded_at: Timestamp,
}

impl CopiedEvent {
    pub(super) fn of(event: &StoredEvent<'_>) -> Self {
        let envelope = &event.envelope;
        Self {
            name: event.name.to_owned(),
            event_version: event.event_version,
            payload: event.payload.to_owned(),
            metadata: envelope.metadata(),
            stream: envelope.stream(),
            position: envelope.position,
            version: envelope.version,
            id: envelope.id,
            recorded_at: envelope.recorded_at,
        }
    }

    /// The event's stream.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        &self.stream
    }

    /// The event's place in the source, from 1.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The event's place in its stream in the source, from 1.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The event's own id.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When the event was recorded.
    #[must_use]
    pub fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// The event as an `E`; `None` if it is stored under a name that `E` does not have.
    ///
    /// Fails if the event is an `E` that can't be read.
    pub fn decode<E: Event>(&self) -> Result<Option<E>, DecodeError> {
        if EventKind::of::<E>().names().all(|name| name != self.name) {
            return Ok(None);
        }
        E::decode(self.event_version, &self.payload).map(Some)
    }

    /// Puts another event in the place of this one, with its id, time and metadata.
    ///
    /// Fails if serde can't write `event` as JSON.
    pub fn replace<E: Event>(&mut self, event: &E) -> Result<(), EncodeError> {
        let mut json = Vec::new();
        event.encode(&mut json)?;
        self.payload = String::from_utf8_lossy(&json).into_owned();
        self.event_version = E::VERSION;
        E::NAME.clone_into(&mut self.name);
        Ok(())
    }

    /// The first part in which the other event is another one; `None` if both are the same, in whatever places.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        let parts = [
            ("id", self.id == other.id),
            ("stream", self.stream == other.stream),
            ("name", self.name == other.name),
            ("event version", self.event_version == other.event_version),
            ("time", self.recorded_at == other.recorded_at),
            ("metadata", self.metadata == other.metadata),
            ("payload", self.payload == other.payload),
        ];
        parts.into_iter().find(|(_, is_equal)| !is_equal).map(|(part, _)| part)
    }

    /// A hash over this event and those before it, whose hash is given.
    pub(super) fn hash_after(&self, hash: u64) -> u64 {
        let id = |hash: u64, id: Option<Uuid>| {
            let (high, low) = id.unwrap_or_default().as_u64_pair();
            mixed(mixed(hash, high), low)
        };
        let hash = hashed(hashed(id(hash, Some(self.id)), self.stream.as_str()), &self.name);
        let hash = mixed(hash, u64::from(self.event_version));
        let hash = mixed(hash, self.recorded_at.as_micros().cast_unsigned());
        let hash = id(id(hash, self.metadata.correlation), self.metadata.causation);
        hashed(hashed(hash, self.metadata.custom_json().unwrap_or_default()), &self.payload)
    }

    pub(super) fn as_new(&self) -> NewEvent<'_> {
        let Self { name, event_version, payload, metadata, .. } = self;
        NewEvent::new(name, *event_version, payload, self.id, self.recorded_at, metadata)
    }
}
