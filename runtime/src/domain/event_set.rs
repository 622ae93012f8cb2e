//! The trait of the event enum, and what decoding with it returns.

use std::any::Any;
use std::fmt::Debug;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event::EventKind;
use crate::domain::event_schema::Shape;

/// The closed set of events of one aggregate: the enum that `derive(Aggregate)` generates.
///
/// The enum is the codec between stored and typed events. Each variant is encoded and decoded by its own
/// [`Event`](crate::Event) impl; the enum adds the choice among them, and no serialization of its own.
pub trait EventSet: Debug + Sized + 'static {
    /// Every event of the set, in the order in which the aggregate lists them.
    const KINDS: &'static [EventKind];

    /// The retired events: each is read as other events, or as nothing.
    const RETIRED: &'static [EventKind] = &[];

    /// The name under which this event is stored.
    fn name(&self) -> &'static str;

    /// The event version at which this event is stored.
    fn event_version(&self) -> u32;

    /// Appends the event, as JSON text, to `out`.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads an event that was stored as `name` at `version` of its shape.
    ///
    /// Returns an event of the set or, if the event is retired, the events that it is read as. Fails if this
    /// code does not know the name or the version, or if the payload does not fit the shape.
    fn decode(name: &str, version: u32, payload: &str) -> Result<Decoded<Self>, DecodeError>;

    /// The event itself, without the enum around it.
    fn as_any(&self) -> &dyn Any;

    /// The shapes of all versions of all events, including the retired ones.
    #[must_use]
    fn shapes() -> Vec<Shape> {
        Vec::new()
    }
}

/// Encodes an event into `json`, which must be empty, and returns the event that every later load reads.
///
/// The two differ where serde loses something: it writes an infinite float as `null`, for example. So the event
/// that is returned is the one to apply. This function also finds events that could not be read at all, and
/// so would make their aggregate impossible to load.
pub(crate) fn read_back<E: EventSet>(event: &E, json: &mut Vec<u8>) -> Result<E, EncodeError> {
    let name = event.name();
    event.encode(json)?;
    // An `Event` implemented by hand may write any bytes.
    let text = std::str::from_utf8(json)
        .map_err(|error| EncodeError::Json { name, source: serde::ser::Error::custom(error) })?;
    match E::decode(name, event.event_version(), text) {
        Ok(Decoded::One(event)) => Ok(event),
        Ok(Decoded::Several(events)) => Err(EncodeError::ReadAsOthers { name, count: events.len() }),
        Err(source) => Err(EncodeError::Unreadable { name, source: Box::new(source) }),
    }
}

/// What a stored event is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded<E> {
    /// The event itself.
    One(E),
    /// The events that a retired event is read as, in order; possibly none.
    Several(Vec<E>),
}

impl<E> Decoded<E> {
    /// The events, in order: one, or those that a retired event is read as.
    pub fn into_events(self) -> impl Iterator<Item = E> {
        let (one, several) = match self {
            Self::One(event) => (Some(event), Vec::new()),
            Self::Several(events) => (None, events),
        };
        one.into_iter().chain(several)
    }
}
