//! From stored events to state: the one loop that every load goes through.

use std::ops::ControlFlow;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::aggregate::Aggregate;
use crate::domain::event_set::{Decoded, EventSet};
use crate::domain::metadata::Recorded;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::error::ReadError;
use crate::repository::moment::Moment;
use crate::repository::reads;
use crate::repository::waits::Waits;
use crate::store::event_store::EventStore;
use crate::store::read::{ReplayedEvent, StoredEvent};

/// A state, and how far into its stream it is.
#[derive(Debug)]
pub(crate) struct Replay<A> {
    /// Shared with the cache and with callers. A change to a shared state makes a copy first.
    pub(crate) state: Arc<A>,
    /// The version of the last event applied; 0 before the first.
    pub(crate) version: u64,
    /// The position of the last event applied.
    pub(crate) position: Position,
    /// The id of the last event applied; `None` before the first, and if a snapshot does not have it.
    pub(crate) event: Option<Uuid>,
    /// The store's [`foreign_changes`](EventStore::foreign_changes) before the state was read.
    pub(crate) foreign_changes: u64,
    /// The version of the newest snapshot; 0 if there is none.
    pub(crate) snapshot: u64,
    /// When that snapshot was taken or, without one, when the first event was recorded. `None` until it is
    /// needed.
    pub(crate) since: Option<Timestamp>,
}

impl<A> Clone for Replay<A> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), ..*self }
    }
}

impl<A: Aggregate> Replay<A> {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::new(A::initial()),
            version: 0,
            position: Position::START,
            event: None,
            foreign_changes: 0,
            snapshot: 0,
            since: None,
        }
    }

    /// The replay after so many events are stored, which the state includes already, the last with this id. It does
    /// not know their positions.
    pub(crate) fn ahead(&self, events: usize, last: Option<Uuid>) -> Self {
        Self { version: self.version + events as u64, event: last, ..self.clone() }
    }

    /// Moves to the last of `events`, which the state includes already and the store has now.
    pub(crate) fn record_appended(&mut self, events: &[Recorded<A::Event>]) {
        if let Some(last) = events.last() {
            (self.version, self.position, self.event) = (last.version, last.position, Some(last.id));
        }
    }

    /// Whether the state certainly includes all events of the stream, and no others.
    pub(crate) fn is_current<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamName) -> bool {
        self.event.is_some_and(|id| store.ends_with(stream, self.version, id))
    }

    /// Advances a state from memory or from a snapshot; `false` if the stream does not confirm the state.
    ///
    /// The stream confirms the state if it still has the state's last event: at the same version and position,
    /// with the same id. Otherwise the stream is another one, as after a backup was restored, and the caller
    /// must not use this replay.
    pub(crate) async fn advance_confirmed<W: Waits, S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamName,
        until: Option<Moment>,
    ) -> Result<bool, ReadError> {
        let is_confirmed = match self.version.checked_sub(1) {
            Some(before) => self.is_in::<W, _>(store, stream, before).await?,
            None => true,
        };
        if is_confirmed {
            self.advance::<W, _>(store, stream, until).await?;
        }
        Ok(is_confirmed)
    }

    /// Whether the event after version `before` is the state's last one.
    async fn is_in<W: Waits, S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamName,
        before: u64,
    ) -> Result<bool, ReadError> {
        let mut found = None;
        let read = reads::read_stream::<W, _>(store, stream, before, 1, |event| {
            found = Some((event.envelope.version, event.envelope.position, event.envelope.id));
            ControlFlow::Break(())
        });
        read.await.map_err(|source| ReadError::store(stream, source))?;
        let Some((version, position, id)) = found else { return Ok(false) };
        let known = self.event.replace(id);
        Ok((version, position) == (self.version, self.position) && known.is_none_or(|known| known == id))
    }

    /// Applies the events of the stream after `self.version`, up to `until`.
    pub(crate) async fn advance<W: Waits, S: EventStore + ?Sized>(
        &mut self,
        store: &S,
        stream: &StreamName,
        until: Option<Moment>,
    ) -> Result<(), ReadError> {
        let limit = match until {
            Some(Moment::Version(version)) => {
                usize::try_from(version.saturating_sub(self.version)).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        let after = self.version;
        let mut result = Ok(());
        let Self { state, version, position, .. } = self;
        // The first event makes the state unique, once for the whole read.
        let (mut shared, mut owned) = (Some(state), None);
        let mut take = |event: &ReplayedEvent<'_>| {
            if let Some(shared) = shared.take() {
                owned = Some(make_unique(shared));
            }
            let Some(state) = &mut owned else { unreachable!("the state was made unique above") };
            if event.version != *version + 1 {
                result = Err(gap(stream, event, *version));
                return ControlFlow::Break(());
            }
            // Not through `decode`: each event is moved once less, which is measurable in long streams.
            match A::Event::decode(event.name, event.event_version, event.payload) {
                Ok(Decoded::One(event)) => state.apply(&event),
                Ok(decoded) => decoded.into_events().for_each(|event| state.apply(&event)),
                Err(source) => {
                    result = Err(ReadError::undecodable(stream.clone(), event, source));
                    return ControlFlow::Break(());
                }
            }
            (*version, *position) = (event.version, event.position);
            ControlFlow::Continue(())
        };
        let last = match until {
            Some(Moment::Time(time)) => {
                let mut last = None;
                let read = reads::read_stream::<W, _>(store, stream, after, limit, |event| {
                    if event.envelope.recorded_at > time {
                        return ControlFlow::Break(());
                    }
                    last = Some(event.envelope.id);
                    take(&event.into())
                });
                read.await.map(|()| last)
            }
            _ => reads::replay::<W, _>(store, stream, after, limit, &mut take).await,
        };
        let last = last.map_err(|source| ReadError::store(stream, source))?;
        result?;
        if self.version > after {
            self.event = last;
        }
        Ok(())
    }
}

/// The state, unshared: a copy if it is shared.
pub(crate) fn make_unique<A: Aggregate>(state: &mut Arc<A>) -> &mut A {
    if Arc::get_mut(state).is_none() {
        *state = Arc::new(state.duplicate());
    }
    match Arc::get_mut(state) {
        Some(state) => state,
        None => unreachable!("a fresh copy is not shared"),
    }
}

#[cold]
fn gap(stream: &StreamName, event: &ReplayedEvent<'_>, previous: u64) -> ReadError {
    ReadError::Gap {
        stream: stream.clone(),
        missing: previous + 1,
        found: event.version,
        position: event.position,
    }
}

/// Decodes a stored event, which must follow version `previous` of its stream.
pub(crate) fn decode<E: EventSet>(
    stream: &StreamName,
    event: &ReplayedEvent<'_>,
    previous: u64,
) -> Result<Decoded<E>, ReadError> {
    if event.version != previous + 1 {
        return Err(gap(stream, event, previous));
    }
    E::decode(event.name, event.event_version, event.payload)
        .map_err(|source| ReadError::undecodable(stream.clone(), event, source))
}

/// Decodes a stored event as [`decode`] does, and passes each typed event with its envelope to `take`.
pub(crate) fn recorded<E: EventSet>(
    stream: &StreamName,
    event: &StoredEvent<'_>,
    previous: u64,
    mut take: impl FnMut(Recorded<E>),
) -> Result<(), ReadError> {
    let envelope = &event.envelope;
    let events = decode(stream, &event.into(), previous)?;
    for (index, event) in (0..).zip(events.into_events()) {
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
    }
    Ok(())
}
