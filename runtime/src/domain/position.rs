//! The place of an event in the whole store.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An event's place in the whole store, from 1, in the order of the commits.
///
/// It is not a `u64`, so that it can't be confused with a version, an event's place in its stream. serde
/// writes a position as a number.
///
/// ```
/// use factum::Position;
///
/// let position = Position::new(3);
/// assert!(Position::START < position);
/// assert_eq!(position.next().get(), 4);
/// assert_eq!(position.to_string(), "3");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// The place before the first event: the position of an empty store, and the start of a reader.
    pub const START: Self = Self(0);

    /// The position with this number, such as one that a program has stored elsewhere.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of the position; 0 for [`START`](Self::START).
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        self.forward(1)
    }

    /// The position this many places after this one.
    pub(crate) const fn forward(self, places: u64) -> Self {
        Self(self.0.saturating_add(places))
    }

    /// The position before this one.
    pub(crate) const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The number of places from `earlier` to this position; 0 if `earlier` is not earlier.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
