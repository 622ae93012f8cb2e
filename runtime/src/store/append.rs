//! What an append takes, and what it returns.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use uuid::Uuid;

use crate::domain::command_mark::CommandMark;
use crate::domain::metadata::Metadata;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::store::error::AppendError;
use crate::store::timer::TimerChange;

/// Events for one stream, and the expected version of the stream.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Append<'a> {
    /// The stream.
    pub stream: &'a StreamName,
    /// The version that the stream must have.
    pub expected: ExpectedVersion,
    /// The events, in order. An empty list only checks the expected version.
    pub events: &'a [NewEvent<'a>],
    /// The idempotency keys of the commands that led to the events; usually none. The store keeps them.
    pub keys: &'a [NewKey<'a>],
    /// Timers that are set or cancelled together with the events; usually none. A store without timers ignores them: no
    /// application with timers starts on it.
    pub timers: &'a [TimerChange],
}

impl<'a> Append<'a> {
    /// An append of events without idempotency keys.
    pub fn new(
        stream: &'a StreamName,
        expected: impl Into<ExpectedVersion>,
        events: &'a [NewEvent<'a>],
    ) -> Self {
        Self { stream, expected: expected.into(), events, keys: &[], timers: &[] }
    }

    /// Sets the idempotency keys of the commands that led to the events.
    #[must_use = "the append with the keys is what this returns"]
    pub const fn with_keys(mut self, keys: &'a [NewKey<'a>]) -> Self {
        self.keys = keys;
        self
    }
}

/// An idempotency key to store. Each stream has its own keys: the same text in another stream is another key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewKey<'a> {
    /// The key.
    pub key: &'a str,
    /// The indices of the append's events that the command led to; an empty range if it led to none.
    pub events: Range<usize>,
    /// When the command was executed.
    pub recorded_at: Timestamp,
    /// The command, to tell it from another one; `None` if it is not known.
    pub command: Option<CommandMark>,
    /// Where the command has waited until then, in the same store.
    pub(crate) waiting: Option<WaitingCommand>,
}

/// A command that waits in the store to be sent.
///
/// An append with its events takes it out in the same transaction, or stores nothing if it no longer waits. So a program that was
/// suspended can't execute a command that another program has dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitingCommand {
    /// Tells it from all others that wait in the store, or ever did.
    pub(crate) id: i64,
    /// When it is sent, by the clock of its process.
    pub(crate) sent_at: Timestamp,
}

/// What a command with an idempotency key led to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The version of the stream before the command's events.
    pub before: u64,
    /// The version of the stream after the command's events. Equal to `before` if there were none.
    pub version: u64,
    /// When the command was executed.
    pub recorded_at: Timestamp,
    /// The command. `None` if it is not known, because an earlier version of factum has stored the key.
    pub command: Option<CommandMark>,
}

impl Outcome {
    /// The outcome of a command whose events brought a stream from version `before` to `version`.
    #[must_use]
    pub const fn new(
        before: u64,
        version: u64,
        recorded_at: Timestamp,
        command: Option<CommandMark>,
    ) -> Self {
        Self { before, version, recorded_at, command }
    }
}

/// An event to store.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NewEvent<'a> {
    /// The name to store the event under.
    pub name: &'a str,
    /// The event version: that of the payload's shape.
    pub event_version: u32,
    /// The event's own id.
    pub id: Uuid,
    /// When the event is recorded.
    pub recorded_at: Timestamp,
    /// The correlation, the causation, and the custom metadata.
    pub metadata: &'a Metadata,
    /// The event as JSON text.
    pub payload: &'a str,
}

impl<'a> NewEvent<'a> {
    /// An event with these values; `payload` is JSON text.
    #[must_use]
    pub const fn new(
        name: &'a str,
        event_version: u32,
        payload: &'a str,
        id: Uuid,
        recorded_at: Timestamp,
        metadata: &'a Metadata,
    ) -> Self {
        Self { name, event_version, id, recorded_at, metadata, payload }
    }
}

impl<'a> NewKey<'a> {
    /// The key of a command that was executed at `recorded_at` and led to these of the append's events.
    #[must_use]
    pub const fn new(key: &'a str, events: Range<usize>, recorded_at: Timestamp) -> Self {
        Self { key, events, recorded_at, command: None, waiting: None }
    }

    /// Sets the command that the key belongs to.
    #[must_use = "the key with the command is what this returns"]
    pub fn with_command(mut self, command: CommandMark) -> Self {
        self.command = Some(command);
        self
    }
}

/// What an append requires of the version of a stream: optimistic concurrency.
#[doc(alias = "optimistic locking")]
#[doc(alias = "optimistic concurrency")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Any version.
    Any,
    /// The stream has no events yet.
    NoStream,
    /// Exactly this version; 0 means the same as `NoStream`.
    Exactly(u64),
}

impl ExpectedVersion {
    /// Whether a stream at `version` meets the expectation.
    #[must_use]
    pub fn matches(self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => version == 0,
            Self::Exactly(expected) => version == expected,
        }
    }

    /// The one version that meets the expectation, if only one does.
    pub(crate) fn exact(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::NoStream => Some(0),
            Self::Exactly(expected) => Some(expected),
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream | Self::Exactly(0) => f.write_str("no events"),
            Self::Exactly(version) => write!(f, "version {version}"),
        }
    }
}

impl From<u64> for ExpectedVersion {
    fn from(version: u64) -> Self {
        Self::Exactly(version)
    }
}

/// The places of the events of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The position of the first event; `None` if the append had no events.
    ///
    /// The other events follow without a gap, in the order of the append.
    pub first_position: Option<Position>,
    /// The version of each stream after the append, in the order of the append.
    pub versions: Vec<u64>,
}

impl Appended {
    /// The result of an append: the position of its first event, and the new versions of its streams.
    #[must_use]
    pub const fn new(first_position: Option<Position>, versions: Vec<u64>) -> Self {
        Self { first_position, versions }
    }
}

/// Checks `appends` for errors that do not depend on the store's events.
///
/// A store calls this function first in each append.
///
/// Fails with [`AppendError::StreamTwice`] or [`AppendError::MalformedKey`].
pub fn check_appends(appends: &[Append<'_>]) -> Result<(), AppendError> {
    appends.iter().try_for_each(check_keys)?;
    if let [_] | [] = appends {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(appends.len());
    match appends.iter().find(|append| !seen.insert(append.stream)) {
        Some(append) => Err(AppendError::StreamTwice { stream: append.stream.clone() }),
        None => Ok(()),
    }
}

fn check_keys(append: &Append<'_>) -> Result<(), AppendError> {
    for (index, key) in append.keys.iter().enumerate() {
        let twice = append.keys.iter().skip(index + 1).any(|other| other.key == key.key);
        if twice || append.events.get(key.events.clone()).is_none() {
            return Err(AppendError::MalformedKey { stream: append.stream.clone(), key: key.key.to_owned() });
        }
    }
    Ok(())
}

impl NewKey<'_> {
    /// The outcome of the key's command, if the stream was at version `before` before the append.
    #[must_use]
    pub fn outcome(&self, before: u64) -> Outcome {
        let after = |events: usize| before.saturating_add(events as u64);
        let (before, version) = (after(self.events.start), after(self.events.end));
        Outcome::new(before, version, self.recorded_at, self.command.clone())
    }
}
