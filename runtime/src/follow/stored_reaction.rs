//! Reactions whose progress is stored.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::background::{Follower, FollowerBuilder};
use crate::follow::control::Control;
use crate::follow::dead_letter::{DeadLetter, LISTED, ListLetters, RetriedLetters};
use crate::follow::definition::FollowerDefinition;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::engine::Engine;
use crate::follow::error::{FollowError, ReactionError};
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::{FollowerOptions, KeepsReactions, Started};
use crate::follow::lease::DEFAULT_LEASE;
use crate::follow::next_run::Backlog;
use crate::follow::policy::RetryPolicy;
use crate::follow::process::routes::CommandRoutes;
use crate::follow::progress::{CaughtUp, Progress, Report};
use crate::follow::progress_store::{ProgressHome, ProgressStore};
use crate::follow::reaction::Reaction;
use crate::follow::redelivery::LetterRequest;
use crate::follow::session::Session;
use crate::follow::{background, checkpoint};
use crate::runtime::Runtime;
use crate::store::event_store::EventStore;

/// A reaction whose progress is kept in a store, beside the events or in another database.
///
/// It is `SqliteReaction` in a `SqliteStore`, and `PostgresReaction` in a `PostgresStore`. See [`Reaction`] for an example.
pub struct StoredReaction<R, S> {
    engine: Engine<R, S>,
}

#[expect(private_bounds, reason = "which stores keep progress is said by `KeepsReactions`")]
impl<R: Reaction, S: ProgressStore + EventStore> StoredReaction<R, S> {
    /// Opens the reaction at its stored position; the first time, before the first event of the store.
    ///
    /// Fails with [`ReactionError::NameTaken`] if its name is that of a projection.
    pub fn new(store: &S, reaction: R) -> Result<Self, ReactionError> {
        Self::open(ProgressHome::new(store.clone(), None), reaction, |_| Ok(Position::START))
    }

    /// Opens the reaction at its stored position; the first time, at the end of the store, so that it reacts
    /// to later events only.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn from_now(store: &S, reaction: R) -> Result<Self, ReactionError> {
        Self::open(ProgressHome::new(store.clone(), None), reaction, |home| home.newest(R::NAME))
    }

    /// Opens the reaction at its stored position; the first time, before the events that were recorded at
    /// `time` or later, as [`EventStore::position_at`] finds them.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn from_time(store: &S, time: Timestamp, reaction: R) -> Result<Self, ReactionError> {
        Self::open(ProgressHome::new(store.clone(), None), reaction, |_| {
            store.position_at(time).map_err(FollowError::store(R::NAME))
        })
    }

    /// Opens the reaction to any store's events, with its progress in the database of the store `progress`, which need not have
    /// events.
    ///
    /// The first time, the reaction is before the first event.
    ///
    /// Fails as [`new`](Self::new) does.
    pub fn in_store<E: EventStore + Clone + 'static>(
        progress: &S,
        events: &E,
        reaction: R,
    ) -> Result<Self, ReactionError> {
        Self::open(ProgressHome::of(progress.clone(), events), reaction, |_| Ok(Position::START))
    }

    /// Fails if `async` handlers have no runtime to run on.
    fn check_runtime() -> Result<(), FollowError> {
        if R::AWAITS && Runtime::current().is_none() {
            return Err(FollowError::NoRuntime { follower: R::NAME });
        }
        Ok(())
    }

    fn redeliver(&mut self, request: &LetterRequest) -> Result<RetriedLetters, ReactionError> {
        Self::check_runtime()?;
        Ok(self.engine.redeliver(request)?)
    }

    fn open(
        home: ProgressHome<S>,
        reaction: R,
        first: impl FnOnce(&ProgressHome<S>) -> Result<Position, FollowError>,
    ) -> Result<Self, ReactionError> {
        let definition = FollowerDefinition::of_reaction::<R>();
        checkpoint::open(&home, &definition, first)?;
        Ok(Self { engine: Engine::new(definition, home, reaction) })
    }

    /// Moves the reaction back or ahead: the next event that it gets is the first one after `position`.
    ///
    /// Dead letters after `position` are removed, as their events come again. A runner of the reaction in another
    /// thread or process continues there too. To begin at a time, use
    /// [`EventStore::position_at`].
    ///
    /// Fails with [`StoreError::PastTheEnd`](crate::store::StoreError::PastTheEnd) if the store has not reached the position.
    pub fn rewind(&mut self, position: Position) -> Result<(), ReactionError> {
        let Engine { home, definition, .. } = &self.engine;
        home.in_transaction(R::NAME, |transaction| {
            checkpoint::place(home, transaction, definition, position)
        })?;
        Ok(())
    }

    /// Lets the reaction give its commands ([`Delivery::execute`](crate::follow::Delivery::execute)) to the aggregates of these
    /// repositories. In an application, it gives them to those of the application.
    #[must_use = "the reaction with the routes is what this returns"]
    pub fn commands(mut self, routes: CommandRoutes) -> Self {
        self.engine.home.receiver = Some(Arc::new(routes));
        self
    }

    /// Lets this many workers share the work, each with a partition of the streams and a clone of the
    /// reaction. From 1 to 1,000: each has a thread.
    ///
    /// Events of one stream come in order. An event that fails delays its own partition only. Programs that run the reaction
    /// [share the partitions](FollowerBuilder::start).
    #[must_use = "the reaction with so many workers is what this returns"]
    pub fn workers(mut self, workers: u32) -> Self
    where
        R: PartitionedByStream + Clone + Send,
    {
        self.engine.use_workers(workers);
        self
    }

    /// Lets the hooks of an application see the events.
    pub(crate) fn hooked(mut self, options: &FollowerOptions) -> Self {
        self.engine.home.hooks = options.hooks.clone();
        self
    }

    /// Sets the callback that gets the progress of a catch-up.
    ///
    /// A break ends the run: [`catch_up`](Self::catch_up) then fails with [`FollowError::Stopped`]. Another call resumes. A
    /// running follower reports until it reaches the position at which the store ended when it started.
    #[must_use = "the reaction with the callback is what this returns"]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(&Progress) -> ControlFlow<()> + Send + 'static,
    ) -> Self {
        self.engine.report = Some(Report::new(Box::new(callback)));
        self
    }

    /// Reacts to all stored events that have not been handled yet. If other runners have leases, takes a share of the partitions,
    /// and waits for these runners.
    ///
    /// Fails at the first event that cannot be read or handled. The events before it are done; the next call
    /// tries it again. Fails with [`FollowError::NoRuntime`] if there are `async` handlers, and the thread is part of no runtime.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ReactionError> {
        Self::check_runtime()?;
        Ok(self.engine.catch_up_leased(DEFAULT_LEASE)?)
    }

    /// Prepares the reaction to follow the store: without retries, with
    /// [`OnFailure::Stop`](crate::follow::OnFailure::Stop) and a lease of 10 seconds.
    ///
    /// The lease is renewed while a handler runs, however long that takes.
    pub fn follow(self) -> FollowerBuilder<Self>
    where
        R: Send + 'static,
    {
        FollowerBuilder::new(self)
    }

    /// The position up to which all events have been handled.
    pub fn position(&self) -> Result<Position, ReactionError> {
        Ok(self.engine.position()?)
    }

    /// The first 1,000 events that the reaction has skipped, in order of position.
    pub fn dead_letters(&self) -> Result<Vec<DeadLetter>, ReactionError> {
        self.dead_letters_after(Position::START, LISTED)
    }

    /// The events after `position` that the reaction has skipped, in order of position, at most `limit`.
    pub fn dead_letters_after(
        &self,
        position: Position,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, ReactionError> {
        Ok(self.engine.letters().list(position, limit)?)
    }

    /// The dead letter at a position, with the event's payload; `None` if there is none.
    pub fn dead_letter(&self, position: Position) -> Result<Option<DeadLetter>, ReactionError> {
        Ok(self.engine.letters().find(position)?)
    }

    /// The dead letters after `position` that were discarded, in order of position, at most `limit`.
    pub fn discarded_dead_letters(
        &self,
        position: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, ReactionError> {
        Ok(self.engine.letters().discarded(position, limit)?)
    }

    /// Delivers the dead letters again, in order of position. Removes a letter after its handler has
    /// succeeded. Those that still wait behind another one are left.
    pub fn retry_dead_letters(&mut self) -> Result<RetriedLetters, ReactionError> {
        self.redeliver(&LetterRequest::RetryAll)
    }

    /// Handles one dead letter again, and the letters that wait behind it.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none, and
    /// with [`FollowError::WaitsBehind`](crate::follow::FollowError::WaitsBehind) if it waits itself.
    pub fn retry_dead_letter(&mut self, position: Position) -> Result<RetriedLetters, ReactionError> {
        self.redeliver(&LetterRequest::Retry(position))
    }

    /// Discards a dead letter: its event is never handled. The reason is kept, and
    /// [`discarded_dead_letters`](Self::discarded_dead_letters) lists it.
    ///
    /// The letters that wait behind it are handled; the result counts these.
    ///
    /// Fails with [`FollowError::NoDeadLetter`](crate::follow::FollowError::NoDeadLetter) if there is none.
    pub fn discard_dead_letter(
        &mut self,
        position: Position,
        reason: impl Into<String>,
    ) -> Result<RetriedLetters, ReactionError> {
        self.redeliver(&LetterRequest::Discard { position, reason: reason.into() })
    }
}

impl<R: Reaction + Send + 'static, S: ProgressStore + EventStore> Follower for StoredReaction<R, S> {}

impl<R: Reaction, S: ProgressStore + EventStore> background::sealed::Run for StoredReaction<R, S> {
    const NAME: &'static str = R::NAME;

    const AWAITS: bool = R::AWAITS;

    type Error = ReactionError;

    fn run(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, ReactionError> {
        Ok(self.engine.follow(control, policy, session)?)
    }

    fn letters(&self) -> Box<dyn ListLetters> {
        Box::new(self.engine.letters())
    }

    fn backlog(&self) -> Box<dyn Backlog> {
        Box::new(self.engine.letters())
    }

    fn events(&self) -> Arc<dyn EventStore> {
        self.engine.home.shared_events()
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.engine.report
    }
}

#[diagnostic::do_not_recommend]
impl<S: ProgressStore + EventStore> KeepsReactions for S {
    fn react<R, E>(
        &self,
        events: &E,
        reaction: R,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started
    where
        R: Reaction + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        let reaction = StoredReaction::in_store(self, events, reaction)?;
        options.start(reaction.hooked(options).commands(routes.clone()))
    }

    fn share_reaction<R, E>(
        &self,
        events: &E,
        reaction: R,
        options: &FollowerOptions,
        routes: &CommandRoutes,
    ) -> Started
    where
        R: Reaction + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        let reaction = StoredReaction::in_store(self, events, reaction)?;
        options.start(reaction.hooked(options).commands(routes.clone()).workers(options.workers))
    }
}

impl<R, S> fmt::Debug for StoredReaction<R, S>
where
    Engine<R, S>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredReaction").field("engine", &self.engine).finish_non_exhaustive()
    }
}
