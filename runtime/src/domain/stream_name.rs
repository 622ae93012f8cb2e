//! The names of streams: category and key.

use std::fmt;
use std::sync::Arc;

use crate::domain::id::{AggregateId, InvalidId};

/// The name of a stream: the category, a `/`, and the key, which is the text of the aggregate's id.
///
/// `derive(Aggregate)` rejects a category with a `/`. So the first `/` separates category and key, and
/// different pairs of them have different names, even if a key contains a `/`.
///
/// ```
/// use factum::StreamName;
///
/// let stream = StreamName::new("bank-account", "a/b");
/// assert_eq!(stream.to_string(), "bank-account/a/b");
/// assert_eq!((stream.category(), stream.key()), ("bank-account", "a/b"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamName {
    /// Shared, because every recorded event has the name of its stream.
    name: Arc<str>,
    /// The length of the category in bytes.
    category: usize,
}

impl StreamName {
    /// The name of the stream of `key` in `category`. Text after a `/` in `category` becomes part of the key.
    #[must_use]
    pub fn new(category: &str, key: &str) -> Self {
        let mut name = String::with_capacity(category.len() + 1 + key.len());
        name.push_str(category);
        name.push('/');
        name.push_str(key);
        let category = name.find('/').unwrap_or(category.len());
        Self { name: name.into(), category }
    }

    /// The name of the stream of the aggregate `A` with this id.
    pub fn of<A: crate::Aggregate>(id: &A::Id) -> Self {
        Self::new(A::CATEGORY, &id.to_text())
    }

    /// The part before the first `/`: the name of the aggregate.
    #[must_use]
    pub fn category(&self) -> &str {
        self.name.get(..self.category).unwrap_or_default()
    }

    /// The part after the first `/`: the text of the id.
    #[must_use]
    pub fn key(&self) -> &str {
        self.name.get(self.category + 1..).unwrap_or_default()
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The id of the aggregate whose stream this is.
    ///
    /// Fails if the key is not the text of an `I`.
    pub fn aggregate_id<I: AggregateId>(&self) -> Result<I, InvalidId> {
        I::from_text(self.key())
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.name, f)
    }
}
