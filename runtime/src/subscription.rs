//! All events of a store, handed out as they come.

mod event;
mod options;

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use self::event::SubscribedEvent;
pub use self::options::SubscriptionOptions;
use crate::error::StoreError;
use crate::store::EventStore;

/// How long a store is asked to wait at a time. A store can't be woken by a [`Stopper`], so this is how late a stop may
/// be noticed.
const SLICE: Duration = Duration::from_millis(50);

/// How many positions one read looks at, where few of the events there pass the filter.
const WINDOW: u64 = 20_000;

/// The events of a store from a position on, first those that it has, then each as it is appended, by whatever thread
/// or process.
///
/// Made by [`EventStore::subscribe`]. [`next`](Iterator::next) waits for an event, without polling, until the subscription
/// is [stopped](Stopper::stop); [`next_within`](Self::next_within) waits for a limited time, [`try_next`](Self::try_next) not
/// at all.
///
/// ```
/// use factum::prelude::*;
/// use factum::{EventKind, SubscriptionOptions};
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// let store = MemoryStore::new();
/// let accounts = store.repository::<BankAccount>();
/// let alice = || AccountId("alice".into());
/// accounts.execute(OpenAccount { account: alice(), owner: "Alice".into() })?;
///
/// // Under the name that deposits have now, and under those that they once had.
/// let deposits = SubscriptionOptions::new().names(EventKind::of::<MoneyDeposited>().names());
/// let mut subscription = store.subscribe(deposits);
/// let stopper = subscription.stopper();
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let follower = std::thread::spawn(move || -> Result<u64, BoxError> {
///     for event in &mut subscription {
///         if let Some(deposited) = event?.decode_event::<MoneyDeposited>()? {
///             sender.send(deposited.cents)?;
///         }
///     }
///     // Where to go on the next time.
///     Ok(subscription.seen())
/// });
///
/// accounts.execute(DepositMoney { account: alice(), cents: 500 })?;
/// assert_eq!(receiver.recv()?, 500);
/// stopper.stop();
/// let position = follower.join().map_err(|_| "the follower panicked")??;
/// assert_eq!(position, 2);
///
/// accounts.execute(DepositMoney { account: alice(), cents: 70 })?;
/// let mut resumed = store.subscribe(SubscriptionOptions::new().after(position));
/// let event = resumed.try_next().ok_or("there is an event")??;
/// assert_eq!((event.name(), event.envelope().position), ("money-deposited", 3));
/// # Ok::<(), BoxError>(())
/// ```
///
/// Each event that the filter lets pass is handed out once, in order of position. At most
/// [`buffer`](SubscriptionOptions::buffer) events are held; whoever takes them slowly lets the rest wait in the store.
///
/// An error of the store does not end the subscription: the next call tries again from the same place. Events that were
/// read before it are handed out before it. If the store keeps failing, so does every call, without delay: break off, or
/// wait in between.
pub struct Subscription<S> {
    store: S,
    options: SubscriptionOptions,
    buffer: VecDeque<SubscribedEvent>,
    /// Why reading broke off, to be told once the buffer is used up.
    failed: Option<StoreError>,
    /// Everything up to here has been handed out, or did not pass the filter.
    position: u64,
    /// Everything up to here that passes the filter has been read.
    read_to: u64,
    stopper: Stopper,
}

impl<S: EventStore> Subscription<S> {
    pub(crate) fn new(store: S, options: SubscriptionOptions) -> Self {
        let after = options.after;
        Self {
            store,
            options,
            buffer: VecDeque::new(),
            failed: None,
            position: after,
            read_to: after,
            stopper: Stopper::default(),
        }
    }

    /// The next event, as soon as there is one; `None` if there is none in time, or if the subscription is stopped, which
    /// [`Stopper::is_stopped`] tells apart.
    pub fn next_within(&mut self, timeout: Duration) -> Option<Result<SubscribedEvent, StoreError>> {
        let started = Instant::now();
        loop {
            if self.stopper.is_stopped() {
                return None;
            }
            if let Some(event) = self.take() {
                return Some(event);
            }
            let left = timeout.saturating_sub(started.elapsed());
            match self.store.wait_for(self.read_to.saturating_add(1), left.min(SLICE)) {
                Ok(newest) if newest > self.read_to => self.read(newest),
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            // What has been read after the time was up is handed out all the same.
            if left.is_zero() && self.buffer.is_empty() && self.failed.is_none() {
                return None;
            }
        }
    }

    /// The next event, if the store has one now.
    pub fn try_next(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        self.next_within(Duration::ZERO)
    }

    /// The position up to which everything has been handed out or did not pass the filter: what to store, once the event
    /// that was handed out last has been dealt with, and give to [`SubscriptionOptions::after`] another time.
    ///
    /// Not `position`, which iterators have already.
    pub fn seen(&self) -> u64 {
        self.position
    }

    /// What stops the subscription, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The first of what has been read.
    fn take(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        let Some(event) = self.buffer.pop_front() else {
            return self.failed.take().map(Err);
        };
        self.position = if self.buffer.is_empty() { self.read_to } else { event.position() };
        Some(Ok(event))
    }

    /// Fills the empty buffer, from what is there up to `newest`: at most so much of it that a stop is noticed soon.
    fn read(&mut self, newest: u64) {
        let Self { store, options, buffer, .. } = self;
        let mut last = self.read_to;
        let until = newest.min(last.saturating_add(WINDOW));
        let read = options.filtered(until, |filter| {
            store.read_all(filter, self.read_to, options.buffer, &mut |event| {
                last = event.envelope.position;
                buffer.push_back(SubscribedEvent::copy(event));
                ControlFlow::Continue(())
            })
        });
        self.read_to = match read {
            // It came to the end.
            Ok(()) if buffer.len() < options.buffer => until,
            Ok(()) => last,
            Err(error) => {
                self.failed = Some(error);
                last
            }
        };
        if self.buffer.is_empty() {
            self.position = self.read_to;
        }
    }
}

/// Ends only when stopped.
impl<S: EventStore> Iterator for Subscription<S> {
    type Item = Result<SubscribedEvent, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_within(Duration::MAX)
    }
}

impl<S: EventStore> FusedIterator for Subscription<S> {}

impl<S> fmt::Debug for Subscription<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("options", &self.options)
            .field("position", &self.position)
            .field("stopper", &self.stopper)
            .finish_non_exhaustive()
    }
}

/// Stops a [`Subscription`], from any thread. Clones stop the same one.
#[derive(Debug, Clone, Default)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
}

impl Stopper {
    /// Ends the subscription for good: no call that begins from here on hands anything out, not even what has been read
    /// ahead, and one that waits gives up within 50 milliseconds. A read of the store that is under way, of 20,000 events at
    /// most, goes to its end first.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the subscription has been stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}
