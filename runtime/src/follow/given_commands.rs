//! The commands that a reaction gives, and what executes them.

use std::any::TypeId;
use std::fmt::Debug;

use crate::domain::accepts::CommandFor;
use crate::domain::aggregate::Aggregate;
use crate::domain::command::Command;
use crate::follow::process::routes::CommandRoutes;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::ExecuteOptions;

/// The reaction lists the command `C`: what it may give is part of its type.
///
/// `derive(Reaction)` implements it for each command in `commands(..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the command `{C}`",
    label = "may not give `{C}`: it is not in `commands(..)`",
    note = "list it: `#[reaction(commands({C}, ..))]`, and take the delivery as `&Delivery<Self>`"
)]
pub trait Gives<C> {}

/// The reaction `R` may give the command.
///
/// One question about the command, so that rustc knows it before it asks the reaction: with one command listed, it would take
/// each for that one.
pub trait GivenBy<R> {}

impl<R: Gives<C>, C> GivenBy<R> for C {}

/// The reaction of a [`Delivery`](crate::follow::Delivery) that does not say which reaction it is for. It lists no commands.
#[derive(Debug)]
pub enum NoReaction {}

/// Why a command of a reaction was not executed. `E` is the error of its aggregate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GiveError<E> {
    /// The command is invalid, a hook has denied it, its aggregate has refused it, or it has failed.
    #[error(transparent)]
    Execute(ExecuteError<E>),
    /// The reaction runs outside of an application, and has no routes.
    #[error(
        "`{reaction}` can't give the command `{command}`: it has no aggregates to give it to. Run it as a field of an application, or \
         give it routes with `SqliteReaction::commands`"
    )]
    #[non_exhaustive]
    NoRoutes {
        /// The reaction's name.
        reaction: &'static str,
        /// The command's name.
        command: &'static str,
    },
    /// The routes of the reaction lead to other aggregates.
    #[error(
        "`{reaction}` can't give the command `{command}`: its routes have no repository of `{aggregate}`"
    )]
    #[non_exhaustive]
    NoAggregate {
        /// The reaction's name.
        reaction: &'static str,
        /// The command's name.
        command: &'static str,
        /// The name of the aggregate that takes the command.
        aggregate: &'static str,
    },
}

impl<E> GiveError<E> {
    /// The domain's own error, if the aggregate refused.
    pub fn refusal(&self) -> Option<&E> {
        match self {
            Self::Execute(error) => error.refusal(),
            Self::NoRoutes { .. } | Self::NoAggregate { .. } => None,
        }
    }
}

/// Executes the commands of one aggregate.
pub(crate) trait Executes<A: Aggregate>: Send + Sync {
    fn execute(
        &self,
        command: A::Command,
        options: &ExecuteOptions<'_>,
    ) -> Result<(), ExecuteError<A::Error>>;
}

/// What the commands of a reaction go to.
pub(crate) trait Receiver: Debug + Send + Sync {
    /// What executes them; `None` in a test, which only looks at them.
    fn routes(&self) -> Option<&CommandRoutes>;

    /// Looks at a command of this type, which is not executed.
    fn look_at(&self, command: TypeId, shown: &dyn Debug, key: Option<&str>);
}

impl Receiver for CommandRoutes {
    fn routes(&self) -> Option<&CommandRoutes> {
        Some(self)
    }

    fn look_at(&self, _: TypeId, _: &dyn Debug, _: Option<&str>) {}
}

impl dyn Receiver {
    /// Gives a command to its aggregate.
    pub(crate) fn give<C, A>(
        &self,
        reaction: &'static str,
        command: C,
        options: &ExecuteOptions<'_>,
    ) -> Result<(), GiveError<A::Error>>
    where
        C: CommandFor<A> + Command + 'static,
        A: Aggregate,
    {
        let Some(routes) = self.routes() else {
            command.validate().map_err(ExecuteError::from).map_err(GiveError::Execute)?;
            self.look_at(TypeId::of::<C>(), &command, options.command.key.as_deref());
            return Ok(());
        };
        match routes.executes::<A>() {
            Some(executes) => executes.execute(command.into(), options).map_err(GiveError::Execute),
            None => Err(GiveError::NoAggregate { reaction, command: C::NAME, aggregate: A::CATEGORY }),
        }
    }
}
