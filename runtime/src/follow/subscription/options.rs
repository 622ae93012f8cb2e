//! The options of a subscription: where it begins, its filter, and its buffer.

use crate::domain::position::Position;
use crate::store::owned_event::COPIED_BYTES;
use crate::store::partition::Partition;
use crate::store::read::Filter;

/// Where a [`Subscription`](crate::follow::Subscription) begins, which events it hands out, and how many it
/// reads ahead.
///
/// ```
/// use factum::Position;
/// use factum::follow::SubscriptionOptions;
///
/// let options = SubscriptionOptions::new()
///     .after(Position::new(4711))
///     .names(["money-deposited", "money-withdrawn"])
///     .categories(["bank-account"])
///     .buffer(1000);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves: give them to `subscribe`"]
pub struct SubscriptionOptions {
    pub(super) after: Position,
    names: Vec<String>,
    categories: Vec<String>,
    partition: Partition,
    pub(super) buffer: usize,
    pub(super) buffer_bytes: usize,
}

impl SubscriptionOptions {
    /// All events from the first on, with a buffer of 256 events and 4 MiB.
    pub fn new() -> Self {
        Self {
            after: Position::START,
            names: Vec::new(),
            categories: Vec::new(),
            partition: Partition::WHOLE,
            buffer: 256,
            buffer_bytes: COPIED_BYTES,
        }
    }

    /// Only events after this position.
    ///
    /// The position from [`Subscription::seen`](crate::follow::Subscription::seen) resumes a subscription.
    /// The store's own position begins with the next append.
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Only events stored under one of these names, or of those given before. Without names, all events pass.
    ///
    /// An event that was renamed is stored under several names: [`EventKind::names`](crate::EventKind::names)
    /// lists them.
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only events in streams of one of these categories, or of those given before. Without categories, all
    /// events pass.
    ///
    /// The category of an aggregate is its [`CATEGORY`](crate::Aggregate::CATEGORY).
    pub fn categories(mut self, categories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.categories.extend(categories.into_iter().map(Into::into));
        self
    }

    /// Only events in streams of this partition, so that several subscribers can share the work.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// How many events are read ahead and held in memory, at most. The least is 1.
    pub fn buffer(mut self, events: usize) -> Self {
        self.buffer = events.max(1);
        self
    }

    /// How many bytes of events are read ahead and held in memory, at most. One event may be larger.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }

    /// Lends the filter for events up to a position to `read`.
    pub(super) fn filtered<T>(&self, until: Position, read: impl FnOnce(Filter<'_>) -> T) -> T {
        let [names, categories] =
            [&self.names, &self.categories].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
        read(Filter::new().names(&names).categories(&categories).partition(self.partition).until(until))
    }
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self::new()
    }
}
