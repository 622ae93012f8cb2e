//! Why a load or a command failed: one error type for each operation of a user.

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::denied::Denied;
use crate::domain::invalid_command::InvalidCommand;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::repository::moment::Moment;
use crate::store::error::{AppendError, Conflict, KeyReused, StoreError};
use crate::store::read::ReplayedEvent;

/// Why stored events could not be read as typed ones.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// An event that this program does not know or can't decode.
    #[error("can't read {stream} at version {version} (position {position})")]
    #[non_exhaustive]
    Decode {
        /// The event's stream.
        stream: StreamName,
        /// The event's place in its stream.
        version: u64,
        /// The event's place in the store.
        position: Position,
        /// The name that the event is stored under.
        name: String,
        /// The version of the event's shape.
        event_version: u32,
        /// Why the event can't be decoded.
        source: Box<DecodeError>,
    },
    /// A stream that lacks an event.
    #[error("{stream} lacks version {missing}: version {found} (position {position}) comes next")]
    #[non_exhaustive]
    Gap {
        /// The stream.
        stream: StreamName,
        /// The version that is missing.
        missing: u64,
        /// The version of the event that was read instead.
        found: u64,
        /// The position of the event that was read instead.
        position: Position,
    },
    /// The store failed.
    #[error("can't read {stream}")]
    #[non_exhaustive]
    Store {
        /// The stream.
        stream: StreamName,
        /// What failed.
        source: StoreError,
    },
}

impl ReadError {
    /// The error for a store that failed while it read `stream`.
    pub(crate) fn store(stream: &StreamName, source: StoreError) -> Self {
        Self::Store { stream: stream.clone(), source }
    }

    /// The error for an event that can't be decoded.
    pub(crate) fn undecodable(stream: StreamName, event: &ReplayedEvent<'_>, source: DecodeError) -> Self {
        Self::Decode {
            stream,
            version: event.version,
            position: event.position,
            name: event.name.to_owned(),
            event_version: event.event_version,
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
        stream: StreamName,
    },
    /// The aggregate is not yet at the version asked for.
    #[error("{stream} is at version {actual}, not yet at {asked}")]
    #[non_exhaustive]
    NotYet {
        /// The stream.
        stream: StreamName,
        /// The version asked for.
        asked: u64,
        /// The version that the aggregate is at.
        actual: u64,
    },
    /// The aggregate's first event is later than the time asked for, or the caller asked for version 0.
    #[error("{stream} did not exist yet at {asked}")]
    #[non_exhaustive]
    Before {
        /// The stream.
        stream: StreamName,
        /// The moment asked for.
        asked: Moment,
    },
    /// The aggregate's events could not be read.
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
    /// The state can't be written as JSON, or can't be read back from it.
    #[error("the state of {stream} can't be kept as a snapshot")]
    #[non_exhaustive]
    Encode {
        /// The stream.
        stream: StreamName,
        /// The error of serde.
        source: serde_json::Error,
    },
    /// The state loses something when it is written as JSON, and is another one when it is read back.
    #[error(
        "the state of {stream} is another one when it is read back from a snapshot: find the field that serde does \
         not write in full, or take out `snapshot(..)`"
    )]
    #[non_exhaustive]
    Lossy {
        /// The stream.
        stream: StreamName,
    },
    /// The store failed.
    #[error("can't keep a snapshot of {stream}")]
    #[non_exhaustive]
    Store {
        /// The stream.
        stream: StreamName,
        /// What failed.
        source: StoreError,
    },
}

/// Why a command was not carried out; nothing was stored.
///
/// `E` is the aggregate's own error, which its handlers return to refuse a command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError<E> {
    /// The aggregate refused: the domain's own error, unchanged.
    #[error("{0}")]
    Refused(E),
    /// The command is invalid in itself: see [`Command`](crate::Command#validation).
    #[error(transparent)]
    Invalid(#[from] InvalidCommand),
    /// A hook of the application has not let the command pass: see [`Hook`](crate::application::Hook).
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Another writer appended first at every allowed attempt, or the aggregate is not at the version that
    /// the caller expects.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The command's idempotency key belongs to another command, which was executed before.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The aggregate's events could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An event could not be written as JSON, or could not be read back from it.
    #[error("can't append to {stream}")]
    #[non_exhaustive]
    Encode {
        /// The stream that the event was for.
        stream: StreamName,
        /// Which event, and why.
        source: EncodeError,
    },
    /// A command of a batch is for another aggregate than the batch.
    #[error("a batch for {stream} has a command for {found}")]
    #[non_exhaustive]
    OtherAggregate {
        /// The stream of the batch.
        stream: StreamName,
        /// The stream of the command.
        found: StreamName,
    },
    /// The events could not be stored.
    ///
    /// If the store failed with [`StoreError::CommitUnknown`](crate::store::StoreError::CommitUnknown), they may
    /// be stored: send the command again with its idempotency key.
    #[error(transparent)]
    Append(AppendError),
}

impl<E> ExecuteError<E> {
    /// The domain's own error, if the aggregate refused.
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
            AppendError::KeyReused(reused) => Self::KeyReused(reused),
            other => Self::Append(other),
        }
    }
}

/// Why a batch of commands was not carried out; nothing of it was stored.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}",
    match index {
        Some(index) => format!("command {index} of the batch failed"),
        None => "the batch could not be stored".to_owned(),
    }
)]
#[non_exhaustive]
pub struct BatchError<E> {
    /// The index of the command that failed, from 0; `None` if all were decided on and the append failed.
    pub index: Option<usize>,
    /// Why the batch failed.
    pub source: ExecuteError<E>,
}
