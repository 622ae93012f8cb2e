//! How a command is carried out for a caller that does not know its type.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::application::answer::{Answer, ByNameError};
use crate::application::hook::CommandOrigin;
use crate::application::hooks::Hooks;
use crate::application::parts::Has;
use crate::application::untyped::{AnyOptions, LaterAnswer};
use crate::application::way::{SharedWay, Way};
use crate::application::whole::Application;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::{CommandKind, CommandSet};
use crate::domain::stream_name::StreamName;
use crate::follow::given_commands::Executes;
use crate::follow::process::commands::{Commands, SendError, SentCommand};
use crate::follow::process::routes::{Route, send_to, stream_of};
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::{CommandOptions, ExecuteOptions};
use crate::repository::in_tasks::InTasks;
use crate::repository::outcome::Executed;
use crate::repository::repository::Repository;
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::event_store::EventStore;

/// Carries out a command of the aggregate `A`, and answers without its types.
pub fn execute_on<App, A, S>(
    way: &Way<'_, App::Aggregates<S>>,
    command: A::Command,
    options: &AnyOptions<'_>,
) -> Result<Answer, ByNameError>
where
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    now(execute_waiting_on::<Blocks, App, A, S>(way, command, options))
}

/// Carries out a command as [`execute_on`] does, in a task that waits in this way.
pub fn execute_later_on<W, App, A, S>(
    way: SharedWay<App::Aggregates<S>>,
    command: A::Command,
    options: AnyOptions<'static>,
) -> LaterAnswer
where
    W: Waits,
    App: Has<A>,
    App::Aggregates<S>: Send + Sync,
    A: InTasks,
    S: EventStore + Clone + 'static,
{
    Box::pin(async move { execute_waiting_on::<W, App, A, S>(&way.lend(), command, &options).await })
}

async fn execute_waiting_on<W, App, A, S>(
    way: &Way<'_, App::Aggregates<S>>,
    command: A::Command,
    options: &AnyOptions<'_>,
) -> Result<Answer, ByNameError>
where
    W: Waits,
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    let (name, stream) = (command.name(), StreamName::of::<A>(command.aggregate_id()));
    let of_command = options.command.clone().without_services();
    let execute = way.hooks.execute::<W, _, _, _, _>(
        way.origin,
        App::repository(way.all),
        |command| command,
        command,
        (&of_command, &options.retrying),
        &App::REFUSALS,
    );
    match execute.await {
        Ok(done) => Ok(Answer::of(stream, &done)),
        Err(ExecuteError::Invalid(error)) => Err(error.into()),
        Err(ExecuteError::Denied(error)) => Err(error.into()),
        Err(ExecuteError::Refused(refusal)) => Err(ByNameError::Refused {
            aggregate: A::CATEGORY,
            text: App::REFUSALS.text_of(name, &refusal),
            json: App::REFUSALS.json.and_then(|json| json(&refusal)),
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

/// The commands of one aggregate of an application, as its processes and timers send them, and its reactions give them.
pub(crate) struct NamedCommands<App: Application, A, S: EventStore + Clone + 'static> {
    all: Arc<App::Aggregates<S>>,
    hooks: Hooks,
    aggregate: PhantomData<fn() -> A>,
}

impl<App: Has<A>, A: Aggregate, S: EventStore + Clone + 'static> NamedCommands<App, A, S> {
    pub(crate) fn new(all: Arc<App::Aggregates<S>>, hooks: Hooks) -> Self {
        Self { all, hooks, aggregate: PhantomData }
    }

    /// Executes a command of the application itself between the hooks.
    fn execute_in(
        &self,
        repository: &Repository<A, S>,
        command: A::Command,
        options: &CommandOptions<'_, A::Services>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let origin = CommandOrigin::Application;
        now(self.hooks.execute_once::<Blocks, _, _>(origin, repository, command, options, &App::REFUSALS))
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

    fn typed(self: Arc<Self>) -> Box<dyn Any> {
        Box::new(self as Arc<dyn Executes<A>>)
    }
}

impl<App, A, S> Executes<A> for NamedCommands<App, A, S>
where
    App: Has<A>,
    A: Aggregate,
    S: EventStore + Clone + 'static,
{
    fn execute(
        &self,
        command: A::Command,
        options: &ExecuteOptions<'_>,
    ) -> Result<(), ExecuteError<A::Error>> {
        let (repository, options) = (App::repository(&self.all), options.command.clone().without_services());
        self.execute_in(repository, command, &options).map(drop)
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
        let repository = App::repository(&self.all);
        send_to(
            repository.store().database(),
            command,
            |read, options| self.execute_in(repository, read, &options.command),
            |refusal| refused(refusal, &App::REFUSALS.text_of(command.name, refusal)),
        )
    }

    fn stream(&self, command: &SentCommand<'_>) -> Option<StreamName> {
        stream_of::<A>(command)
    }
}
