//! What a store can keep: views of a target, the progress of reactions, and the instances of processes.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::error::BoxError;
use crate::domain::event::EventKind;
use crate::follow::background::{Follower, FollowerBuilder};
use crate::follow::definition::FollowerKind;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::event_hooks::EventHooks;
use crate::follow::handler::{EventHandler, PartitionedByStream, Target};
use crate::follow::policy::OnFailure;
use crate::follow::process::Process;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::process::instances::Instances;
use crate::follow::process::routes::CommandRoutes;
use crate::follow::process::sent_on::SentOn;
use crate::follow::projection::Projection;
use crate::follow::reaction::Reaction;
use crate::follow::serving::ServingView;
use crate::follow::sql::Sql;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::transaction::SqlTransaction;
use crate::store::event_store::EventStore;

/// How an application runs a follower.
#[derive(Debug, Clone)]
pub struct FollowerOptions {
    retries: u32,
    delay: Duration,
    on_failure: OnFailure,
    /// The number of workers.
    pub(crate) workers: u32,
    /// The number of commands that a process sends at a time, if it is given.
    pub(crate) senders: Option<u32>,
    /// What sees the events besides the follower.
    pub(crate) hooks: EventHooks,
}

impl FollowerOptions {
    /// No retries, no dead letters, one worker.
    #[must_use]
    pub fn new() -> Self {
        Self {
            retries: 0,
            delay: Duration::from_millis(100),
            on_failure: OnFailure::Stop,
            workers: 1,
            senders: None,
            hooks: EventHooks::default(),
        }
    }

    /// See [`FollowerBuilder::retry`].
    #[must_use]
    pub fn retry(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The delay before the first retry.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// See [`FollowerBuilder::on_failure`].
    #[must_use]
    pub fn on_failure(self, on_failure: OnFailure) -> Self {
        Self { on_failure, ..self }
    }

    /// The number of workers that share the follower, from 1 to 1,000. Programs that run it [share them](crate::follow::FollowerBuilder::start).
    #[must_use]
    pub fn workers(self, workers: u32) -> Self {
        Self { workers, ..self }
    }

    /// The number of commands that a process sends at a time, each of another instance.
    #[must_use]
    pub fn senders(self, senders: u32) -> Self {
        Self { senders: Some(senders), ..self }
    }

    /// Lets the hooks of an application see the events.
    pub(crate) fn hooked(self, hooks: EventHooks) -> Self {
        Self { hooks, ..self }
    }

    /// Whether an event that fails becomes a dead letter.
    pub(crate) const fn has_dead_letters(&self) -> bool {
        !matches!(self.on_failure, OnFailure::Stop)
    }

    /// The settings of a follower.
    pub(crate) fn prepare<F: Follower>(&self, follower: F) -> FollowerBuilder<F> {
        FollowerBuilder::new(follower).retry(self.retries, self.delay).on_failure(self.on_failure)
    }

    /// Starts a follower that needs nothing else.
    pub(crate) fn start<F: Follower>(&self, follower: F) -> Started {
        Ok(Box::new(self.prepare(follower).start()?))
    }
}

impl Default for FollowerOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What an application asks of a follower.
#[derive(Debug, Clone, Copy)]
pub struct Followed {
    /// What it is.
    pub kind: FollowerKind,
    /// [`EventHandler::NAME`].
    pub name: &'static str,
    /// [`EventHandler::EVENTS`].
    pub events: &'static [EventKind],
    /// [`EventHandler::FROM`].
    pub from: &'static [&'static str],
    /// [`EventHandler::FROM_BY_NAME`].
    pub from_by_name: &'static [&'static str],
    /// [`EventHandler::SOURCES`].
    pub sources: &'static [&'static [bool]],
    /// [`Process::SENDS`] or [`Reaction::SENDS`]; empty for a view.
    pub sends: &'static [&'static str],
    /// [`Process::STEPS`]; empty for all others.
    pub steps: &'static [SentOn],
}

impl Followed {
    /// What a follower of this kind says of itself.
    pub(crate) const fn of<H: EventHandler>(kind: FollowerKind) -> Self {
        Self {
            kind,
            name: H::NAME,
            events: H::EVENTS,
            from: H::FROM,
            from_by_name: H::FROM_BY_NAME,
            sources: H::SOURCES,
            sends: &[],
            steps: &[],
        }
    }

    /// What a reaction says of itself.
    pub(crate) const fn of_reaction<R: Reaction>() -> Self {
        Self { sends: R::SENDS, ..Self::of::<R>(FollowerKind::Reaction) }
    }

    /// What a process says of itself.
    pub(crate) const fn of_process<P: Process>() -> Self {
        Self { sends: P::SENDS, steps: P::STEPS, ..Self::of::<P>(FollowerKind::Process) }
    }
}

/// A projection, as a field of an application: what generated code asks of the field's type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a projection",
    label = "this type does not derive `Projection`",
    note = "annotate `{Self}` with `#[derive(Projection)]` and `#[projection(events(..), from(..))]`"
)]
pub trait AsView {
    /// What the view follows.
    const FOLLOWED: Followed;
}

#[diagnostic::do_not_recommend]
impl<P: Projection> AsView for P {
    const FOLLOWED: Followed = Followed::of::<P>(FollowerKind::Projection);
}

/// A reaction, as a field of an application: what generated code asks of the field's type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reaction",
    label = "this type does not derive `Reaction`",
    note = "annotate `{Self}` with `#[derive(Reaction)]` and `#[reaction(events(..), from(..))]`"
)]
pub trait AsReaction {
    /// What the reaction follows.
    const FOLLOWED: Followed;
}

#[diagnostic::do_not_recommend]
impl<R: Reaction> AsReaction for R {
    const FOLLOWED: Followed = Followed::of_reaction::<R>();
}

/// A process, as a field of an application: what generated code asks of the field's type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "this type does not derive `Process`",
    note = "annotate `{Self}` with `#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]` and `#[process(..)]`"
)]
pub trait AsProcess {
    /// What the process follows and sends.
    const FOLLOWED: Followed;
}

#[diagnostic::do_not_recommend]
impl<P: Process> AsProcess for P {
    const FOLLOWED: Followed = Followed::of_process::<P>();
}

// The store of an application, as generated code bounds it. The bounds ask nothing of the follower's type: a field that is no
// follower is one error, of `AsView`, `AsReaction` or `AsProcess`.

/// The store can run the follower `F` in the way `How`: [`AsView`] and [`AsReaction`] say what it is.
#[diagnostic::on_unimplemented(message = "`{Self}` can't run `{F}`", label = "not in this store")]
pub trait RunsAs<How, F> {
    /// Starts it, on the events of a store that may be another one.
    fn start<E: EventStore + Clone + 'static>(
        &self,
        events: &E,
        follower: F,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started;
}

/// A view, in the background.
#[derive(Debug)]
pub enum BackgroundView {}

/// A view that several workers share.
#[derive(Debug)]
pub enum SharedView {}

/// A view that is part of each append.
#[derive(Debug)]
pub enum ViewInAppends {}

/// A reaction, in the background.
#[derive(Debug)]
pub enum BackgroundReaction {}

/// A reaction that several workers share.
#[derive(Debug)]
pub enum SharedReaction {}

impl<S, F> RunsAs<BackgroundView, F> for S
where
    F: Projection + Send + 'static,
    S: Keeps<F::Target>,
{
    fn start<E: EventStore + Clone + 'static>(
        &self,
        events: &E,
        follower: F,
        options: &FollowerOptions,
        _: &CommandRoutes,
    ) -> Started {
        self.follow(events, follower, options)
    }
}

impl<S, F> RunsAs<SharedView, F> for S
where
    F: Projection + PartitionedByStream + Clone + Send + 'static,
    S: KeepsTables<F::Target>,
{
    fn start<E: EventStore + Clone + 'static>(
        &self,
        events: &E,
        follower: F,
        options: &FollowerOptions,
        _: &CommandRoutes,
    ) -> Started {
        self.share(events, follower, options)
    }
}

impl<S, F> RunsAs<ViewInAppends, F> for S
where
    F: Projection + Send + 'static,
    S: KeepsTables<F::Target>,
{
    fn start<E: EventStore + Clone + 'static>(
        &self,
        _: &E,
        follower: F,
        options: &FollowerOptions,
        _: &CommandRoutes,
    ) -> Started {
        self.inline(follower, options)
    }
}

impl<S, F> RunsAs<BackgroundReaction, F> for S
where
    F: Reaction + Send + 'static,
    S: KeepsReactions,
{
    fn start<E: EventStore + Clone + 'static>(
        &self,
        events: &E,
        follower: F,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started {
        self.react(events, follower, options, routes)
    }
}

impl<S, F> RunsAs<SharedReaction, F> for S
where
    F: Reaction + PartitionedByStream + Clone + Send + 'static,
    S: KeepsReactions,
{
    fn start<E: EventStore + Clone + 'static>(
        &self,
        events: &E,
        follower: F,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started {
        self.share_reaction(events, follower, options, routes)
    }
}

/// The store can run the process `P`.
#[diagnostic::on_unimplemented(message = "`{Self}` can't run `{P}`", label = "not in this store")]
pub trait RunsProcess<P> {
    /// Starts it, on the events of this store.
    fn start(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        process: P,
        options: &FollowerOptions,
    ) -> Started;
}

impl<S, P> RunsProcess<P> for S
where
    P: Process,
    S: KeepsProcesses,
{
    fn start(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        process: P,
        options: &FollowerOptions,
    ) -> Started {
        self.process(commands, clock, process, options)
    }
}

/// A follower that has been started.
pub type Started = Result<Box<dyn DynFollower>, BoxError>;

/// The store can keep views of the target `T`, such as `Sqlite`, and their progress.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep what is made into `{T}`",
    label = "not in this store",
    note = "a view with `into = Sql` needs a `SqliteStore` or a `PostgresStore`, one with `into = Sqlite` the first, with `into = Postgres` the second: in a test, take `SqliteStore::in_memory()`"
)]
pub trait Keeps<T: Target>: EventStore + Clone + 'static {
    /// Starts a view of the events of a store, which may be another one.
    #[doc(hidden)]
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + Send + 'static,
        E: EventStore + Clone + 'static;
}

/// The store can keep views of the target `T` in the transaction of an append, and share them among workers.
#[diagnostic::on_unimplemented(
    message = "a view in `{T}` can't be inline or have several workers in `{Self}`",
    label = "follows with one worker only",
    note = "leave out `inline` and `workers`, or keep the view in tables: `#[projection(into = Sqlite, ..)]`"
)]
pub trait KeepsTables<T: Target>: Keeps<T> {
    /// Makes a view part of each append.
    #[doc(hidden)]
    fn inline<P: Projection<Target = T> + Send + 'static>(
        &self,
        view: P,
        options: &FollowerOptions,
    ) -> Started;

    /// Starts a view with several workers.
    #[doc(hidden)]
    fn share<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static;
}

/// Asks which version of the view is read.
pub(crate) type AskServing<'a> = dyn Fn() -> Result<ServingView, SqlError> + 'a;

/// The store can be asked for the tables of views with `into = Sql`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no views in tables",
    label = "not in this store",
    note = "a view with `into = Sql` is in a `SqliteStore` or a `PostgresStore`: in a test, take `SqliteStore::in_memory()`"
)]
pub trait KeepsSql: Keeps<Sql> {
    /// Runs queries on one state of a view's tables.
    #[doc(hidden)]
    fn read_sql<T>(
        &self,
        view: &'static str,
        read: impl FnOnce(&mut dyn SqlTransaction, &AskServing<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError>;
}

/// The store can keep the progress of reactions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep how far reactions are",
    label = "not in this store",
    note = "reactions need a `SqliteStore` or a `PostgresStore`: in a test, take `SqliteStore::in_memory()`"
)]
pub trait KeepsReactions: EventStore + Clone + 'static {
    /// Starts a reaction to the events of a store, which may be another one.
    #[doc(hidden)]
    fn react<R, E>(
        &self,
        events: &E,
        reaction: R,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started
    where
        R: Reaction + Send + 'static,
        E: EventStore + Clone + 'static;

    /// Starts a reaction with several workers.
    #[doc(hidden)]
    fn share_reaction<R, E>(
        &self,
        events: &E,
        reaction: R,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started
    where
        R: Reaction + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static;
}

/// The store can keep the instances of processes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't keep the instances of processes",
    label = "not in this store",
    note = "processes need a `SqliteStore` or a `PostgresStore`: in a test, take `SqliteStore::in_memory()`"
)]
pub trait KeepsProcesses: EventStore + Clone + 'static {
    /// The instances of a process that this store keeps.
    #[doc(hidden)]
    fn instances<P: Process>(&self, clock: Arc<dyn Clock>) -> Instances<P>;

    /// Starts a process that follows the events of this store.
    #[doc(hidden)]
    fn process<P: Process>(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        process: P,
        options: &FollowerOptions,
    ) -> Started;
}
