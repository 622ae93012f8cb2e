//! What a PostgreSQL store keeps for an application: views in tables.

use std::task::Waker;
use std::time::Duration;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::{FollowerOptions, Keeps, KeepsTables, Started};
use crate::follow::next_run::NextRun;
use crate::follow::progress_store::ProgressStore as _;
use crate::follow::projection::Projection;
use crate::follow::state::{Activity, FollowerState, Lag};
use crate::postgres::projection::PostgresProjection;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::store::PostgresStore;
use crate::store::event_store::EventStore;

#[diagnostic::do_not_recommend]
impl<T: PostgresTarget> Keeps<T> for PostgresStore {
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(PostgresProjection::in_store(self, events, view)?.hooked(options))
    }
}

#[diagnostic::do_not_recommend]
impl<T: PostgresTarget> KeepsTables<T> for PostgresStore {
    fn inline<P: Projection<Target = T> + Send + 'static>(
        &self,
        view: P,
        options: &FollowerOptions,
    ) -> Started {
        PostgresProjection::new(self, view)?.hooked(options).inline()?;
        Ok(Box::new(Inline { name: P::NAME, store: self.clone() }))
    }

    fn share<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        let view = PostgresProjection::in_store(self, events, view)?;
        options.start(view.hooked(options).workers(options.workers))
    }
}

/// A view that is part of each append, until this is dropped.
struct Inline {
    name: &'static str,
    store: PostgresStore,
}

impl Inline {
    /// How far the view is, and why appends go on without it, if they do.
    fn found(&self) -> (Position, Option<String>) {
        let checkpoint = self.store.checkpoint(self.name).ok().flatten();
        let position = checkpoint.map_or(Position::START, |found| found.positions.position());
        let hooks = self.store.hooks().lock();
        let trouble = hooks.iter().find(|hook| hook.name() == self.name).and_then(|hook| hook.trouble());
        (position, trouble.map(|error| with_causes(&*error)))
    }
}

impl DynFollower for Inline {
    fn name(&self) -> &'static str {
        self.name
    }

    fn state(&self) -> FollowerState {
        let (position, error) = self.found();
        let activity = error.map_or(Activity::Running, |error| Activity::Stopped { error: Some(error) });
        let lag = Lag::of(&self.store, position);
        FollowerState { follower: self.name, position, lag, activity, partitions: Vec::new() }
    }

    fn wait_for(&self, wanted: Position, timeout: Duration) -> Result<(), WaitError> {
        let follower = self.name;
        let (mut position, error) = self.found();
        if position < wanted && error.is_some() {
            return Err(WaitError::Ended { follower, position, wanted });
        }
        if position < wanted && self.store.wait_for(wanted, timeout).is_ok_and(|newest| newest >= wanted) {
            // Another writer has appended without the view.
            self.store.catch_hooks_up();
            position = self.found().0;
        }
        if position >= wanted { Ok(()) } else { Err(WaitError::TimedOut { follower, position, wanted }) }
    }

    /// The next start catches the view up.
    fn next_run(&self) -> NextRun {
        NextRun::WithNextEvent
    }

    fn watch(&self, waker: &Waker) {
        // Where the store can't be asked, the caller's time ends the wait.
        let _ = self.store.watch(waker);
    }

    fn unwatch(&self, waker: &Waker) {
        self.store.unwatch(waker);
    }

    fn begin_stop(&self) {}

    fn stop_within(self: Box<Self>, _: Duration) -> Result<(), BoxError> {
        self.found().1.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The application has stopped. Another one on the store catches the view up, and makes it part of appends again.
impl Drop for Inline {
    fn drop(&mut self) {
        self.store.remove_hook(self.name);
    }
}
