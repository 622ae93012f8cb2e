//! The events of a store as a stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use futures_core::Stream;

use crate::domain::position::Position;
use crate::event_store_ext::EventStoreExt as _;
use crate::follow::subscription::Subscription;
use crate::follow::subscription::event::SubscribedEvent;
use crate::follow::subscription::options::SubscriptionOptions;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::tasks::signal::{Alarm, READ_AGAIN, Signal};
use crate::tasks::threads::{Tasks, run};

/// The events of a store, first the stored ones, then each new one, as a [`Stream`].
///
/// [`AsyncStoreExt::stream`](crate::tasks::AsyncStoreExt::stream) makes it. It reads when it is polled and its buffer is empty: a
/// slow reader holds no more than its buffer. While it waits for events it holds no thread; one thread in the process looks
/// for the appends of other processes. It never ends: drop it.
///
/// An error of the store does not end it; see [`Subscription`].
#[must_use = "a stream is read as it is polled"]
pub struct EventStream {
    store: Arc<dyn EventStore>,
    reading: Reading,
    signal: Arc<Signal>,
    waker: Waker,
    /// `None` until the store was asked.
    is_watched: Option<bool>,
    again: Option<Alarm>,
}

enum Reading {
    Here(Box<Subscription<Arc<dyn EventStore>>>),
    Away(Pin<Box<dyn Future<Output = Read> + Send>>, Position),
    /// For a moment, between the two.
    Between,
}

type Read = (Box<Subscription<Arc<dyn EventStore>>>, Option<Result<SubscribedEvent, StoreError>>);

impl EventStream {
    pub(super) fn new(store: Arc<dyn EventStore>, options: SubscriptionOptions) -> Self {
        let signal = Arc::new(Signal::default());
        let waker = Waker::from(Arc::clone(&signal));
        // The first read is due.
        waker.wake_by_ref();
        let reading = Reading::Here(Box::new(store.subscribe(options)));
        Self { store, reading, signal, waker, is_watched: None, again: None }
    }

    /// Hands out an error. The next poll tries again.
    fn failed(&self, error: StoreError) -> Poll<Option<Result<SubscribedEvent, StoreError>>> {
        self.waker.wake_by_ref();
        Poll::Ready(Some(Err(error)))
    }

    /// The position up to which all events were handed out or did not pass the filter: where to resume.
    #[must_use]
    pub fn seen(&self) -> Position {
        match &self.reading {
            Reading::Here(subscription) => subscription.seen(),
            Reading::Away(_, seen) => *seen,
            Reading::Between => Position::START,
        }
    }
}

impl Stream for EventStream {
    type Item = Result<SubscribedEvent, StoreError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.reading, Reading::Between) {
                Reading::Here(mut subscription) => {
                    let event = subscription.take_read();
                    let is_due = event.is_none() && this.signal.poll(context).is_ready();
                    if !is_due {
                        this.reading = Reading::Here(subscription);
                        return event.map_or(Poll::Pending, |event| Poll::Ready(Some(event)));
                    }
                    if this.is_watched.is_none() {
                        match this.store.watch(&this.waker) {
                            Ok(is_watched) => this.is_watched = Some(is_watched),
                            Err(error) => {
                                this.reading = Reading::Here(subscription);
                                return this.failed(error);
                            }
                        }
                    }
                    let seen = subscription.seen();
                    let read = async move {
                        let event = subscription.next_of_one_read::<Tasks>().await;
                        (subscription, event)
                    };
                    this.reading = Reading::Away(Box::pin(run(read)), seen);
                }
                Reading::Away(mut reading, seen) => {
                    let Poll::Ready((subscription, event)) = reading.as_mut().poll(context) else {
                        this.reading = Reading::Away(reading, seen);
                        return Poll::Pending;
                    };
                    let has_moved = subscription.seen() > seen;
                    this.reading = Reading::Here(subscription);
                    match event {
                        Some(event) => {
                            // There may be more.
                            this.waker.wake_by_ref();
                            return Poll::Ready(Some(event));
                        }
                        // The read may have come to its limit before the end of the store.
                        None if has_moved => this.waker.wake_by_ref(),
                        None if this.is_watched == Some(true) => {}
                        None => match Alarm::new(&this.waker, Instant::now() + READ_AGAIN) {
                            Ok(alarm) => this.again = Some(alarm),
                            Err(error) => return this.failed(StoreError::Other(Box::new(error))),
                        },
                    }
                }
                Reading::Between => {
                    unreachable!("it is put back before `poll_next` returns, unless that panics")
                }
            }
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.store.unwatch(&self.waker);
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("seen", &self.seen()).finish_non_exhaustive()
    }
}
