//! The history of one aggregate as a stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use crate::domain::metadata::Recorded;
use crate::domain::stream_name::StreamName;
use crate::repository::error::ReadError;
use crate::repository::history::HistoryPages;
use crate::repository::in_tasks::InTasks;
use crate::store::event_store::EventStore;
use crate::tasks::threads::{Tasks, run};

/// The events of one aggregate, from the first on, read page by page as the stream is polled.
///
/// Made by [`Repository::history_async`](crate::Repository::history_async). The first event that can't be read is handed out
/// as an error and ends the stream.
#[must_use = "a stream is read as it is polled"]
pub struct HistoryStream<A: InTasks> {
    store: Arc<dyn EventStore>,
    reading: Reading<A>,
}

enum Reading<A: InTasks> {
    Here(HistoryPages<A>),
    Away(Pin<Box<dyn Future<Output = HistoryPages<A>> + Send>>),
    /// For a moment, between the two.
    Between,
}

impl<A: InTasks> HistoryStream<A> {
    pub(super) fn new(store: Arc<dyn EventStore>, stream: StreamName) -> Self {
        Self { store, reading: Reading::Here(HistoryPages::new(stream)) }
    }
}

// Nothing is pinned in it.
impl<A: InTasks> Unpin for HistoryStream<A> {}

impl<A: InTasks> Stream for HistoryStream<A> {
    type Item = Result<Recorded<A::Event>, ReadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.reading, Reading::Between) {
                Reading::Here(mut pages) if pages.needs_read() => {
                    let store = Arc::clone(&this.store);
                    let read = async move {
                        pages.read_page::<Tasks, _>(&*store).await;
                        pages
                    };
                    this.reading = Reading::Away(Box::pin(run(read)));
                }
                Reading::Here(mut pages) => {
                    let event = pages.take();
                    this.reading = Reading::Here(pages);
                    return Poll::Ready(event);
                }
                Reading::Away(mut reading) => match reading.as_mut().poll(context) {
                    Poll::Ready(pages) => this.reading = Reading::Here(pages),
                    Poll::Pending => {
                        this.reading = Reading::Away(reading);
                        return Poll::Pending;
                    }
                },
                Reading::Between => {
                    unreachable!("it is put back before `poll_next` returns, unless that panics")
                }
            }
        }
    }
}

impl<A: InTasks> fmt::Debug for HistoryStream<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryStream").finish_non_exhaustive()
    }
}
