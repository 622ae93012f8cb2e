//! Which aggregates and followers an application has, as traits that rustc asks for.

use crate::application::refusals::Refusals;
use crate::application::whole::Application;
use crate::domain::accepts::CommandFor;
use crate::domain::aggregate::Aggregate;
use crate::repository::repository::Repository;
use crate::store::event_store::EventStore;

/// The application has the aggregate `A`.
#[diagnostic::on_unimplemented(
    message = "the application `{Self}` does not have the aggregate `{A}`",
    label = "`{A}` is not in its `aggregates(..)`",
    note = "add it to the list on `{Self}`: `#[application(aggregates({A}, ..))]`"
)]
pub trait Has<A: Aggregate>: Application {
    /// How refusals of `A` are shown.
    #[doc(hidden)]
    const REFUSALS: Refusals<A::Error> = Refusals { text: None, json: None };

    /// The repository of `A`.
    #[doc(hidden)]
    fn repository<S: EventStore + Clone + 'static>(all: &Self::Aggregates<S>) -> &Repository<A, S>;

    /// The variant of the application's command enum. It is no `From`: of the command enum of another crate's aggregate, rustc can't
    /// know that it is not the application's own.
    #[doc(hidden)]
    fn into_any(command: A::Command) -> Self::Command;
}

/// The application runs the view or reaction `V`.
#[diagnostic::on_unimplemented(
    message = "the application `{Self}` does not run `{V}`",
    label = "no field of `{Self}` is a `{V}`",
    note = "add a field: `#[projection] name: {V}`, or `#[reaction] name: {V}`"
)]
pub trait Runs<V>: Application {
    /// The follower's name.
    const NAME: &'static str;
}

/// The command goes to the aggregate `A` of the application `App`.
///
/// One question about the command, so that rustc infers the aggregate from it. Asked of an application with one aggregate,
/// `Has<_>` would be that one, whatever the command is.
#[diagnostic::on_unimplemented(
    message = "no aggregate takes the command `{Self}`",
    label = "not among the commands of any aggregate"
)]
pub trait RoutedTo<App: Application, A: Aggregate>: Sized {
    /// The repository of `A`.
    #[doc(hidden)]
    fn repository<S: EventStore + Clone + 'static>(all: &App::Aggregates<S>) -> &Repository<A, S>;

    /// How refusals of `A` are shown.
    #[doc(hidden)]
    const REFUSALS: Refusals<A::Error>;

    /// The command as a variant of the aggregate's command enum.
    #[doc(hidden)]
    fn into_command(self) -> A::Command;

    /// The command as a variant of the application's command enum.
    #[doc(hidden)]
    fn into_any(self) -> App::Command;
}

// The order counts: the aggregate follows from the command.
impl<App, A, C> RoutedTo<App, A> for C
where
    C: CommandFor<A>,
    A: Aggregate,
    App: Has<A>,
{
    #[inline]
    fn repository<S: EventStore + Clone + 'static>(all: &App::Aggregates<S>) -> &Repository<A, S> {
        App::repository(all)
    }

    const REFUSALS: Refusals<A::Error> = App::REFUSALS;

    #[inline]
    fn into_command(self) -> A::Command {
        self.into()
    }

    fn into_any(self) -> App::Command {
        App::into_any(self.into())
    }
}
