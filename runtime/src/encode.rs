//! From typed events to what a store takes.

use std::ops::Range;
use std::time::SystemTime;

use uuid::Uuid;

use crate::error::ExecuteError;
use crate::event::{EncodeError, EventSet};
use crate::id::StreamId;
use crate::metadata::{Metadata, Recorded};
use crate::store::NewEvent;
use crate::time::Timestamp;

/// The events of one stream as text, in one buffer; typed ones beside them.
#[derive(Debug)]
pub(crate) struct Encoded<E> {
    text: Vec<u8>,
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
        Self { text: Vec::new(), heads: Vec::new(), events: Vec::new() }
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
        let start = self.text.len();
        event.encode(&mut self.text)?;
        let payload = start..self.text.len();
        // An `Event` written by hand may have put anything there.
        let text = std::str::from_utf8(self.text.get(start..).unwrap_or_default()).map_err(|error| {
            EncodeError::Json { name: event.name(), source: serde::ser::Error::custom(error) }
        })?;
        // An event that can't be read would make its aggregate impossible to load, for ever.
        E::decode(event.name(), event.version(), text)
            .map_err(|source| EncodeError::Unreadable { name: event.name(), source: Box::new(source) })?;
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
        let payload = |range: &Range<usize>| {
            // Checked when it was added.
            self.text.get(range.clone()).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
        };
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

/// A UUID of version 7. A clock that is set to before 1970 counts as 1970: the id is unique all the same.
fn new_id() -> Uuid {
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(_) => Uuid::now_v7(),
        Err(_) => Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 0, 0)),
    }
}

/// The error of a command whose events can't be written.
pub(crate) fn encode_failed<E>(stream: &StreamId, source: EncodeError) -> ExecuteError<E> {
    ExecuteError::Encode { stream: stream.clone(), source }
}
