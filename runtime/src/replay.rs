//! From stored events to state: the one loop that every load goes through.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::aggregate::Aggregate;
use crate::error::ReadError;
use crate::event::{Decoded, EventSet};
use crate::id::StreamId;
use crate::metadata::Recorded;
use crate::store::{EventStore, ReplayedEvent, StoredEvent};
use crate::time::{Moment, Timestamp};

/// A state on its way through its stream.
#[derive(Debug)]
pub(crate) struct Replay<A> {
    /// Shared with whoever has seen it: changing it while others hold it makes a copy.
    pub(crate) state: Arc<A>,
    /// The version of the last event applied; 0 before the first.
    pub(crate) version: u64,
    /// The position of that event.
    pub(crate) position: u64,
    /// The version of the newest snapshot; 0 if there is none.
    pub(crate) snapshot: u64,
    /// When that was taken or, without one, when the first event was recorded; as far as it has been asked for.
    pub(crate) since: Option<Timestamp>,
}

impl<A> Clone for Replay<A> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), ..*self }
    }
}

impl<A: Aggregate> Replay<A> {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(A::initial()), version: 0, position: 0, snapshot: 0, since: None }
    }

    /// `events`, which the state has seen already, are now in the store.
    pub(crate) fn moved_on(&mut self, events: &[Recorded<A::Event>]) {
        if let Some(last) = events.last() {
            (self.version, self.position) = (last.version, last.position);
        }
    }

    /// Applies what the stream has after `self.version`, up to `until`.
    pub(crate) fn advance<S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
    ) -> Result<(), ReadError> {
        self.read(store, stream, until, None).map(drop)
    }

    /// The same for a state that came from a snapshot: goes on only if the stream has the snapshot's event where the
    /// snapshot says, and otherwise gives `false` and is of no use.
    pub(crate) fn advance_from_snapshot<S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
    ) -> Result<bool, ReadError> {
        // The read begins one event earlier, to see that one too.
        let confirmed_by = (self.version, self.position);
        self.version -= 1;
        self.read(store, stream, until, Some(confirmed_by))
    }

    /// `skipped`: version and position of an event that must come first, and whose change the state has seen.
    fn read<S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
        mut skipped: Option<(u64, u64)>,
    ) -> Result<bool, ReadError> {
        let limit = match until {
            Some(Moment::Version(version)) => {
                usize::try_from(version.saturating_sub(self.version)).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        let after = self.version;
        let mut result = Ok(());
        let Self { state, version, position, .. } = self;
        // Made ours with the first event, and then once and for all.
        let (mut shared, mut owned) = (Some(state), None);
        let mut take = |event: &ReplayedEvent<'_>| {
            if let Some(expected) = skipped {
                if (event.version, event.position) != expected {
                    return ControlFlow::Break(());
                }
                skipped = None;
                *version = event.version;
                return ControlFlow::Continue(());
            }
            if let Some(shared) = shared.take() {
                owned = Some(ours(shared));
            }
            let Some(state) = &mut owned else { unreachable!("made ours above") };
            if event.version != *version + 1 {
                result = Err(gap(stream, event, *version));
                return ControlFlow::Break(());
            }
            // Not by way of `decode`: an event is moved once less, which shows where there are many.
            match A::Event::decode(event.name, event.schema, event.payload) {
                Ok(Decoded::One(event)) => state.apply(&event),
                Ok(decoded) => decoded.each(|_, event| state.apply(&event)),
                Err(source) => {
                    result = Err(ReadError::undecodable(stream.clone(), event, source));
                    return ControlFlow::Break(());
                }
            }
            *version = event.version;
            *position = event.position;
            ControlFlow::Continue(())
        };
        let read = match until {
            Some(Moment::Time(time)) => store.read_stream(stream, after, limit, &mut |event| {
                if event.envelope.recorded_at > time {
                    return ControlFlow::Break(());
                }
                take(&event.into())
            }),
            _ => store.replay(stream, after, limit, &mut take),
        };
        read.map_err(|source| ReadError::Store { stream: stream.clone(), source })?;
        result.map(|()| skipped.is_none())
    }
}

/// The state, ours alone: a copy, if others hold it.
pub(crate) fn ours<A: Aggregate>(state: &mut Arc<A>) -> &mut A {
    if Arc::get_mut(state).is_none() {
        *state = Arc::new(state.duplicate());
    }
    match Arc::get_mut(state) {
        Some(state) => state,
        None => unreachable!("nobody has a copy that was just made"),
    }
}

#[cold]
fn gap(stream: &StreamId, event: &ReplayedEvent<'_>, previous: u64) -> ReadError {
    ReadError::Gap {
        stream: stream.clone(),
        missing: previous + 1,
        found: event.version,
        position: event.position,
    }
}

/// The stored event as typed ones, if it is the one that comes after version `previous` of its stream.
pub(crate) fn decode<E: EventSet>(
    stream: &StreamId,
    event: &ReplayedEvent<'_>,
    previous: u64,
) -> Result<Decoded<E>, ReadError> {
    if event.version != previous + 1 {
        return Err(gap(stream, event, previous));
    }
    E::decode(event.name, event.schema, event.payload)
        .map_err(|source| ReadError::undecodable(stream.clone(), event, source))
}

/// The same, each with all that is known of it.
pub(crate) fn recorded<E: EventSet>(
    stream: &StreamId,
    event: &StoredEvent<'_>,
    previous: u64,
    mut take: impl FnMut(Recorded<E>),
) -> Result<(), ReadError> {
    let envelope = &event.envelope;
    decode(stream, &event.into(), previous)?.each(|index, event| {
        take(Recorded {
            event,
            id: envelope.id,
            stream: stream.clone(),
            version: envelope.version,
            index,
            position: envelope.position,
            recorded_at: envelope.recorded_at,
            metadata: envelope.metadata(),
        });
    });
    Ok(())
}
