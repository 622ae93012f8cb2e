//! What a read takes, and the events that it returns.

use std::ops::ControlFlow;

use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::store::partition::Partition;

/// The function that gets each event of a read. `Break` ends the read.
pub type Visit<'v> = dyn FnMut(&StoredEvent<'_>) -> ControlFlow<()> + 'v;

/// The function that gets each event of a replay. `Break` ends the replay.
pub type VisitReplayed<'v> = dyn FnMut(&ReplayedEvent<'_>) -> ControlFlow<()> + 'v;

/// Which events a read of all streams returns. An empty list matches every event.
///
/// ```
/// use factum::Position;
/// use factum::store::Filter;
///
/// let filter = Filter::new().names(&["money-deposited"]).until(Position::new(100));
/// assert!(filter.categories.is_empty() && filter.wants_metadata);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[must_use = "a filter does nothing by itself: give it to `read_all`"]
pub struct Filter<'a> {
    /// Only events stored under one of these names.
    pub names: &'a [&'a str],
    /// Only events in streams of these categories.
    pub categories: &'a [&'a str],
    /// Whether the reader needs metadata. Otherwise the store need not read it, and these parts of an
    /// envelope have no meaning: `id`, `recorded_at`, `correlation`, `causation` and `custom`.
    pub wants_metadata: bool,
    /// Only events in streams of this partition.
    pub partition: Partition,
    /// Only events up to this position.
    pub until: Option<Position>,
}

impl<'a> Filter<'a> {
    /// The filter that matches every event, with its metadata.
    pub const fn new() -> Self {
        Self { names: &[], categories: &[], wants_metadata: true, partition: Partition::WHOLE, until: None }
    }

    /// Only events stored under one of these names.
    pub const fn names(mut self, names: &'a [&'a str]) -> Self {
        self.names = names;
        self
    }

    /// Only events in streams of these categories.
    pub const fn categories(mut self, categories: &'a [&'a str]) -> Self {
        self.categories = categories;
        self
    }

    /// Events without metadata, which the store then need not read.
    pub const fn without_metadata(mut self) -> Self {
        self.wants_metadata = false;
        self
    }

    /// Only events in streams of this partition.
    pub const fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// Only events up to this position.
    pub const fn until(mut self, position: Position) -> Self {
        self.until = Some(position);
        self
    }
}

impl Default for Filter<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// A stored event, borrowed from the store for the time of a visit.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StoredEvent<'a> {
    /// The event's place, time and metadata.
    pub envelope: Envelope<'a>,
    /// The name that the event is stored under.
    pub name: &'a str,
    /// The event version: that of the payload's shape.
    pub event_version: u32,
    /// The event as JSON text.
    pub payload: &'a str,
}

/// The parts of a stored event that a replay needs, borrowed from the store for the time of a visit.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ReplayedEvent<'a> {
    /// The event's place in the whole store, from 1.
    pub position: Position,
    /// The event's place in its stream, from 1.
    pub version: u64,
    /// The name that the event is stored under.
    pub name: &'a str,
    /// The event version: that of the payload's shape.
    pub event_version: u32,
    /// The event as JSON text.
    pub payload: &'a str,
}

impl<'a> StoredEvent<'a> {
    /// An event with this envelope, name, event version and payload.
    #[must_use]
    pub const fn new(envelope: Envelope<'a>, name: &'a str, event_version: u32, payload: &'a str) -> Self {
        Self { envelope, name, event_version, payload }
    }
}

impl<'a> From<&StoredEvent<'a>> for ReplayedEvent<'a> {
    fn from(event: &StoredEvent<'a>) -> Self {
        Self {
            position: event.envelope.position,
            version: event.envelope.version,
            name: event.name,
            event_version: event.event_version,
            payload: event.payload,
        }
    }
}

impl<'a> ReplayedEvent<'a> {
    /// An event at these places, of this name, event version and payload.
    #[must_use]
    pub const fn new(
        position: Position,
        version: u64,
        name: &'a str,
        event_version: u32,
        payload: &'a str,
    ) -> Self {
        Self { position, version, name, event_version, payload }
    }
}
