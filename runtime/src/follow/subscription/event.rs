//! The events that a subscription hands out.

use crate::domain::codec_error::DecodeError;
use crate::domain::event::{Event, EventKind};
use crate::domain::event_set::{Decoded, EventSet};
use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::repository::error::ReadError;
use crate::store::owned_event::OwnedEvent;
use crate::store::read::StoredEvent;

/// An event as a [`Subscription`](crate::follow::Subscription) hands it out: an owned copy of the stored
/// event, which the caller decodes as the type that it needs.
#[derive(Debug, Clone)]
pub struct SubscribedEvent {
    position: Position,
    event: OwnedEvent,
}

impl SubscribedEvent {
    pub(super) fn copy(event: &StoredEvent<'_>) -> Self {
        Self { position: event.envelope.position, event: OwnedEvent::copy(event) }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    fn stored(&self) -> StoredEvent<'_> {
        self.event.as_stored(self.position)
    }

    /// Where, when and why the event was recorded.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        self.stored().envelope
    }

    /// The name that the event is stored under.
    #[must_use]
    pub fn name(&self) -> &str {
        self.stored().name
    }

    /// The version of the event's shape.
    #[must_use]
    pub fn event_version(&self) -> u32 {
        self.stored().event_version
    }

    /// The event as JSON text.
    #[must_use]
    pub fn payload(&self) -> &str {
        self.stored().payload
    }

    /// Decodes the event as one of an aggregate's events, such as `BankAccountEvent`, in its present shape.
    ///
    /// A retired event is read as the events that replace it, or as nothing.
    ///
    /// The name alone decides: if another aggregate has events of the same name, subscribe to one
    /// [category](crate::follow::SubscriptionOptions::categories) or check the [envelope](Self::envelope).
    ///
    /// Fails if the aggregate does not know the event, or can't read it.
    pub fn decode<E: EventSet>(&self) -> Result<Decoded<E>, ReadError> {
        E::decode(self.name(), self.event_version(), self.payload())
            .map_err(|source| self.undecodable(source))
    }

    /// Decodes the event as one type, in its present shape; `None` if its stored name is not one that the
    /// type has or had.
    ///
    /// Fails if the event has such a name and can't be read.
    pub fn decode_event<E: Event>(&self) -> Result<Option<E>, ReadError> {
        if EventKind::of::<E>().names().all(|name| name != self.name()) {
            return Ok(None);
        }
        E::decode(self.event_version(), self.payload()).map(Some).map_err(|source| self.undecodable(source))
    }

    #[cold]
    fn undecodable(&self, source: DecodeError) -> ReadError {
        let event = self.stored();
        ReadError::undecodable(event.envelope.stream(), &(&event).into(), source)
    }
}
