//! What is kept with an event besides the event.

use std::fmt::Debug;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::id::{AggregateId, InvalidId, StreamId};
use crate::time::Timestamp;

/// Why an event happened, and what its writer wanted to keep beside it.
///
/// Correlation and causation are as in Greg Young's and Commanded's use: all that follows from one request, directly or
/// over several aggregates, shares its correlation id; the causation id names the one event (or message) that led
/// to this.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// What the whole chain of events is about.
    pub correlation: Option<Uuid>,
    /// The event or message that led to this one.
    pub causation: Option<Uuid>,
    /// The writer's own, as JSON text. Shared: it is the same for all events of a command.
    custom: Option<Arc<str>>,
}

impl Metadata {
    /// Metadata as a store keeps it; `custom` is JSON text.
    pub fn new(correlation: Option<Uuid>, causation: Option<Uuid>, custom: Option<&str>) -> Self {
        Self { correlation, causation, custom: custom.map(Into::into) }
    }

    /// Sets the writer's own part.
    ///
    /// Fails if serde can't make JSON of `value`.
    pub fn set_custom(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        self.custom = Some(serde_json::to_string(value)?.into());
        Ok(())
    }

    /// The writer's own part, as a `T`; `None` if there is none.
    ///
    /// Fails if the JSON is no `T`.
    pub fn custom<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.custom.as_deref().map(serde_json::from_str).transpose()
    }

    /// The writer's own part, as the JSON text it is stored as.
    pub fn custom_json(&self) -> Option<&str> {
        self.custom.as_deref()
    }
}

/// Where, when and why an event was recorded: all that a store knows of it but the event itself.
///
/// Borrowed for as long as one event is handled; what a `#[project]` method gets if it asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// Its place among all events of the store, from 1.
    pub position: u64,
    /// The category of its stream: the name of the aggregate.
    pub category: &'a str,
    /// The key of its stream: the text of the aggregate's id.
    pub key: &'a str,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its own id, a UUID of version 7.
    pub id: Uuid,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The chain of events it belongs to.
    pub correlation: Option<Uuid>,
    /// What led to it.
    pub causation: Option<Uuid>,
    /// The writer's own metadata, as JSON text.
    pub custom: Option<&'a str>,
}

impl Envelope<'_> {
    /// The stream that the event stands in.
    pub fn stream(&self) -> StreamId {
        StreamId::new(self.category, self.key)
    }

    /// The id of the aggregate that the event happened to.
    ///
    /// Fails if the stream's key is no text of such an id.
    pub fn aggregate_id<I: AggregateId>(&self) -> Result<I, InvalidId> {
        I::from_text(self.key)
    }

    /// The metadata, owned.
    pub fn metadata(&self) -> Metadata {
        Metadata::new(self.correlation, self.causation, self.custom)
    }
}

/// A typed event as the store has it: where, when, and why it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded<E> {
    /// The event, in its current shape.
    pub event: E,
    /// Its own id, a UUID of version 7.
    pub id: Uuid,
    /// The stream it stands in.
    pub stream: StreamId,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// Its place among the events that a retired one is read as, from 0: these share id, version and position.
    pub index: u32,
    /// Its place among all events of the store, from 1.
    pub position: u64,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Correlation, causation, and the writer's own.
    pub metadata: Metadata,
}

impl<E> Recorded<E> {
    /// The correlation id that whatever follows from this event carries: its own, or, if it began the chain, its id.
    pub fn correlation(&self) -> Uuid {
        self.metadata.correlation.unwrap_or(self.id)
    }
}

/// What a command reacts to: the event that the events it leads to name as their cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The id of the event or message.
    pub id: Uuid,
    /// The id of the chain it belongs to.
    pub correlation: Uuid,
}

impl<E> From<&Recorded<E>> for Cause {
    fn from(event: &Recorded<E>) -> Self {
        Self { id: event.id, correlation: event.correlation() }
    }
}

impl From<&Envelope<'_>> for Cause {
    fn from(envelope: &Envelope<'_>) -> Self {
        Self { id: envelope.id, correlation: envelope.correlation.unwrap_or(envelope.id) }
    }
}
