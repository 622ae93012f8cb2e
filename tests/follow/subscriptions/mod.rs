//! Subscriptions: the events of a store, as they are appended.

mod decoding;
mod reads;
mod waits;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use factum::follow::{SubscribedEvent, Subscription};
use factum::prelude::*;
use factum::store::{Append, ExpectedVersion, Filter, NewEvent, StoreError, Visit};
use factum::{Metadata, Position, StreamName, Uuid};

use crate::support::events::append_event;
use crate::support::stores::LONG;
use factum::testing::delegate;

type Dynamic = Subscription<Arc<dyn EventStore>>;

/// Appends an event, as another program would.
fn append(store: &dyn EventStore, category: &str, key: &str, name: &str, payload: &str) {
    append_event(store, category, key, name, 1, payload);
}

/// Appends `count` events of one name.
fn append_many(store: &dyn EventStore, category: &str, name: &str, count: usize) {
    let metadata = Metadata::default();
    let new = |_| NewEvent::new(name, 1, "{}", Uuid::now_v7(), Timestamp::now(), &metadata);
    let events: Vec<_> = (0..count).map(new).collect();
    store.append(&[Append::new(&StreamName::new(category, "a"), ExpectedVersion::Any, &events)]).unwrap();
}

fn next(subscription: &mut Subscription<impl EventStore>) -> SubscribedEvent {
    subscription.next_within(LONG).expect("an event, not a hang").unwrap()
}

/// The positions of all current events.
fn drain(subscription: &mut Dynamic) -> Vec<u64> {
    std::iter::from_fn(|| subscription.try_next())
        .map(|event| event.unwrap().envelope().position.get())
        .collect()
}

/// A store that counts its calls, fails on request, and gets appends of other writers at the worst moments.
struct Watched {
    store: Arc<dyn EventStore>,
    /// How many events reads have passed on.
    visited: AtomicUsize,
    /// After how many events the next read fails.
    read_fails: Mutex<Option<usize>>,
    fail_wait: AtomicBool,
    append_before_read: AtomicBool,
    append_after_read: AtomicBool,
    /// How often a wait began.
    waits: AtomicUsize,
    /// The position of the last wait.
    waited_for: Mutex<Position>,
    waiting: Condvar,
}

impl Watched {
    fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            visited: AtomicUsize::new(0),
            read_fails: Mutex::new(None),
            fail_wait: AtomicBool::new(false),
            append_before_read: AtomicBool::new(false),
            append_after_read: AtomicBool::new(false),
            waits: AtomicUsize::new(0),
            waited_for: Mutex::new(Position::START),
            waiting: Condvar::new(),
        }
    }

    fn fail_read_after(&self, events: Option<usize>) {
        *self.read_fails.lock().unwrap() = events;
    }

    fn until_a_wait_beyond(&self, position: u64) {
        let waited = self.waited_for.lock().unwrap();
        let waited = self.waiting.wait_timeout_while(waited, LONG, |waited_for| waited_for.get() <= position);
        assert!(!waited.unwrap().1.timed_out(), "no wait begins");
    }

    fn append_if(&self, requested: &AtomicBool) {
        if requested.swap(false, Ordering::SeqCst) {
            append(&self.store, "account", "a", "deposited", "{}");
        }
    }
}

impl EventStore for Watched {
    delegate!(self => self.store; event_id, append, read_stream, stream_version, position, outcome, forget_keys_before);

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.append_if(&self.append_before_read);
        let fails = self.read_fails.lock().unwrap().take();
        self.store.read_all(filter, after, fails.unwrap_or(limit), &mut |event| {
            self.visited.fetch_add(1, Ordering::SeqCst);
            visit(event)
        })?;
        self.append_if(&self.append_after_read);
        if fails.is_some() { Err(StoreError::Busy) } else { Ok(()) }
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        if self.fail_wait.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        *self.waited_for.lock().unwrap() = position;
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.waiting.notify_all();
        self.store.wait_for(position, timeout)
    }
}
