//! The audit trail of one aggregate.

use std::collections::VecDeque;
use std::fmt;
use std::ops::ControlFlow;

use crate::domain::aggregate::Aggregate;
use crate::domain::metadata::Recorded;
use crate::domain::stream_name::StreamName;
use crate::repository::error::ReadError;
use crate::repository::reads;
use crate::repository::replay::recorded;
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::event_store::EventStore;

/// How many events are read ahead. This bounds the memory of a history of any length.
const PAGE: usize = 128;

/// The events of one aggregate, from the first on, read page by page as they are asked for.
///
/// Made by [`Repository::history`](crate::Repository::history). The first event that can't be read is
/// returned as an error and ends the iteration.
#[must_use = "a history is read as it is iterated over"]
pub struct History<'s, A: Aggregate, S> {
    store: &'s S,
    pages: HistoryPages<A>,
}

impl<'s, A: Aggregate, S: EventStore> History<'s, A, S> {
    pub(super) fn new(store: &'s S, stream: StreamName) -> Self {
        Self { store, pages: HistoryPages::new(stream) }
    }
}

impl<A: Aggregate, S: EventStore> Iterator for History<'_, A, S> {
    type Item = Result<Recorded<A::Event>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.pages.needs_read() {
            now(self.pages.read_page::<Blocks, _>(self.store));
        }
        self.pages.take()
    }
}

/// The page of a history that was read, and what follows.
pub(crate) struct HistoryPages<A: Aggregate> {
    stream: StreamName,
    /// The version of the last event read.
    version: u64,
    page: VecDeque<Recorded<A::Event>>,
    /// Why reading stopped; returned once the page is used up.
    failed: Option<ReadError>,
    ended: bool,
}

impl<A: Aggregate> HistoryPages<A> {
    pub(crate) fn new(stream: StreamName) -> Self {
        Self { stream, version: 0, page: VecDeque::new(), failed: None, ended: false }
    }

    /// Whether the next event is one that was not read.
    ///
    /// A page is empty if all of its events are retired and read as nothing. More events may follow.
    pub(crate) fn needs_read(&self) -> bool {
        self.page.is_empty() && !self.ended
    }

    pub(crate) async fn read_page<W: Waits, S: EventStore + ?Sized>(&mut self, store: &S) {
        let mut failed = None;
        let mut read = 0;
        let Self { stream, version, page, .. } = self;
        let result = reads::read_stream::<W, _>(store, stream, *version, PAGE, |event| {
            match recorded(stream, event, *version, |event| page.push_back(event)) {
                Ok(()) => {
                    *version = event.envelope.version;
                    read += 1;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
        if let Err(source) = result.await {
            failed = Some(ReadError::Store { stream: self.stream.clone(), source });
        }
        self.ended = failed.is_some() || read < PAGE;
        self.failed = failed;
    }

    /// The next event that was read, or why there is none.
    pub(crate) fn take(&mut self) -> Option<Result<Recorded<A::Event>, ReadError>> {
        match self.page.pop_front() {
            Some(event) => Some(Ok(event)),
            None => self.failed.take().map(Err),
        }
    }
}

impl<A: Aggregate, S> fmt::Debug for History<'_, A, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("stream", &self.pages.stream)
            .field("version", &self.pages.version)
            .finish_non_exhaustive()
    }
}
