//! All events of a store, handed out as they come.

pub(crate) mod event;
pub(crate) mod options;

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::domain::position::Position;
use crate::follow::seen::{Difference, Seen};
use crate::follow::subscription::event::SubscribedEvent;
use crate::follow::subscription::options::SubscriptionOptions;
use crate::misuse;
use crate::repository::reads;
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::owned_event::ByteLimit;
use crate::store::read::StoredEvent;

/// How long the store waits at a time. A [`Stopper`] can't wake a store, so a stop is noticed up to this much
/// later.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// How many positions one read covers at most, where few events pass the filter.
const WINDOW: u64 = 20_000;

/// The events of a store after a position: first the stored ones, then each new one, of any thread or
/// process.
///
/// [`EventStoreExt::subscribe`](crate::EventStoreExt::subscribe) makes it.
///
/// | method | waits for an event |
/// |---|---|
/// | [`next`](Iterator::next) | until the subscription is [stopped](Stopper::stop) |
/// | [`next_within`](Self::next_within) | for a limited time |
/// | [`try_next`](Self::try_next) | not at all |
///
/// ```
/// use factum::prelude::*;
/// use factum::{EventKind, Position};
/// use factum::follow::SubscriptionOptions;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// let store = MemoryStore::new();
/// let accounts = store.repository::<BankAccount>();
/// let alice = || AccountId("alice".into());
/// accounts.execute(OpenAccount { account: alice(), owner: "Alice".into() })?;
///
/// // The name that deposits have now, and the names that they had before.
/// let deposits = SubscriptionOptions::new().names(EventKind::of::<MoneyDeposited>().names());
/// let mut subscription = store.subscribe(deposits);
/// let stopper = subscription.stopper();
/// let (sender, receiver) = std::sync::mpsc::channel();
/// let follower = std::thread::spawn(move || -> Result<Position, BoxError> {
///     for event in &mut subscription {
///         if let Some(deposited) = event?.decode_event::<MoneyDeposited>()? {
///             sender.send(deposited.cents)?;
///         }
///     }
///     // Where to resume the next time.
///     Ok(subscription.seen())
/// });
///
/// accounts.execute(DepositMoney { account: alice(), cents: 500 })?;
/// assert_eq!(receiver.recv()?, 500);
/// stopper.stop();
/// let position = follower.join().map_err(|_| "the follower panicked")??;
/// assert_eq!(position, Position::new(2));
///
/// accounts.execute(DepositMoney { account: alice(), cents: 70 })?;
/// let mut resumed = store.subscribe(SubscriptionOptions::new().after(position));
/// let event = resumed.try_next().ok_or("there is an event")??;
/// assert_eq!((event.name(), event.envelope().position), ("money-deposited", Position::new(3)));
/// # Ok::<(), BoxError>(())
/// ```
///
/// The subscription hands out each event that passes the filter once, in order of position. It holds at most
/// [`buffer`](SubscriptionOptions::buffer) events, of [`buffer_bytes`](SubscriptionOptions::buffer_bytes); the rest
/// wait in the store.
///
/// An error of the store does not end the subscription: the next call tries again from the same position.
/// Events that were read before the error are handed out first. While the store keeps failing, every call
/// fails without delay: stop, or wait in between.
///
/// If the store ends before the position of the subscription, each call fails with
/// [`StoreError::PastTheEnd`]: the position is that of another store, or the store has lost events. If the store
/// has other events by now, as after a backup was restored, each call fails with [`StoreError::OtherEvents`].
#[must_use = "a subscription is read as it is iterated over"]
pub struct Subscription<S> {
    store: S,
    options: SubscriptionOptions,
    buffer: VecDeque<SubscribedEvent>,
    /// The error of the last read, to be returned when the buffer is empty.
    failed: Option<StoreError>,
    /// All events up to here were handed out or did not pass the filter.
    position: Position,
    /// All events up to here that pass the filter have been read.
    read_to: Position,
    /// What the store has at that position; `None` before the first read.
    seen: Option<Seen>,
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
            seen: None,
            stopper: Stopper::default(),
        }
    }

    /// The next event, as soon as there is one.
    ///
    /// `None` if the time is up or the subscription is stopped; [`Stopper::is_stopped`] says which.
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
            match self.store.wait_for(self.read_to.next(), left.min(STOP_CHECK)) {
                Ok(newest) if newest > self.read_to => now(self.read::<Blocks>(newest)),
                Ok(newest) if newest < self.read_to => {
                    return Some(Err(StoreError::PastTheEnd { position: self.read_to, newest }));
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            // Events that were read after the time was up are still handed out.
            if left.is_zero() && self.buffer.is_empty() && self.failed.is_none() {
                return None;
            }
        }
    }

    /// The next event, if the store has one now.
    pub fn try_next(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        loop {
            let read_to = self.read_to;
            let event = self.next_within(Duration::ZERO);
            // Each read is limited, and the store may end further on.
            if event.is_some() || self.read_to == read_to {
                return event;
            }
        }
    }

    /// The next event, if one read finds it.
    pub(crate) async fn next_of_one_read<W: Waits>(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        match reads::position::<W, _>(&self.store).await {
            Ok(newest) if newest > self.read_to => self.read::<W>(newest).await,
            Ok(newest) if newest < self.read_to => {
                return Some(Err(StoreError::PastTheEnd { position: self.read_to, newest }));
            }
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        self.take_read()
    }

    /// The position up to which all events were handed out or did not pass the filter.
    ///
    /// To resume later, store it after the last event has been handled, and give it to
    /// [`SubscriptionOptions::after`].
    // Not named `position`: `Iterator` has a method of that name.
    pub fn seen(&self) -> Position {
        self.position
    }

    /// The handle that stops the subscription, from any thread.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The next event that was read already, or the error of the last read. Does not read.
    pub(crate) fn take_read(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        if self.stopper.is_stopped() { None } else { self.take() }
    }

    /// The first event of the buffer or, if it is empty, the error of the last read.
    fn take(&mut self) -> Option<Result<SubscribedEvent, StoreError>> {
        let Some(event) = self.buffer.pop_front() else {
            return self.failed.take().map(Err);
        };
        self.position = if self.buffer.is_empty() { self.read_to } else { event.position() };
        Some(Ok(event))
    }

    /// Fills the empty buffer with events up to `newest`, unless the store no longer has what was read.
    async fn read<W: Waits>(&mut self, newest: Position) {
        if let Err(error) = self.confirm::<W>().await {
            self.failed = Some(error);
            return;
        }
        let before = self.read_to;
        let last = self.read_confirmed::<W>(newest).await;
        // The event at the position, if it was the last one that was read; else the next read finds out.
        self.seen = match (self.seen, last) {
            (Some(seen), Some((position, event))) if position == self.read_to => {
                Some(Seen { position, event: Some(event), ..seen })
            }
            _ => None,
        };
        if self.seen.is_none() && self.failed.is_none() {
            match self.see_end::<W>(last.map_or(before, |(position, _)| position)).await {
                Ok(seen) => self.seen = seen,
                Err(error) => self.failed = Some(error),
            }
        }
    }

    /// What the store has at the end of the read. If that is behind its newest event, another server has taken over, without some
    /// events: the next read begins after the `last` event of this one.
    async fn see_end<W: Waits>(&mut self, last: Position) -> Result<Option<Seen>, StoreError> {
        let seen = Seen::read::<W>(&self.store, self.read_to).await?;
        if seen.event.is_none() && reads::position::<W, _>(&self.store).await? < self.read_to {
            self.read_to = last;
            if self.buffer.is_empty() {
                self.position = last;
            }
            return Ok(None);
        }
        Ok(Some(seen))
    }

    /// Checks that the store still has the event after which the next read begins.
    async fn confirm<W: Waits>(&mut self) -> Result<(), StoreError> {
        let position = self.read_to;
        let Some(seen) = self.seen else {
            self.seen = Some(Seen::read::<W>(&self.store, position).await?);
            return Ok(());
        };
        match seen.compare::<W>(&self.store).await? {
            None => Ok(()),
            Some(Difference::End { newest }) => Err(StoreError::PastTheEnd { position, newest }),
            Some(Difference::Store { .. } | Difference::Event) => Err(StoreError::OtherEvents { position }),
        }
    }

    /// Reads events up to `newest`, and returns the position and the id of the last one. One read is limited,
    /// so that a stop is noticed soon.
    async fn read_confirmed<W: Waits>(&mut self, newest: Position) -> Option<(Position, Uuid)> {
        let Self { store, options, buffer, .. } = self;
        let (mut last, mut last_event) = (self.read_to, None);
        let until = newest.min(last.forward(WINDOW));
        let mut bytes = ByteLimit::new(options.buffer_bytes);
        let (after, limit) = (self.read_to, options.buffer);
        let mut visit = |event: &StoredEvent<'_>| {
            last = event.envelope.position;
            last_event = Some((last, event.envelope.id));
            buffer.push_back(SubscribedEvent::copy(event));
            bytes.count(event)
        };
        let read = match W::reads(store) {
            Some(reads) => {
                let first = options.filtered(until, |filter| reads.read_all(filter, after, limit));
                reads::pages(first, visit).await
            }
            None => {
                W::thread().await;
                options.filtered(until, |filter| store.read_all(filter, after, limit, &mut visit))
            }
        };
        self.read_to = match read {
            // A wide gap takes one step.
            Ok(()) if buffer.is_empty() && until < newest => {
                match reads::next_position::<W, _>(store, until).await {
                    Ok(next) => next.map_or(until, Position::previous),
                    Err(error) => {
                        self.failed = Some(error);
                        until
                    }
                }
            }
            // The read came to its end.
            Ok(()) if buffer.len() < options.buffer && !bytes.is_reached() => until,
            Ok(()) => last,
            Err(error) => {
                self.failed = Some(error);
                last
            }
        };
        if self.buffer.is_empty() {
            self.position = self.read_to;
        }
        last_event
    }
}

/// The iterator ends only when the subscription is stopped.
impl<S: EventStore> Iterator for Subscription<S> {
    type Item = Result<SubscribedEvent, StoreError>;

    #[track_caller]
    fn next(&mut self) -> Option<Self::Item> {
        misuse::blocks("Subscription::next", "AsyncStoreExt::stream");
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

/// Stops a [`Subscription`], from any thread. Clones stop the same subscription.
#[derive(Debug, Clone, Default)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
}

impl Stopper {
    /// Ends the subscription for good.
    ///
    /// No later call hands out an event, not even one that was read ahead. A call that waits returns within
    /// 50 milliseconds. A read that is under way, of at most 20,000 positions, is completed first.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
    }

    /// Whether the subscription has been stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}
