//! What a caller gets that does not know the type of its command.

use crate::application::error::shown;
use crate::domain::aggregate::Aggregate;
use crate::domain::denied::Denied;
use crate::domain::error::BoxError;
use crate::domain::event_set::EventSet as _;
use crate::domain::invalid_command::InvalidCommand;
use crate::domain::position::Position;
use crate::domain::read_command::ReadCommandError;
use crate::domain::stream_name::StreamName;
use crate::follow::background::WaitError;
use crate::repository::outcome::Executed;
use crate::store::error::{Conflict, KeyReused};

/// The outcome of a command of any aggregate, without its types.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The stream of the aggregate.
    pub stream: StreamName,
    /// The version that the aggregate is at after the command.
    pub version: u64,
    /// The position of the newest event; `None` if the command led to none.
    pub position: Option<Position>,
    /// Whether this is the outcome of an earlier command with the same idempotency key.
    pub repeated: bool,
    /// The names of the events that the command led to.
    pub events: Vec<&'static str>,
}

/// Why a command of any aggregate was not read, or not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ByNameError {
    /// The JSON has no command in it: it is not `{"command": "place-order", "content": {..}}`.
    #[error(
        "the JSON is not a command: it has the form `{{\"command\": \"its-name\", \"content\": {{..}}}}`"
    )]
    NoCommand(#[source] serde_json::Error),
    /// No command has the name, or the JSON is not that of the command.
    #[error(transparent)]
    Read(#[from] ReadCommandError),
    /// The command is `internal`: only the program itself sends it.
    #[error("the command `{name}` is internal: it does not come from outside")]
    #[non_exhaustive]
    Internal {
        /// The command's name.
        name: &'static str,
    },
    /// The command is invalid in itself: see [`Command`](crate::Command#validation).
    #[error(transparent)]
    Invalid(#[from] InvalidCommand),
    /// A hook of the application has not let the command pass: see [`Hook`](crate::application::Hook).
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The aggregate refused.
    #[error("{text}")]
    #[non_exhaustive]
    Refused {
        /// The aggregate's name.
        aggregate: &'static str,
        /// What the refusal says: its `Display`. A refusal without that says that the command was refused.
        text: String,
        /// The refusal as JSON, if it is `Serialize`.
        json: Option<String>,
    },
    /// Another writer appended first, or the aggregate is not at the version that the caller expects.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The idempotency key belongs to another command.
    #[error(transparent)]
    KeyReused(#[from] KeyReused),
    /// The command *was* carried out, and a follower of [`seen_by`](crate::ExecuteOptions::seen_by) has not seen its events in
    /// time.
    #[error("the command was carried out, and not all followers have seen it: {}", shown(late))]
    #[non_exhaustive]
    Unseen {
        /// The command's outcome.
        done: Answer,
        /// The followers that were late, each with its position and the one that was waited for.
        late: Vec<WaitError>,
    },
    /// The command failed for another reason.
    #[error("the command failed")]
    Failed(#[source] BoxError),
}

impl Answer {
    /// The answer for a command that was carried out on the aggregate of a stream.
    pub(crate) fn of<A: Aggregate>(stream: StreamName, done: &Executed<A>) -> Self {
        Self {
            stream,
            version: done.version(),
            position: done.position(),
            repeated: done.is_repeated(),
            events: done.events().iter().map(|event| event.event.name()).collect(),
        }
    }

    /// The answer once all followers have been waited for.
    pub(crate) fn seen(self, late: Vec<WaitError>) -> Result<Self, ByNameError> {
        if late.is_empty() { Ok(self) } else { Err(ByNameError::Unseen { done: self, late }) }
    }
}
