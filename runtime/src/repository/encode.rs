//! Encodes typed events as the text that a store takes.

use std::ops::Range;

use uuid::Uuid;

use crate::domain::codec_error::EncodeError;
use crate::domain::event_set::{EventSet, read_back};
use crate::domain::metadata::{Metadata, Recorded};
use crate::domain::new_id::new_id;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::NewEvent;

/// The initial size of the scratch buffer in bytes. Most events are shorter as JSON.
const SCRATCH: usize = 256;

/// The new events of one stream: as text in one buffer, and as typed events, as every later load reads them.
#[derive(Debug)]
pub(crate) struct Encoded<E> {
    text: String,
    /// The buffer that an event is encoded into, before its bytes are known to be UTF-8.
    scratch: Vec<u8>,
    heads: Vec<EventHead>,
    events: Vec<E>,
}

#[derive(Debug)]
struct EventHead {
    name: &'static str,
    event_version: u32,
    id: Uuid,
    recorded_at: Timestamp,
    metadata: Metadata,
    payload: Range<usize>,
}

impl<E: EventSet> Encoded<E> {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            scratch: Vec::with_capacity(SCRATCH),
            heads: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn events(&self) -> &[E] {
        &self.events
    }

    /// Adds the events of one command, or none of them if one can't be encoded.
    pub(crate) fn add(
        &mut self,
        events: &[E],
        metadata: &Metadata,
        recorded_at: Timestamp,
    ) -> Result<(), EncodeError> {
        let before = (self.text.len(), self.heads.len(), self.events.len());
        self.events.reserve(events.len());
        for event in events {
            if let Err(error) = self.add_one(event, metadata, recorded_at) {
                self.text.truncate(before.0);
                self.heads.truncate(before.1);
                self.events.truncate(before.2);
                return Err(error);
            }
        }
        Ok(())
    }

    fn add_one(&mut self, event: &E, metadata: &Metadata, recorded_at: Timestamp) -> Result<(), EncodeError> {
        self.scratch.clear();
        let stored = read_back(event, &mut self.scratch)?;
        let start = self.text.len();
        self.text.push_str(std::str::from_utf8(&self.scratch).unwrap_or_default());
        let payload = start..self.text.len();
        self.heads.push(EventHead {
            name: event.name(),
            event_version: event.event_version(),
            id: new_id(),
            recorded_at,
            metadata: metadata.clone(),
            payload,
        });
        self.events.push(stored);
        Ok(())
    }

    /// Adds the events of another command, which come after these.
    pub(crate) fn append(&mut self, mut later: Self) {
        let start = self.text.len();
        self.text.push_str(&later.text);
        self.heads.extend(
            later.heads.drain(..).map(|head| EventHead {
                payload: start + head.payload.start..start + head.payload.end,
                ..head
            }),
        );
        self.events.append(&mut later.events);
    }

    /// The events as a store takes them.
    pub(crate) fn new_events(&self) -> Vec<NewEvent<'_>> {
        let payload = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.heads
            .iter()
            .map(|head| NewEvent {
                name: head.name,
                event_version: head.event_version,
                id: head.id,
                recorded_at: head.recorded_at,
                metadata: &head.metadata,
                payload: payload(&head.payload),
            })
            .collect()
    }

    /// The id of the last event.
    pub(crate) fn last_id(&self) -> Option<Uuid> {
        self.heads.last().map(|head| head.id)
    }

    /// The typed events with their places in the store, after the append.
    pub(crate) fn into_recorded(
        self,
        stream: &StreamName,
        version_before: u64,
        first_position: Option<Position>,
    ) -> Vec<Recorded<E>> {
        let first = first_position.unwrap_or_default();
        let places = (version_before + 1..).zip((0..).map(|index| first.forward(index)));
        self.events
            .into_iter()
            .zip(self.heads)
            .zip(places)
            .map(|((event, head), (version, position))| Recorded {
                event,
                id: head.id,
                stream: stream.clone(),
                version,
                index: 0,
                position,
                recorded_at: head.recorded_at,
                metadata: head.metadata,
            })
            .collect()
    }
}
