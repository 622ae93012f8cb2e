//! The audit trail of one aggregate.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;

use crate::aggregate::Aggregate;
use crate::error::ReadError;
use crate::id::StreamId;
use crate::metadata::Recorded;
use crate::replay::recorded;
use crate::store::EventStore;

/// How many events are read ahead: all the memory that a history of any length takes.
const PAGE: usize = 128;

/// The events of one aggregate, from the first on, read page by page as they are asked for.
///
/// Made by [`Repository::history`](crate::Repository::history). The first event that can't be read is given as an error
/// and ends it.
pub struct History<'s, A: Aggregate, S> {
    store: &'s S,
    stream: StreamId,
    /// The version of the last event read.
    version: u64,
    page: VecDeque<Recorded<A::Event>>,
    /// Why reading stopped, to be told once the page is used up.
    failed: Option<ReadError>,
    ended: bool,
}

impl<'s, A: Aggregate, S: EventStore> History<'s, A, S> {
    pub(super) fn new(store: &'s S, stream: StreamId) -> Self {
        Self { store, stream, version: 0, page: VecDeque::new(), failed: None, ended: false }
    }

    fn read_page(&mut self) {
        let mut failed = None;
        let mut read = 0;
        let Self { store, stream, version, page, .. } = self;
        let result = store.read_stream(stream, *version, PAGE, &mut |event| match recorded(
            stream,
            event,
            *version,
            |event| page.push_back(event),
        ) {
            Ok(()) => {
                *version = event.envelope.version;
                read += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        });
        if let Err(source) = result {
            failed = Some(ReadError::Store { stream: self.stream.clone(), source });
        }
        self.ended = failed.is_some() || read < PAGE;
        self.failed = failed;
    }
}

impl<A: Aggregate, S: EventStore> Iterator for History<'_, A, S> {
    type Item = Result<Recorded<A::Event>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        // A page of retired events that are read as nothing is empty, and not the last.
        while self.page.is_empty() && !self.ended {
            self.read_page();
        }
        match self.page.pop_front() {
            Some(event) => Some(Ok(event)),
            None => self.failed.take().map(Err),
        }
    }
}

impl<A: Aggregate, S> fmt::Debug for History<'_, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("stream", &self.stream)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
