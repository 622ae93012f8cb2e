//! What a process sends its commands through.

use std::any::Any;
use std::sync::atomic::AtomicBool;

use crate::domain::error::BoxError;
use crate::domain::metadata::Cause;
use crate::domain::stream_name::StreamName;
use crate::store::append::WaitingCommand;
use crate::store::identity::DatabaseIdentity;

/// A command that a process sends, as it was stored until then.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SentCommand<'a> {
    /// The command's name.
    pub name: &'a str,
    /// The category of the aggregate that takes it, if the process says so: `commands(C for A)`.
    pub aggregate: Option<&'a str>,
    /// The command as JSON text, as its struct is now.
    pub payload: &'a str,
    /// The idempotency key, which the command has whenever it is sent.
    pub key: &'a str,
    /// The event that the command follows from.
    pub cause: &'a Cause,
    /// Where it waits until it is executed.
    pub(crate) place: Option<&'a Place>,
}

/// Where a command waits until it is executed.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) database: Option<DatabaseIdentity>,
    pub(crate) command: WaitingCommand,
    /// Whether the append with the command's events has taken it away.
    pub(crate) is_left: AtomicBool,
}

impl<'a> SentCommand<'a> {
    /// A command with this name and content.
    #[must_use]
    pub const fn new(name: &'a str, payload: &'a str, key: &'a str, cause: &'a Cause) -> Self {
        Self { name, aggregate: None, payload, key, cause, place: None }
    }

    /// Where it waits, if that is in this database.
    pub(crate) fn place_in(&self, database: Option<DatabaseIdentity>) -> Option<&'a Place> {
        self.place.filter(|place| place.database.is_some() && place.database == database)
    }
}

/// Executes commands by name: what a process sends its commands through.
///
/// A running application implements it. [`CommandRoutes`](crate::follow::CommandRoutes) does for a few repositories.
pub trait Commands: Send + Sync {
    /// Executes a command with its idempotency key.
    ///
    /// If the aggregate refuses the command, the implementation calls `refused` with the refusal and its text, and returns
    /// [`SendError::Refused`].
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError>;

    /// The stream that a command goes to; `None` if that can't be told.
    ///
    /// Timers send the commands to one stream one after the other. The default tells none: they are sent as if they went to one.
    fn stream(&self, command: &SentCommand<'_>) -> Option<StreamName> {
        let _ = command;
        None
    }
}

/// Why a command of a process or a timer was not executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The aggregate has refused the command.
    #[error("the command was refused")]
    Refused,
    /// The command can't be executed however often it is sent: no aggregate takes it, it can't be read, it is invalid, or a
    /// hook has denied it. It becomes a dead letter.
    #[error("the command can't be executed")]
    Impossible(#[source] BoxError),
    /// The command was not decided on, or its outcome is open. The process sends it again.
    #[error("the command failed")]
    Failed(#[source] BoxError),
    /// The command no longer waits: another program has sent it, or a caller has discarded it. Nothing has happened.
    #[error("the command no longer waits to be sent")]
    NotWaiting,
}
