//! What can go wrong, one type for each thing that a user does.

use std::error::Error;

use crate::event::{DecodeError, EncodeError};
use crate::id::StreamId;
use crate::projection::ProjectionError;
use crate::store::{ExpectedVersion, Outcome, ReplayedEvent};
use crate::time::Moment;

/// An error of any kind, as projections' handlers may give.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The store itself failed: the disk, the file, the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store was opened, or its file is protected, so that it can only be read.
    #[error("the store can only be read")]
    ReadOnly,
    /// There is no room for more.
    #[error("the disk or the store is full")]
    Full,
    /// Somebody else held the store for longer than the time set for waiting.
    #[error("the store was held by another writer for too long")]
    Busy,
    /// The store was used from within a handler or query that holds it.
    #[error("the store is in use by the handler or query that uses it once more")]
    Reentrant,
    /// The store's file is damaged.
    #[error("the store is damaged: {message}")]
    #[non_exhaustive]
    Damaged {
        /// What the database says.
        message: String,
    },
    /// A stored event has a column that holds what factum never writes there.
    #[error("the event at position {position} is damaged: {column} {problem}")]
    #[non_exhaustive]
    DamagedEvent {
        /// The event's position, as far as it can be told.
        position: i64,
        /// Which part of the event.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Anything else that the database says.
    #[error("the store failed: {0}")]
    Other(#[source] BoxError),
}

/// Another writer was faster: a stream is not at the version that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("conflict in {stream}: expected {expected}, found version {actual}")]
#[non_exhaustive]
pub struct Conflict {
    /// The stream.
    pub stream: StreamId,
    /// What it was expected to be at.
    pub expected: ExpectedVersion,
    /// The version that it is at; 0 if it has no events.
    pub actual: u64,
}

impl Conflict {
    /// The conflict in `stream`, which is at version `actual`.
    pub fn new(stream: StreamId, expected: ExpectedVersion, actual: u64) -> Self {
        Self { stream, expected, actual }
    }
}

/// Why [`EventStore::append`](crate::EventStore::append) stored nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// A stream is not at the version expected.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The command has been carried out before: the stream knows its idempotency key.
    #[error("{stream} knows the idempotency key `{key}`: its outcome is version {}", outcome.version)]
    #[non_exhaustive]
    KnownKey {
        /// The stream.
        stream: StreamId,
        /// The key.
        key: String,
        /// What the first command with it has led to.
        outcome: Outcome,
    },
    /// An idempotency key names events that are not in its append, or is there twice.
    #[error("the idempotency key `{key}` for {stream} is there twice, or names events that are not there")]
    #[non_exhaustive]
    MalformedKey {
        /// The stream.
        stream: StreamId,
        /// The key.
        key: String,
    },
    /// A stream was named twice in one append.
    #[error("{stream} is named twice in one append")]
    #[non_exhaustive]
    StreamTwice {
        /// The stream.
        stream: StreamId,
    },
    /// A projection that is part of the append could not take its events.
    #[error("can't append to {stream}: {source}")]
    #[non_exhaustive]
    Projection {
        /// The stream, or the first of several.
        stream: StreamId,
        /// Which projection, which event, and why.
        source: Box<ProjectionError>,
    },
    /// The store failed.
    #[error("can't append to {stream}: {source}")]
    #[non_exhaustive]
    Store {
        /// The stream, or the first of several.
        stream: StreamId,
        /// What failed.
        source: StoreError,
    },
}

impl AppendError {
    /// The error for a store that failed while it appended to `stream`.
    pub fn store(stream: &StreamId, source: StoreError) -> Self {
        Self::Store { stream: stream.clone(), source }
    }
}

/// Why stored events could not be read as typed ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An event that this program does not know or can't decode.
    #[error("can't read {stream} at version {version} (position {position}): {source}")]
    #[non_exhaustive]
    Decode {
        /// The stream it stands in.
        stream: StreamId,
        /// Its place in the stream.
        version: u64,
        /// Its place in the store.
        position: u64,
        /// The name that it is stored under.
        name: String,
        /// The version of its shape.
        schema: u32,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
    /// A stream that lacks an event.
    #[error("{stream} lacks version {missing}: version {found} (position {position}) comes next")]
    #[non_exhaustive]
    Gap {
        /// The stream.
        stream: StreamId,
        /// The version that should have come.
        missing: u64,
        /// The version that came.
        found: u64,
        /// The position of the event that came.
        position: u64,
    },
    /// The store failed.
    #[error("can't read {stream}: {source}")]
    #[non_exhaustive]
    Store {
        /// The stream.
        stream: StreamId,
        /// What failed.
        source: StoreError,
    },
}

impl ReadError {
    /// The error for an event that can't be decoded.
    pub(crate) fn undecodable(stream: StreamId, event: &ReplayedEvent<'_>, source: DecodeError) -> Self {
        Self::Decode {
            stream,
            version: event.version,
            position: event.position,
            name: event.name.to_owned(),
            schema: event.schema,
            source: Box::new(source),
        }
    }
}

/// Why an aggregate could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such aggregate: its stream has no events.
    #[error("{stream} does not exist")]
    #[non_exhaustive]
    NotFound {
        /// The stream.
        stream: StreamId,
    },
    /// The aggregate is not yet at the version asked for.
    #[error("{stream} is at version {actual}, not yet at {asked}")]
    #[non_exhaustive]
    NotYet {
        /// The stream.
        stream: StreamId,
        /// The version asked for.
        asked: u64,
        /// The version that it is at.
        actual: u64,
    },
    /// The aggregate's first event is younger than the time asked for; or version 0 was asked for.
    #[error("{stream} did not exist yet at {asked}")]
    #[non_exhaustive]
    Before {
        /// The stream.
        stream: StreamId,
        /// The moment asked for.
        asked: Moment,
    },
    /// Its events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why no snapshot was taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The aggregate does not declare snapshots.
    #[error("`{aggregate}` declares no snapshots: add `#[aggregate(snapshot(every = 100))]`")]
    #[non_exhaustive]
    NotDeclared {
        /// The aggregate's name.
        aggregate: &'static str,
    },
    /// The aggregate could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state can't be written as JSON, or can't be read from what was written.
    #[error("the state of {stream} can't be kept as a snapshot: {source}")]
    #[non_exhaustive]
    Encode {
        /// The stream.
        stream: StreamId,
        /// What serde says.
        source: serde_json::Error,
    },
    /// The store failed.
    #[error("can't keep a snapshot of {stream}: {source}")]
    #[non_exhaustive]
    Store {
        /// The stream.
        stream: StreamId,
        /// What failed.
        source: StoreError,
    },
}

/// Why a command was not carried out; nothing was stored.
///
/// `E` is the aggregate's own error: what it answers to a command that it refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The aggregate refuses: the domain's own error, whole.
    #[error("{0}")]
    Refused(E),
    /// Another writer was faster, as often as retries were allowed; or the version expected by the caller is not the
    /// aggregate's.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The aggregate's events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be written as JSON, or would not come back from it.
    #[error("can't append to {stream}: {source}")]
    #[non_exhaustive]
    Encode {
        /// The stream it was for.
        stream: StreamId,
        /// Which event, and why.
        source: EncodeError,
    },
    /// A command of a batch is for another aggregate than the batch.
    #[error("a batch for {stream} has a command for {found}")]
    #[non_exhaustive]
    OtherAggregate {
        /// The stream of the batch.
        stream: StreamId,
        /// The stream of the command.
        found: StreamId,
    },
    /// The events could not be stored.
    #[error(transparent)]
    Append(AppendError),
}

impl<E> ExecuteError<E> {
    /// The domain's own error, if that is what it was.
    pub fn refusal(&self) -> Option<&E> {
        match self {
            Self::Refused(error) => Some(error),
            _ => None,
        }
    }
}

impl<E> From<AppendError> for ExecuteError<E> {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict(conflict) => Self::Conflict(conflict),
            other => Self::Append(other),
        }
    }
}
