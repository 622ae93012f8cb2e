//! Commands by name, for a few repositories.

use std::any::Any;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::{CommandKind, CommandSet, no_command};
use crate::domain::stream_name::StreamName;
use crate::follow::given_commands::Executes;
use crate::follow::process::commands::{Commands, SendError, SentCommand};
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::ExecuteOptions;
use crate::repository::outcome::Executed;
use crate::repository::repository::Repository;
use crate::store::error::AppendError;
use crate::store::event_store::EventStore;
use crate::store::identity::DatabaseIdentity;

/// Sends commands to the aggregates of a few repositories, each by the command's name.
#[derive(Clone, Default)]
pub struct CommandRoutes {
    routes: Vec<Arc<dyn Route>>,
}

impl CommandRoutes {
    /// No repository yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a repository: the commands of its aggregate go there.
    ///
    /// A command whose name two repositories take goes to neither, unless the process says which by `commands(C for A)`: it is a
    /// dead letter of its process.
    #[must_use = "the routes with the repository are what this returns"]
    pub fn to<A, S>(mut self, repository: Repository<A, S>) -> Self
    where
        A: Aggregate<Error: Debug> + Send + Sync,
        S: EventStore + 'static,
    {
        self.routes.push(Arc::new(repository));
        self
    }

    /// Routes of this crate's own.
    pub(crate) fn of(routes: Vec<Arc<dyn Route>>) -> Self {
        Self { routes }
    }

    /// The repositories that take a command.
    fn routes_of<'r>(&'r self, command: &'r SentCommand<'_>) -> impl Iterator<Item = &'r Arc<dyn Route>> {
        self.routes.iter().filter(|route| {
            command.aggregate.is_none_or(|category| category == route.category())
                && route.kinds().iter().any(|kind| kind.name == command.name)
        })
    }

    /// What executes the commands of `A`.
    pub(crate) fn executes<A: Aggregate>(&self) -> Option<Arc<dyn Executes<A>>> {
        let of_type = |route: &Arc<dyn Route>| Arc::clone(route).typed().downcast().ok();
        self.routes.iter().find_map(of_type).map(|executes: Box<Arc<dyn Executes<A>>>| *executes)
    }

    /// The routes, shared with processes.
    #[must_use]
    pub fn shared(self) -> Arc<dyn Commands> {
        Arc::new(self)
    }
}

impl Commands for CommandRoutes {
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        let mut routes = self.routes_of(command);
        match (routes.next(), routes.next()) {
            (Some(route), None) => route.send(command, refused),
            // The first one may be the wrong one.
            (Some(_), Some(_)) => Err(SendError::Impossible(
                format!("several of the repositories take a command `{}`", command.name).into(),
            )),
            (None, _) if let Some(category) = command.aggregate => Err(SendError::Impossible(
                format!("no repository of `{category}` takes a command `{}`", command.name).into(),
            )),
            (None, _) => Err(SendError::Impossible(no_command(command.name, &[]).into())),
        }
    }

    fn stream(&self, command: &SentCommand<'_>) -> Option<StreamName> {
        let mut routes = self.routes_of(command);
        routes.next().filter(|_| routes.next().is_none())?.stream(command)
    }
}

impl Debug for CommandRoutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.routes.iter().flat_map(|route| route.kinds()).map(|kind| kind.name);
        f.debug_list().entries(names).finish()
    }
}

/// A repository without its types.
pub(crate) trait Route: Commands {
    /// The category of its aggregate.
    fn category(&self) -> &'static str;

    /// The commands that it takes.
    fn kinds(&self) -> &'static [CommandKind];

    /// An `Arc<dyn Executes<A>>`, with the route's aggregate.
    fn typed(self: Arc<Self>) -> Box<dyn Any>;
}

impl<A, S> Route for Repository<A, S>
where
    A: Aggregate<Error: Debug> + Send + Sync,
    S: EventStore + 'static,
{
    fn category(&self) -> &'static str {
        A::CATEGORY
    }

    fn kinds(&self) -> &'static [CommandKind] {
        A::Command::KINDS
    }

    fn typed(self: Arc<Self>) -> Box<dyn Any> {
        Box::new(self as Arc<dyn Executes<A>>)
    }
}

impl<A: Aggregate + Send + Sync, S: EventStore> Executes<A> for Repository<A, S> {
    fn execute(
        &self,
        command: A::Command,
        options: &ExecuteOptions<'_>,
    ) -> Result<(), ExecuteError<A::Error>> {
        self.execute_once(command, &options.command.clone().without_services()).map(drop)
    }
}

impl<A, S> Commands for Repository<A, S>
where
    A: Aggregate<Error: Debug> + Send + Sync,
    S: EventStore,
{
    fn send(
        &self,
        command: &SentCommand<'_>,
        refused: &mut dyn FnMut(&dyn Any, &str),
    ) -> Result<(), SendError> {
        send_to(
            self.store().database(),
            command,
            |read, options| self.execute_with(read, options),
            |refusal| refused(refusal, &format!("{refusal:?}")),
        )
    }

    fn stream(&self, command: &SentCommand<'_>) -> Option<StreamName> {
        stream_of::<A>(command)
    }
}

/// The stream that a command of the aggregate `A` goes to; `None` if the command can't be read.
pub(crate) fn stream_of<A: Aggregate>(command: &SentCommand<'_>) -> Option<StreamName> {
    let read = A::Command::read(command.name, command.payload).ok()?;
    Some(StreamName::of::<A>(read.aggregate_id()))
}

/// Reads a command of a process, and lets `execute` execute it in a store of this database. `refused` gets the refusal.
pub(crate) fn send_to<A: Aggregate>(
    database: Option<DatabaseIdentity>,
    command: &SentCommand<'_>,
    execute: impl FnOnce(
        A::Command,
        &ExecuteOptions<'_, A::Services>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>>,
    refused: impl FnOnce(&A::Error),
) -> Result<(), SendError> {
    let SentCommand { name, payload, key, cause, .. } = *command;
    let read = A::Command::read(name, payload).map_err(|error| SendError::Impossible(error.into()))?;
    let mut options = ExecuteOptions::new().caused_by(cause.clone()).idempotency_key(key);
    let place = command.place_in(database);
    options.command.waiting = place.map(|place| place.command);
    match execute(read, &options) {
        Ok(executed) => {
            if let Some(place) = place {
                // A command that was executed before has left its place, or else the next step takes it away.
                place.is_left.store(!executed.is_repeated(), Ordering::Relaxed);
            }
            Ok(())
        }
        Err(ExecuteError::Refused(refusal)) => {
            refused(&refusal);
            Err(SendError::Refused)
        }
        Err(ExecuteError::Invalid(error)) => Err(SendError::Impossible(error.into())),
        Err(ExecuteError::Denied(error)) => Err(SendError::Impossible(error.into())),
        Err(ExecuteError::KeyReused(error)) => Err(SendError::Impossible(error.into())),
        Err(ExecuteError::Encode { source, .. }) => Err(SendError::Impossible(source.into())),
        Err(ExecuteError::Conflict(error)) => Err(SendError::Failed(error.into())),
        Err(ExecuteError::Read(error)) => Err(SendError::Failed(error.into())),
        Err(ExecuteError::Append(AppendError::NotWaiting { .. })) => Err(SendError::NotWaiting),
        Err(ExecuteError::Append(error)) => Err(SendError::Failed(error.into())),
        Err(ExecuteError::OtherAggregate { .. }) => {
            Err(SendError::Impossible("the command is for another aggregate".into()))
        }
    }
}
