//! Which aggregates and followers an application has, as traits that rustc asks for.

use std::marker::PhantomData;

use crate::application::refusals::Refusals;
use crate::application::whole::Application;
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

/// The application gives commands of type `C` to its aggregate `A`.
///
/// The derive writes one impl for each aggregate, so rustc infers `A`. If several aggregates take the command, `A` is the one that the
/// application has.
pub trait Routes<C, A: Aggregate>: Has<A> {
    /// The command as a variant of the aggregate's command enum.
    #[doc(hidden)]
    fn route(command: C) -> A::Command;
}

/// Whether no aggregate before this one takes one of its commands: `ARE` says it.
///
/// The lifetime makes rustc ask where a command is given, and not where the impl of [`Routes`] stands.
#[doc(hidden)]
#[derive(Debug)]
pub struct OwnCommands<'a, const ARE: bool>(PhantomData<&'a ()>);

/// The commands are those of one aggregate. If they are not, the list is reported, and a command goes to the first that takes it.
#[doc(hidden)]
pub trait AreOwn {}

impl AreOwn for OwnCommands<'_, true> {}

/// The command goes to the aggregate `A` of the application `App`, which [`Routes`] it there.
#[diagnostic::on_unimplemented(
    message = "no aggregate of the application `{App}` takes the command `{Self}`",
    label = "not among the commands of its aggregates",
    note = "add it to the list of the aggregate that takes it: `#[aggregate(commands({Self}, ..))]`",
    note = "if an aggregate has it, add that one to the list on `{App}`: `#[application(aggregates(..))]`"
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

#[diagnostic::do_not_recommend]
impl<App, A, C> RoutedTo<App, A> for C
where
    App: Routes<C, A>,
    A: Aggregate,
{
    #[inline]
    fn repository<S: EventStore + Clone + 'static>(all: &App::Aggregates<S>) -> &Repository<A, S> {
        App::repository(all)
    }

    const REFUSALS: Refusals<A::Error> = App::REFUSALS;

    #[inline]
    fn into_command(self) -> A::Command {
        App::route(self)
    }

    fn into_any(self) -> App::Command {
        App::into_any(App::route(self))
    }
}
