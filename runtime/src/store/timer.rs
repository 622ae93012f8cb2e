//! Timers: commands that are sent at a time, as a store keeps them.

use uuid::Uuid;

use crate::domain::metadata::Cause;
use crate::domain::time::Timestamp;

/// A change of the timers of a store.
///
/// An append carries the changes that are stored together with its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange {
    /// Sets a timer, in place of one with the same key that waits.
    Set(NewTimer),
    /// Takes the timer with this key away, if it waits.
    Cancel(String),
}

/// A timer to store: a command, and the time at which it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTimer {
    /// Tells it from an earlier timer with the same key.
    pub id: Uuid,
    /// The key. At most one timer with it waits.
    pub key: String,
    /// When the command is sent.
    pub due: Timestamp,
    /// The command's name.
    pub command: &'static str,
    /// The version of the command's shape.
    pub version: u32,
    /// The command as JSON text.
    pub content: String,
    /// What the command follows from: the last event of the command that has set the timer. Without events, the timer itself.
    pub cause: Cause,
}

impl NewTimer {
    /// A timer with these values, whose command follows from the timer itself.
    #[must_use]
    pub const fn new(
        id: Uuid,
        key: String,
        due: Timestamp,
        command: &'static str,
        version: u32,
        content: String,
    ) -> Self {
        Self { id, key, due, command, version, content, cause: Cause::new(id, id) }
    }
}
