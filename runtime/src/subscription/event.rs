//! What a subscription hands out.

use crate::error::ReadError;
use crate::event::{DecodeError, Decoded, Event, EventKind, EventSet};
use crate::metadata::Envelope;
use crate::store::{Kept, StoredEvent};

/// An event as a [`Subscription`](crate::Subscription) hands it out: as it is stored, to be kept for as long as it is needed,
/// and read as whatever type is of interest.
#[derive(Debug, Clone)]
pub struct SubscribedEvent {
    position: u64,
    kept: Kept,
}

impl SubscribedEvent {
    pub(super) fn copy(event: &StoredEvent<'_>) -> Self {
        Self { position: event.envelope.position, kept: Kept::copy(event) }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn stored(&self) -> StoredEvent<'_> {
        self.kept.as_stored(self.position)
    }

    /// Where, when and why it was recorded.
    pub fn envelope(&self) -> Envelope<'_> {
        self.stored().envelope
    }

    /// The name that it is stored under.
    pub fn name(&self) -> &str {
        self.stored().name
    }

    /// The version of its shape.
    pub fn schema(&self) -> u32 {
        self.stored().schema
    }

    /// The event as JSON text.
    pub fn payload(&self) -> &str {
        self.stored().payload
    }

    /// As one of an aggregate's events, such as `BankAccountEvent`: in its present shape and, if it was retired, as what
    /// it has become.
    ///
    /// Names are all that is looked at: if another aggregate has events of the same name, subscribe to one
    /// [category](crate::SubscriptionOptions::categories) or look at the [envelope](Self::envelope).
    ///
    /// Fails if the aggregate does not know the event, or can't read it.
    pub fn decode<E: EventSet>(&self) -> Result<Decoded<E>, ReadError> {
        E::decode(self.name(), self.schema(), self.payload()).map_err(|source| self.undecodable(source))
    }

    /// As an event of one type, in its present shape; `None` if it is stored under another name than this type has or
    /// once had.
    ///
    /// Fails if it has the name and can't be read.
    pub fn decode_event<E: Event>(&self) -> Result<Option<E>, ReadError> {
        if EventKind::of::<E>().names().all(|name| name != self.name()) {
            return Ok(None);
        }
        E::decode(self.schema(), self.payload()).map(Some).map_err(|source| self.undecodable(source))
    }

    #[cold]
    fn undecodable(&self, source: DecodeError) -> ReadError {
        let event = self.stored();
        ReadError::undecodable(event.envelope.stream(), &(&event).into(), source)
    }
}
