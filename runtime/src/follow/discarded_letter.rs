//! What is kept of a dead letter that was discarded.

use crate::domain::position::Position;
use crate::domain::time::Timestamp;

/// A dead letter that was discarded: the follower has never handled its event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiscardedLetter {
    /// The event's place among all events of the store.
    pub position: Position,
    /// The error of the last attempt, with its causes.
    pub error: String,
    /// The number of attempts.
    pub attempts: u32,
    /// When the last attempt failed.
    pub failed_at: Timestamp,
    /// The reason that the caller has given.
    pub reason: String,
    /// When it was discarded.
    pub discarded_at: Timestamp,
}
