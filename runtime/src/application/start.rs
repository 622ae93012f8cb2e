//! What `derive(Application)` starts an application with.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::application::by_name::NamedCommands;
use crate::application::error::StartError;
use crate::application::hook::Hook;
use crate::application::hooks::Hooks;
use crate::application::parts::Has;
use crate::application::whole::Application;
use crate::domain::aggregate::Aggregate;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::keeps::{Followed, FollowerOptions, Started};
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::process::routes::{CommandRoutes, Route};
use crate::follow::timers::runner;
use crate::repository::repository::Repository;
use crate::store::event_store::EventStore;

/// An application while it starts.
pub struct Start<S> {
    pub(crate) store: S,
    pub(crate) followers: Vec<Box<dyn DynFollower>>,
    routes: Vec<Arc<dyn Route>>,
    pub(crate) hooks: Hooks,
    clock: Arc<dyn Clock>,
}

impl<S: EventStore + Clone + 'static> Start<S> {
    pub(crate) fn new(store: &S, clock: Arc<dyn Clock>) -> Self {
        let (followers, routes, hooks) = Default::default();
        Self { store: store.clone(), followers, routes, hooks, clock }
    }

    /// The store of the events.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The repository of an aggregate with its services.
    pub fn with<A: Aggregate, V: DecidesWith<A, A::Services>>(&self, services: V) -> Repository<A, S> {
        Repository::new(self.store.clone(), services.services())
    }

    /// Adds the hook in the field with this name. All are added before anything else.
    pub fn hook<H: Hook>(&mut self, name: &'static str, hook: H) {
        self.hooks.push(name, Box::new(hook));
    }

    /// How a follower runs, unless its field says more.
    pub fn options(&self) -> FollowerOptions {
        FollowerOptions::new().hooked(self.hooks.of_events())
    }

    /// Adds a follower that has been started.
    pub fn add(&mut self, followed: Followed, started: Started) -> Result<(), StartError> {
        self.followers.push(started.map_err(|source| StartError { follower: followed.name, source })?);
        Ok(())
    }

    /// Adds the timers, which have been started.
    pub fn add_timers(&mut self, started: Started) -> Result<(), StartError> {
        self.followers.push(started.map_err(|source| StartError { follower: runner::NAME, source })?);
        Ok(())
    }

    /// What a process sends its commands through.
    pub fn commands(&self) -> Arc<dyn Commands> {
        self.routes().shared()
    }

    /// What a reaction gives its commands to.
    pub fn routes(&self) -> CommandRoutes {
        CommandRoutes::of(self.routes.clone())
    }

    /// The clock of processes and timers.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Lets the application itself send commands of the aggregate.
    pub fn route<App, A>(&mut self, all: &Arc<App::Aggregates<S>>)
    where
        App: Has<A>,
        A: Aggregate,
    {
        self.routes.push(Arc::new(NamedCommands::<App, A, S>::new(Arc::clone(all), self.hooks.clone())));
    }
}

/// The application can run on stores of type `S`: these can keep all of its views, reactions and processes.
pub trait RunsOn<S: EventStore + Clone + 'static>: Application {
    /// Starts the followers, and returns the repositories.
    #[doc(hidden)]
    fn assemble(self, start: &mut Start<S>) -> Result<Arc<Self::Aggregates<S>>, StartError>;
}

/// Services of the aggregate `A` that an application need not have, as `()` or others with a default.
#[diagnostic::on_unimplemented(
    message = "`{A}` decides with services, and the application has none for it",
    label = "its services, `{Self}`, have no `Default`",
    note = "add a field to the application: `#[services({A})] name: {Self}`"
)]
pub trait DecidesAlone<A> {}

/// Asserts that an aggregate needs no services, or such as have a default.
pub const fn decides_alone<A: Aggregate<Services: DecidesAlone<A>>>() {}

#[diagnostic::do_not_recommend]
impl<A, V: Default> DecidesAlone<A> for V {}

/// The services of an aggregate for which no field has any.
///
/// The inherent function comes before that of [`LacksServices`]. So an application without services is one error: that of
/// [`decides_alone`], and none at each call of `start`.
#[derive(Debug)]
pub struct OwnServices<V>(PhantomData<V>);

impl<V: Default> OwnServices<V> {
    /// The services by default.
    #[must_use]
    pub fn factum_services() -> V {
        V::default()
    }
}

/// For services without a default, which are reported.
pub trait LacksServices {
    /// The services.
    type Services;

    /// Is never called: the application does not compile.
    #[must_use]
    fn factum_services() -> Self::Services {
        unreachable!()
    }
}

impl<V> LacksServices for OwnServices<V> {
    type Services = V;
}

/// The type of a field is that of the services of the aggregate `A`.
#[diagnostic::on_unimplemented(
    message = "`{A}` does not decide with `{Self}`",
    label = "the services of `{A}` are `{Needed}`",
    note = "make the field a `{Needed}`"
)]
pub trait DecidesWith<A, Needed> {
    /// The services.
    fn services(self) -> Needed;
}

impl<A, Needed> DecidesWith<A, Needed> for Needed {
    fn services(self) -> Needed {
        self
    }
}
