//! From stored events to state: the one loop that every load goes through.

use std::ops::ControlFlow;

use crate::aggregate::Aggregate;
use crate::error::ReadError;
use crate::event::{Decoded, EventSet};
use crate::id::StreamId;
use crate::metadata::Recorded;
use crate::store::{EventStore, StoredEvent};
use crate::time::Moment;

/// A state on its way through its stream.
#[derive(Debug, Clone)]
pub(crate) struct Replay<A> {
    pub(crate) state: A,
    /// The version of the last event applied; 0 before the first.
    pub(crate) version: u64,
}

impl<A: Aggregate> Replay<A> {
    pub(crate) fn new() -> Self {
        Self { state: A::initial(), version: 0 }
    }

    /// Applies what the stream has after `self.version`, up to `until`.
    pub(crate) fn advance<S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
    ) -> Result<(), ReadError> {
        let limit = match until {
            Some(Moment::Version(version)) => {
                usize::try_from(version.saturating_sub(self.version)).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        let mut result = Ok(());
        let read = store.read_stream(stream, self.version, limit, &mut |event| {
            if let Some(Moment::Time(time)) = until
                && event.envelope.recorded_at > time
            {
                return ControlFlow::Break(());
            }
            match decode::<A::Event>(event, self.version) {
                Ok(decoded) => decoded.each(|_, event| self.state.apply(&event)),
                Err(error) => {
                    result = Err(error);
                    return ControlFlow::Break(());
                }
            }
            self.version += 1;
            ControlFlow::Continue(())
        });
        read.map_err(|source| ReadError::Store { stream: stream.clone(), source })?;
        result
    }
}

/// The stored event as typed ones, if it is the one that comes after version `previous` of its stream.
pub(crate) fn decode<E: EventSet>(event: &StoredEvent<'_>, previous: u64) -> Result<Decoded<E>, ReadError> {
    let envelope = &event.envelope;
    if envelope.version != previous + 1 {
        return Err(ReadError::Gap {
            stream: envelope.stream(),
            missing: previous + 1,
            found: envelope.version,
            position: envelope.position,
        });
    }
    E::decode(event.name, event.schema, event.payload).map_err(|source| ReadError::undecodable(event, source))
}

/// The same, each with all that is known of it.
pub(crate) fn recorded<E: EventSet>(
    event: &StoredEvent<'_>,
    previous: u64,
    mut take: impl FnMut(Recorded<E>),
) -> Result<(), ReadError> {
    let envelope = &event.envelope;
    decode(event, previous)?.each(|index, event| {
        take(Recorded {
            event,
            id: envelope.id,
            stream: envelope.stream(),
            version: envelope.version,
            index,
            position: envelope.position,
            recorded_at: envelope.recorded_at,
            metadata: envelope.metadata(),
        });
    });
    Ok(())
}
