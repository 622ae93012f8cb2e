//! What a subscription hands out.

use crate::store::{Filter, Partition};

/// Where a [`Subscription`](crate::Subscription) begins, which events it hands out, and how many it reads ahead.
///
/// ```
/// use factum::SubscriptionOptions;
///
/// let options = SubscriptionOptions::new()
///     .after(4711)
///     .names(["money-deposited", "money-withdrawn"])
///     .categories(["bank-account"])
///     .buffer(1000);
/// # let _ = options;
/// ```
#[derive(Debug, Clone)]
pub struct SubscriptionOptions {
    pub(super) after: u64,
    names: Vec<String>,
    categories: Vec<String>,
    partition: Partition,
    pub(super) buffer: usize,
}

impl SubscriptionOptions {
    /// All events from the first on, of which 256 are read ahead.
    pub fn new() -> Self {
        Self { after: 0, names: Vec::new(), categories: Vec::new(), partition: Partition::WHOLE, buffer: 256 }
    }

    /// Only events after this position: one that a subscription [has seen](crate::Subscription::seen), or that of the store
    /// for those that are yet to come.
    pub fn after(mut self, position: u64) -> Self {
        self.after = position;
        self
    }

    /// Only events stored under one of these names, or of those given before. Without any, all names pass.
    ///
    /// An event that was renamed is stored under several: [`EventKind::names`](crate::EventKind::names) lists them.
    pub fn names(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only events in streams of one of these categories, or of those given before. Without any, all categories pass.
    ///
    /// The category of an aggregate is its [`NAME`](crate::Aggregate::NAME).
    pub fn categories(mut self, categories: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.categories.extend(categories.into_iter().map(Into::into));
        self
    }

    /// Only events in streams of this part: for several who share the work, each on a part of its own.
    pub fn partition(mut self, partition: Partition) -> Self {
        self.partition = partition;
        self
    }

    /// How many events are read ahead, and so held in memory, at most. At least one is.
    pub fn buffer(mut self, events: usize) -> Self {
        self.buffer = events.max(1);
        self
    }

    /// Lends the filter, up to a position, to `read`.
    pub(super) fn filtered<T>(&self, until: u64, read: impl FnOnce(Filter<'_>) -> T) -> T {
        let [names, categories] =
            [&self.names, &self.categories].map(|list| list.iter().map(String::as_str).collect::<Vec<_>>());
        let (partition, until) = (self.partition, Some(until));
        read(Filter { names: &names, categories: &categories, partition, until, ..Filter::default() })
    }
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self::new()
    }
}
