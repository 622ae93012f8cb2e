//! Commands by name, as JSON: from callers outside of the program.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;

use crate::application::parts::Has;
use crate::application::whole::Application;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::{CommandKind, CommandSet, no_command};
use crate::domain::error::BoxError;
use crate::domain::event_set::EventSet as _;
use crate::domain::position::Position;
use crate::domain::read_command::ReadCommandError;
use crate::domain::stream_name::StreamName;
use crate::follow::process::commands::{Commands, SendError, SentCommand};
use crate::follow::process::routes::{Route, send_to};
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::ExecuteOptions;
use crate::store::error::{Conflict, KeyReused};
use crate::store::event_store::EventStore;

/// The outcome of a command that came by name.
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

/// Why a command that came by name was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ByNameError {
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
    /// The command failed for another reason.
    #[error("the command failed")]
    Failed(#[source] BoxError),
}

/// Writes a refusal as JSON, if serde can.
type WriteRefusal<E> = fn(&E) -> Option<String>;

/// How refusals of type `E` are shown. Generated code finds the functions by asking.
pub struct Refusals<E> {
    /// The refusal as text, if it has `Display`.
    pub text: Option<fn(&E) -> String>,
    /// The refusal as JSON, if it is `Serialize`.
    pub json: Option<WriteRefusal<E>>,
}

/// The answers for a refusal with `Display`, and for one that is `Serialize`. rustc finds these constants before those of
/// [`ShowsNothing`].
#[derive(Debug)]
pub struct ShownRefusal<E>(PhantomData<E>);

impl<E: std::fmt::Display> ShownRefusal<E> {
    /// The refusal as text.
    pub const TEXT: Option<fn(&E) -> String> = Some(E::to_string);
}

impl<E: Serialize> ShownRefusal<E> {
    /// The refusal as JSON.
    pub const JSON: Option<WriteRefusal<E>> = Some(|refusal| serde_json::to_string(refusal).ok());
}

/// The answers for a refusal without the trait.
pub trait ShowsNothing {
    /// The refusal.
    type Refusal;
    /// No text.
    const TEXT: Option<fn(&Self::Refusal) -> String> = None;
    /// No JSON.
    const JSON: Option<WriteRefusal<Self::Refusal>> = None;
}

impl<E> ShowsNothing for ShownRefusal<E> {
    type Refusal = E;
}

/// A repository whose commands come by name, without its types.
pub(crate) trait ByName: Route {
    /// Carries out one of its commands.
    fn execute(&self, name: &str, json: &str, options: &ExecuteOptions<'_>) -> Result<Answer, ByNameError>;
}

/// Carries out the command with this name, in the repository that has it.
pub(crate) fn execute(
    repositories: &[Arc<dyn ByName>],
    name: &str,
    json: &str,
    options: &ExecuteOptions<'_>,
) -> Result<Answer, ByNameError> {
    let all = || {
        repositories
            .iter()
            .flat_map(|repository| repository.kinds().iter().map(move |kind| (kind, repository)))
    };
    match all().find(|(kind, _)| kind.name == name) {
        Some((CommandKind { internal: true, name, .. }, _)) => Err(ByNameError::Internal { name }),
        Some((_, repository)) => repository.execute(name, json, options),
        None => {
            let kinds: Vec<_> = all().map(|(kind, _)| *kind).filter(|kind| !kind.internal).collect();
            Err(no_command(name, &kinds).into())
        }
    }
}

/// The commands of one aggregate of an application.
pub(crate) struct NamedCommands<App: Application, A: Aggregate, S: EventStore + Clone + 'static> {
    pub(crate) all: Arc<App::Aggregates<S>>,
    pub(crate) refusals: Refusals<A::Error>,
}

impl<App, A, S> ByName for NamedCommands<App, A, S>
where
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    fn execute(&self, name: &str, json: &str, options: &ExecuteOptions<'_>) -> Result<Answer, ByNameError> {
        let Self { all, refusals } = self;
        let repository = App::repository(all);
        let command = A::Command::read(name, json)?;
        let stream = StreamName::of::<A>(command.aggregate_id());
        match repository.attempt(command, &options.command.clone().without_services(), 0) {
            Ok(done) => Ok(Answer {
                stream,
                version: done.version(),
                position: done.position(),
                repeated: done.is_repeated(),
                events: done.events().iter().map(|event| event.event.name()).collect(),
            }),
            Err(ExecuteError::Refused(refusal)) => Err(ByNameError::Refused {
                aggregate: A::CATEGORY,
                text: refusals.text.map_or_else(|| format!("`{name}` was refused"), |text| text(&refusal)),
                json: refusals.json.and_then(|json| json(&refusal)),
            }),
            Err(ExecuteError::Conflict(error)) => Err(error.into()),
            Err(ExecuteError::KeyReused(error)) => Err(error.into()),
            Err(ExecuteError::Read(error)) => Err(ByNameError::Failed(error.into())),
            Err(ExecuteError::Append(error)) => Err(ByNameError::Failed(error.into())),
            Err(ExecuteError::Encode { source, .. }) => Err(ByNameError::Failed(source.into())),
            Err(ExecuteError::OtherAggregate { stream, found }) => {
                Err(ByNameError::Failed(format!("a batch for {stream} has a command for {found}").into()))
            }
        }
    }
}

impl<App, A, S> Route for NamedCommands<App, A, S>
where
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    fn category(&self) -> &'static str {
        A::CATEGORY
    }

    fn kinds(&self) -> &'static [CommandKind] {
        A::Command::KINDS
    }
}

impl<App, A, S> Commands for NamedCommands<App, A, S>
where
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        let text = self.refusals.text;
        send_to(App::repository(&self.all), command, &mut |refusal: &A::Error| {
            let text = text.map_or_else(|| format!("`{}` was refused", command.name), |text| text(refusal));
            refused(refusal, &text);
        })
    }
}
