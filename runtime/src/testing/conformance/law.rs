//! Tools of the laws: checks that fail with the name of a law, and events that can be compared.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::ops::ControlFlow;

use uuid::Uuid;

use crate::domain::error::with_causes;
use crate::domain::metadata::Metadata;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::append::{Append, Appended, ExpectedVersion, NewEvent};
use crate::store::error::{AppendError, Conflict};
use crate::store::event_store::EventStore;
use crate::store::read::{Filter, StoredEvent};

/// How many characters of an event a message shows, because payloads can be long.
const SHOWN: usize = 600;

/// A store, and the law that it is checked for. Every check that fails panics with the law's name.
#[derive(Clone, Copy)]
pub(super) struct Law<'s, S> {
    name: &'static str,
    pub(super) store: &'s S,
}

/// An event to append, owned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    pub(super) name: String,
    pub(super) event_version: u32,
    pub(super) id: Uuid,
    pub(super) recorded_at: Timestamp,
    pub(super) metadata: Metadata,
    pub(super) payload: String,
}

/// An event that was read, owned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    pub(super) stream: StreamName,
    pub(super) version: u64,
    pub(super) position: u64,
    pub(super) fact: Fact,
}

/// One stream's part of an append.
pub(super) type Part<'a> = (&'a StreamName, ExpectedVersion, &'a [Fact]);

impl<'s, S: EventStore> Law<'s, S> {
    pub(super) fn new(name: &'static str, store: &'s S) -> Self {
        Self { name, store }
    }

    #[track_caller]
    pub(super) fn holds(&self, condition: bool, otherwise: impl Display) {
        assert!(condition, "law `{}`: {otherwise}", self.name);
    }

    #[expect(clippy::needless_pass_by_value, reason = "most callers pass temporary values")]
    #[track_caller]
    pub(super) fn equal<T: PartialEq + Debug>(&self, found: T, wanted: T, of: impl Display) {
        self.holds(found == wanted, format_args!("{of}: found {found:?}, not {wanted:?}"));
    }

    /// Like `equal`, for events: reports only the first that differs.
    #[track_caller]
    pub(super) fn same(&self, found: &[Seen], wanted: &[Seen], of: impl Display) {
        let shown = |event: &Seen| format!("{event:?}").chars().take(SHOWN).collect::<String>();
        for (index, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            if found != wanted {
                let (found, wanted) = (shown(found), shown(wanted));
                self.holds(false, format_args!("{of}: event {index} is {found}, not {wanted}"));
            }
        }
        self.equal(found.len(), wanted.len(), format_args!("{of}: the number of events"));
    }

    #[track_caller]
    pub(super) fn succeeds<T, E: Error + 'static>(&self, result: Result<T, E>, what: impl Display) -> T {
        match result {
            Ok(value) => value,
            Err(error) => panic!("law `{}`: {what} failed: {}", self.name, with_causes(&error)),
        }
    }

    pub(super) fn try_append(&self, parts: &[Part<'_>]) -> Result<Appended, AppendError> {
        let events: Vec<Vec<_>> =
            parts.iter().map(|(_, _, facts)| facts.iter().map(Fact::as_new).collect()).collect();
        let appends: Vec<_> = parts
            .iter()
            .zip(&events)
            .map(|(&(stream, expected, _), events)| Append::new(stream, expected, events))
            .collect();
        self.store.append(&appends)
    }

    #[track_caller]
    pub(super) fn append(&self, parts: &[Part<'_>]) -> Appended {
        let streams = parts.iter().map(|(stream, ..)| *stream).collect::<Vec<_>>();
        self.succeeds(self.try_append(parts), format_args!("appending to {streams:?}"))
    }

    /// Appends to one stream, whatever its version.
    #[track_caller]
    pub(super) fn append_any(&self, stream: &StreamName, facts: &[Fact]) -> Appended {
        self.append(&[(stream, ExpectedVersion::Any, facts)])
    }

    /// Tries an append that must fail with a conflict.
    #[track_caller]
    pub(super) fn conflicts(&self, parts: &[Part<'_>]) -> Conflict {
        match self.try_append(parts) {
            Err(AppendError::Conflict(conflict)) => conflict,
            other => panic!("law `{}`: wanted a conflict, found {other:?}", self.name),
        }
    }

    #[track_caller]
    pub(super) fn stream(&self, stream: &StreamName, after: u64, limit: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        let read = self.store.read_stream(stream, after, limit, &mut |event| {
            seen.push(Seen::new(event));
            ControlFlow::Continue(())
        });
        self.succeeds(read, format_args!("reading {stream}"));
        seen
    }

    #[track_caller]
    pub(super) fn all(&self, filter: Filter<'_>, after: u64, limit: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        let read = self.store.read_all(filter, Position::new(after), limit, &mut |event| {
            seen.push(Seen::new(event));
            ControlFlow::Continue(())
        });
        self.succeeds(read, "reading all streams");
        seen
    }

    /// All events of the store.
    #[track_caller]
    pub(super) fn everything(&self) -> Vec<Seen> {
        self.all(Filter::default(), 0, usize::MAX)
    }

    #[track_caller]
    pub(super) fn version(&self, stream: &StreamName) -> u64 {
        self.succeeds(self.store.stream_version(stream), format_args!("the version of {stream}"))
    }

    #[track_caller]
    pub(super) fn position(&self) -> u64 {
        self.succeeds(self.store.position(), "the store's position").get()
    }

    /// Checks that the store has the events `wanted` and no others.
    #[track_caller]
    pub(super) fn has_exactly(&self, wanted: &[Seen], when: &str) {
        self.same(&self.everything(), wanted, format_args!("all events {when}"));
        let newest = wanted.last().map_or(0, |event| event.position);
        self.equal(self.position(), newest, format_args!("the position {when}"));
    }

    /// Checks that the versions of each stream and the positions of the store count from 1; returns all
    /// events.
    #[track_caller]
    pub(super) fn has_no_gaps(&self) -> Vec<Seen> {
        let everything = self.everything();
        let mut versions = std::collections::HashMap::new();
        for (event, position) in everything.iter().zip(1..) {
            self.equal(event.position, position, "the next position");
            let version = versions.entry(&event.stream).or_insert(0);
            *version += 1;
            self.equal(event.version, *version, format_args!("the next version in {}", event.stream));
        }
        everything
    }
}

impl Fact {
    pub(super) fn new(name: &str, payload: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            event_version: 1,
            id: Uuid::now_v7(),
            recorded_at: Timestamp::now(),
            metadata: Metadata::default(),
            payload: payload.into(),
        }
    }

    pub(super) fn as_new(&self) -> NewEvent<'_> {
        NewEvent {
            name: &self.name,
            event_version: self.event_version,
            id: self.id,
            recorded_at: self.recorded_at,
            metadata: &self.metadata,
            payload: &self.payload,
        }
    }
}

impl Seen {
    pub(super) fn new(event: &StoredEvent<'_>) -> Self {
        Self {
            stream: event.envelope.stream(),
            version: event.envelope.version,
            position: event.envelope.position.get(),
            fact: Fact {
                name: event.name.to_owned(),
                event_version: event.event_version,
                id: event.envelope.id,
                recorded_at: event.envelope.recorded_at,
                metadata: event.envelope.metadata(),
                payload: event.payload.to_owned(),
            },
        }
    }
}

/// This many events, which differ in their payloads.
pub(super) fn facts(count: usize) -> Vec<Fact> {
    (0..count).map(|number| Fact::new("counted", number.to_string())).collect()
}

/// The events that `facts` should be read as, the first of them at this version and position.
pub(super) fn stored(stream: &StreamName, version: u64, position: u64, facts: &[Fact]) -> Vec<Seen> {
    facts
        .iter()
        .zip(0..)
        .map(|(fact, index)| Seen {
            stream: stream.clone(),
            version: version + index,
            position: position + index,
            fact: fact.clone(),
        })
        .collect()
}

/// More events than any store reads at a time.
pub(super) const MANY: usize = 10_000;

pub(super) fn stream(key: &str) -> StreamName {
    StreamName::new("conformance", key)
}

pub(super) fn break_if(last: bool) -> ControlFlow<()> {
    if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The number of the first position of an append; 0 if it had no events.
pub(super) fn first_position(appended: &Appended) -> u64 {
    appended.first_position.map_or(0, Position::get)
}
