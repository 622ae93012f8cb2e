//! What is stored with an event besides its payload.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::domain::id::{AggregateId, InvalidId};
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;

/// The metadata of an event: its correlation, its causation, and custom metadata of its writer.
///
/// Correlation and causation have the meaning that Greg Young and Commanded give them. All events that follow
/// from one request, directly or over several aggregates, share a correlation id. The causation id names the
/// event or message that led to the event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The id of the whole chain of events.
    pub correlation: Option<Uuid>,
    /// The id of the event or message that led to this event.
    pub causation: Option<Uuid>,
    /// JSON text. Shared, because all events of a command have it.
    custom: Option<Arc<str>>,
}

impl Metadata {
    /// The metadata with these parts; `custom` is JSON text.
    pub fn new(correlation: Option<Uuid>, causation: Option<Uuid>, custom: Option<&str>) -> Self {
        Self { correlation, causation, custom: custom.map(Into::into) }
    }

    /// Sets the custom metadata.
    ///
    /// Fails if serde can't write `value` as JSON.
    pub fn set_custom(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        self.custom = Some(serde_json::to_string(value)?.into());
        Ok(())
    }

    /// The custom metadata, as a `T`; `None` if there is none.
    ///
    /// Fails if serde can't read the JSON as a `T`.
    pub fn custom<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.custom.as_deref().map(serde_json::from_str).transpose()
    }

    /// These metadata, with `custom` as the custom metadata if there are none.
    pub(crate) fn or_custom(&self, custom: Option<&Arc<str>>) -> Self {
        Self { custom: self.custom.as_ref().or(custom).cloned(), ..*self }
    }

    /// The custom metadata, as the stored JSON text.
    #[must_use]
    pub fn custom_json(&self) -> Option<&str> {
        self.custom.as_deref()
    }
}

/// Where, when and why an event was recorded: its place in the store, its time, and its metadata.
///
/// The envelope is borrowed for as long as a handler handles the event. A `#[project]` or `#[react]` method
/// gets it if it has an argument for it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// The event's place in the whole store, from 1.
    pub position: Position,
    /// The category of the event's stream: the name of the aggregate.
    pub category: &'a str,
    /// The key of the event's stream: the text of the aggregate's id.
    pub key: &'a str,
    /// The event's place in its stream, from 1.
    pub version: u64,
    /// The event's own id, a UUID of version 7.
    pub id: Uuid,
    /// When the event was recorded.
    pub recorded_at: Timestamp,
    /// The id of the chain of events that the event belongs to.
    pub correlation: Option<Uuid>,
    /// The id of the event or message that led to the event.
    pub causation: Option<Uuid>,
    /// The writer's custom metadata, as JSON text.
    pub custom: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// The envelope of an event at this place, without metadata: with a nil id, and recorded at 1970-01-01.
    #[must_use]
    pub const fn new(position: Position, category: &'a str, key: &'a str, version: u64) -> Self {
        Self {
            position,
            category,
            key,
            version,
            id: Uuid::nil(),
            recorded_at: Timestamp::from_micros(0),
            correlation: None,
            causation: None,
            custom: None,
        }
    }

    /// The name of the event's stream.
    #[must_use]
    pub fn stream(&self) -> StreamName {
        StreamName::new(self.category, self.key)
    }

    /// The id of the aggregate that the event happened to.
    ///
    /// Fails if the stream's key is not the text of an `I`.
    pub fn aggregate_id<I: AggregateId>(&self) -> Result<I, InvalidId> {
        I::from_text(self.key)
    }

    /// The metadata, owned.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata::new(self.correlation, self.causation, self.custom)
    }
}

/// A typed event with its place in the store, its time, and its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded<E> {
    /// The event, in its current version.
    pub event: E,
    /// The event's own id, a UUID of version 7.
    pub id: Uuid,
    /// The event's stream.
    pub stream: StreamName,
    /// The event's place in its stream, from 1.
    pub version: u64,
    /// The place among the events that a retired event is read as, from 0. They share id, version and
    /// position.
    pub index: u32,
    /// The event's place in the whole store, from 1.
    pub position: Position,
    /// When the event was recorded.
    pub recorded_at: Timestamp,
    /// The correlation, the causation, and the custom metadata.
    pub metadata: Metadata,
}

impl<E> Recorded<E> {
    /// An event that stands at these places of its stream and of the store, without metadata.
    pub fn new(
        event: E,
        stream: StreamName,
        version: u64,
        position: Position,
        id: Uuid,
        recorded_at: Timestamp,
    ) -> Self {
        Self { event, id, stream, version, index: 0, position, recorded_at, metadata: Metadata::default() }
    }

    /// The correlation id for events that follow from this one: its correlation or, if it has none, its id.
    pub fn correlation(&self) -> Uuid {
        self.metadata.correlation.unwrap_or(self.id)
    }
}

/// The cause of a command: the event or message that the command's events name as their causation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// The id of the event or message.
    pub id: Uuid,
    /// The id of the chain that the event or message belongs to.
    pub correlation: Uuid,
    /// The custom metadata of the event, as JSON text.
    pub custom: Option<Arc<str>>,
}

impl Cause {
    /// The event or message with this id, in this chain.
    #[must_use]
    pub const fn new(id: Uuid, correlation: Uuid) -> Self {
        Self { id, correlation, custom: None }
    }
}

impl From<&Cause> for Cause {
    fn from(cause: &Cause) -> Self {
        cause.clone()
    }
}

impl<E> From<&Recorded<E>> for Cause {
    fn from(event: &Recorded<E>) -> Self {
        Self { id: event.id, correlation: event.correlation(), custom: event.metadata.custom.clone() }
    }
}

impl From<&Envelope<'_>> for Cause {
    fn from(envelope: &Envelope<'_>) -> Self {
        let correlation = envelope.correlation.unwrap_or(envelope.id);
        Self { id: envelope.id, correlation, custom: envelope.custom.map(Into::into) }
    }
}
