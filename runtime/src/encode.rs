//! From typed events to what a store takes.

use std::ops::Range;

use uuid::Uuid;

use crate::error::ExecuteError;
use crate::event::{EncodeError, EventSet};
use crate::event_id::new_id;
use crate::id::StreamId;
use crate::metadata::{Metadata, Recorded};
use crate::store::NewEvent;
use crate::time::Timestamp;

/// Most events are shorter as JSON.
const SCRATCH: usize = 256;

/// The events of one stream as text, in one buffer; typed ones beside them.
#[derive(Debug)]
pub(crate) struct Encoded<E> {
    text: String,
    /// Where an event is written first, before it is known to be text.
    scratch: Vec<u8>,
    heads: Vec<Head>,
    events: Vec<E>,
}

#[derive(Debug)]
struct Head {
    name: &'static str,
    schema: u32,
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

    /// Adds what one command has led to; nothing, if one of it can't be written.
    pub(crate) fn add(
        &mut self,
        events: Vec<E>,
        metadata: &Metadata,
        recorded_at: Timestamp,
    ) -> Result<(), EncodeError> {
        let (text_before, heads_before) = (self.text.len(), self.heads.len());
        for event in &events {
            if let Err(error) = self.add_one(event, metadata, recorded_at) {
                self.text.truncate(text_before);
                self.heads.truncate(heads_before);
                return Err(error);
            }
        }
        self.events.extend(events);
        Ok(())
    }

    fn add_one(&mut self, event: &E, metadata: &Metadata, recorded_at: Timestamp) -> Result<(), EncodeError> {
        self.scratch.clear();
        event.encode(&mut self.scratch)?;
        // An `Event` written by hand may have put anything there.
        let text = std::str::from_utf8(&self.scratch).map_err(|error| EncodeError::Json {
            name: event.name(),
            source: serde::ser::Error::custom(error),
        })?;
        // An event that can't be read would make its aggregate impossible to load, for ever.
        E::decode(event.name(), event.version(), text)
            .map_err(|source| EncodeError::Unreadable { name: event.name(), source: Box::new(source) })?;
        let start = self.text.len();
        self.text.push_str(text);
        let payload = start..self.text.len();
        self.heads.push(Head {
            name: event.name(),
            schema: event.version(),
            id: new_id(),
            recorded_at,
            metadata: metadata.clone(),
            payload,
        });
        Ok(())
    }

    /// As a store takes them.
    pub(crate) fn new_events(&self) -> Vec<NewEvent<'_>> {
        let payload = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        self.heads
            .iter()
            .map(|head| NewEvent {
                name: head.name,
                schema: head.schema,
                id: head.id,
                recorded_at: head.recorded_at,
                metadata: &head.metadata,
                payload: payload(&head.payload),
            })
            .collect()
    }

    /// The typed events as the store has them now.
    pub(crate) fn into_recorded(
        self,
        stream: &StreamId,
        version_before: u64,
        first_position: u64,
    ) -> Vec<Recorded<E>> {
        let places = (version_before + 1..).zip(first_position..);
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

/// The error of a command whose events can't be written.
pub(crate) fn encode_failed<E>(stream: &StreamId, source: EncodeError) -> ExecuteError<E> {
    ExecuteError::Encode { stream: stream.clone(), source }
}
