//! The events of a copy: those that the target has are compared, the others are appended.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::copy::copied_event::{Change, CopiedEvent};
use crate::copy::error::CopyError;
use crate::copy::store_copy::StoreCopy;
use crate::domain::hash::FNV_OFFSET;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::store::append::{Append, Appended, ExpectedVersion, NewEvent};
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::EventStore;
use crate::store::owned_event::{ByteLimit, COPIED_BYTES};
use crate::store::queue::{Chain, QueueError};
use crate::store::read::Filter;
use crate::store::sync::AtomicU64;

/// How far a pass over the events has come.
pub(super) struct Pass {
    /// The position in the source at which the pass ends.
    pub(super) end: Position,
    /// The position in the source of the last event.
    pub(super) source: Position,
    /// How many events are in the target, of those that the pass has seen.
    pub(super) events: u64,
    pub(super) appended: u64,
    pub(super) left_out: u64,
    pub(super) checksum: u64,
}

impl Pass {
    pub(super) fn new(end: Position) -> Self {
        Self { end, source: Position::START, events: 0, appended: 0, left_out: 0, checksum: FNV_OFFSET }
    }

    /// The position in the target of the last event that the pass has seen.
    pub(super) fn target(&self) -> Position {
        Position::new(self.events)
    }
}

impl<F: EventStore, T: EventStore> StoreCopy<'_, F, T> {
    /// The next events of the source that are kept, changed; `None` at the end.
    pub(super) fn next_batch(&mut self, pass: &mut Pass) -> Result<Option<Vec<CopiedEvent>>, CopyError> {
        let filter = Filter::new().until(pass.end);
        let read = read(&self.from, filter, pass.source, self.batch).map_err(CopyError::Source)?;
        let Some(last) = read.last() else { return Ok(None) };
        pass.source = last.position();
        let mut kept = Vec::with_capacity(read.len());
        for mut event in read {
            match self.changes.change(&mut event)? {
                Change::Keep => kept.push(event),
                Change::LeaveOut => pass.left_out += 1,
            }
        }
        Ok(Some(kept))
    }

    /// Compares events with those of the target, and appends those that it does not have yet.
    pub(super) fn copy_batch(&mut self, pass: &mut Pass, batch: &[CopiedEvent]) -> Result<(), CopyError> {
        let known = self.compare(pass, batch)?;
        let new = batch.get(known..).unwrap_or_default();
        self.append(pass, new)?;
        pass.appended += new.len() as u64;
        pass.events += new.len() as u64;
        Ok(())
    }

    /// Compares events with those of the target, which has to have them all.
    pub(super) fn compare_batch(&mut self, pass: &mut Pass, batch: &[CopiedEvent]) -> Result<(), CopyError> {
        let known = self.compare(pass, batch)?;
        if known < batch.len() {
            return Err(CopyError::Missing { position: pass.target().forward(1) });
        }
        Ok(())
    }

    /// Compares events with the next ones of the target. Returns how many it has.
    fn compare(&self, pass: &mut Pass, batch: &[CopiedEvent]) -> Result<usize, CopyError> {
        let mut compared = 0;
        while let Some(rest) = batch.get(compared..).filter(|rest| !rest.is_empty()) {
            let found =
                read(&self.to, Filter::new(), pass.target(), rest.len()).map_err(CopyError::Target)?;
            if found.is_empty() {
                break;
            }
            for (event, found) in rest.iter().zip(&found) {
                let position = pass.target().forward(1);
                if found.position() != position {
                    return Err(CopyError::Missing { position });
                }
                if let Some(part) = event.difference(found) {
                    let (source_position, stream) = (event.position(), event.stream().clone());
                    return Err(CopyError::OtherEvents { position, source_position, stream, part });
                }
                pass.checksum = found.hash_after(pass.checksum);
                pass.events += 1;
                compared += 1;
            }
        }
        Ok(compared)
    }

    /// Appends events to the end of the target, each stream at the version that it has to have.
    fn append(&self, pass: &Pass, events: &[CopiedEvent]) -> Result<(), CopyError> {
        let requests = self.requests(events)?;
        let appends: Vec<Vec<_>> =
            requests.iter().map(|request| request.runs.iter().map(Run::append).collect()).collect();
        // What is queued behind an append that is refused is not stored.
        let chain = [Chain::new(&Arc::new(AtomicU64::new(0)), 0, true)];
        let queued: Vec<_> = appends.iter().map(|appends| self.to.queue(appends, &chain)).collect();
        let mut position = pass.target();
        let mut result = Ok(());
        for ((request, appends), queued) in requests.iter().zip(&appends).zip(queued) {
            let answer = match queued {
                Some(queued) => queued.wait(),
                None if result.is_err() => break,
                None => self.to.append(appends).map_err(QueueError::Append),
            };
            // The first error is the reason of those behind it.
            result = result.and_then(|()| request.check(answer, position.forward(1)));
            position = position.forward(appends.iter().map(|append| append.events.len() as u64).sum());
        }
        result
    }

    /// The events as appends that keep their order: each names a stream once.
    fn requests<'e>(&self, events: &'e [CopiedEvent]) -> Result<Vec<Request<'e>>, CopyError> {
        let mut versions = HashMap::new();
        let mut requests: Vec<Request<'e>> = Vec::new();
        for event in events {
            let stream = event.stream();
            let version = match versions.entry(stream) {
                Entry::Occupied(version) => version.into_mut(),
                // Where events may be left out, the stream is at another version than in the source.
                Entry::Vacant(version) if self.changes.are_none() => {
                    version.insert(event.version().saturating_sub(1))
                }
                Entry::Vacant(version) => {
                    version.insert(self.to.stream_version(stream).map_err(CopyError::Target)?)
                }
            };
            match requests.last_mut() {
                Some(request) if request.takes(stream) => request.add(event, *version),
                _ => {
                    let mut request = Request { first: event, runs: Vec::new(), streams: HashSet::new() };
                    request.add(event, *version);
                    requests.push(request);
                }
            }
            *version += 1;
        }
        Ok(requests)
    }
}

/// Pass that are one append.
struct Request<'e> {
    first: &'e CopiedEvent,
    runs: Vec<Run<'e>>,
    streams: HashSet<&'e StreamName>,
}

/// Pass of one stream that follow each other.
struct Run<'e> {
    stream: &'e StreamName,
    expected: u64,
    events: Vec<NewEvent<'e>>,
}

impl<'e> Request<'e> {
    /// Whether an event of this stream can follow the others.
    fn takes(&self, stream: &StreamName) -> bool {
        self.runs.last().is_some_and(|run| run.stream == stream) || !self.streams.contains(stream)
    }

    fn add(&mut self, event: &'e CopiedEvent, version: u64) {
        let stream = event.stream();
        match self.runs.last_mut() {
            Some(run) if run.stream == stream => run.events.push(event.as_new()),
            _ => {
                self.runs.push(Run { stream, expected: version, events: vec![event.as_new()] });
                self.streams.insert(stream);
            }
        }
    }

    /// Checks the answer of the target: the first event has to be at a position.
    fn check(&self, answer: Result<Appended, QueueError>, first: Position) -> Result<(), CopyError> {
        let other_writer = |refusal: Option<AppendError>| CopyError::OtherWriter {
            position: self.first.position(),
            stream: self.first.stream().clone(),
            refusal: refusal.map(Box::new),
        };
        match answer {
            Ok(appended) if appended.first_position == Some(first) => Ok(()),
            Ok(_) | Err(QueueError::Void) => Err(other_writer(None)),
            Err(QueueError::Append(error @ AppendError::Conflict(_))) => Err(other_writer(Some(error))),
            Err(QueueError::Append(error)) => Err(CopyError::Append(error)),
        }
    }
}

impl Run<'_> {
    fn append(&self) -> Append<'_> {
        Append::new(self.stream, ExpectedVersion::Exactly(self.expected), &self.events)
    }
}

/// The events after a position, at most `limit`, or fewer if they are large.
fn read(
    store: &impl EventStore,
    filter: Filter<'_>,
    after: Position,
    limit: usize,
) -> Result<Vec<CopiedEvent>, StoreError> {
    let mut events = Vec::new();
    let mut bytes = ByteLimit::new(COPIED_BYTES);
    store.read_all(filter, after, limit, &mut |event| {
        events.push(CopiedEvent::of(event));
        if bytes.count(event).is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(events)
}
