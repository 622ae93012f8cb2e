//! What a SQLite store keeps for an application besides reactions and processes: views in tables.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::{FollowerOptions, Keeps, KeepsSql, KeepsTables, Started};
use crate::follow::next_run::NextRun;
use crate::follow::projection::Projection;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::transaction::SqlTransaction;
use crate::follow::state::{Activity, FollowerState, Lag};
use crate::sqlite::projection::SqliteProjection;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::hook_batches::BatchTime;
use crate::store::event_store::EventStore;

#[diagnostic::do_not_recommend]
impl<T: SqliteTarget> Keeps<T> for SqliteStore {
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(SqliteProjection::in_store(self, events, view)?.hooked(options))
    }
}

#[diagnostic::do_not_recommend]
impl<T: SqliteTarget> KeepsTables<T> for SqliteStore {
    fn inline<P: Projection<Target = T> + Send + 'static>(
        &self,
        view: P,
        options: &FollowerOptions,
    ) -> Started {
        SqliteProjection::new(self, view)?.hooked(options).inline()?;
        Ok(Box::new(Inline { name: P::NAME, store: self.clone() }))
    }

    fn share<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = T> + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options
            .start(SqliteProjection::in_store(self, events, view)?.hooked(options).workers(options.workers))
    }
}

impl KeepsSql for SqliteStore {
    fn read_sql<T>(
        &self,
        view: &'static str,
        read: impl FnOnce(&mut dyn SqlTransaction) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.read_sql_view(view, read)
    }
}

/// A view that is part of each append, until this is dropped.
struct Inline {
    name: &'static str,
    store: SqliteStore,
}

impl Inline {
    /// How far the view is, and why appends go on without it, if they do.
    fn found(&self) -> (Position, Option<String>) {
        let views = self.store.inline_views().unwrap_or_default();
        let view = views.into_iter().find(|view| view.name == self.name);
        view.map_or((Position::START, None), |view| {
            (view.position.unwrap_or_default(), view.error.map(|error| with_causes(&*error)))
        })
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
        let (follower, until) = (self.name, Instant::now().checked_add(timeout));
        let (mut position, error) = self.found();
        if position < wanted && error.is_some() {
            return Err(WaitError::Ended { follower, position, wanted });
        }
        if position < wanted && self.store.wait_for(wanted, timeout).is_ok_and(|newest| newest >= wanted) {
            // Another writer has appended without the view.
            // An error leaves the view behind, which the caller gets to know.
            let _ = self.store.catch_hooks_up(&mut BatchTime::default(), until);
            position = self.found().0;
        }
        if position >= wanted { Ok(()) } else { Err(WaitError::TimedOut { follower, position, wanted }) }
    }

    /// The next start catches the view up.
    fn next_run(&self) -> NextRun {
        NextRun::WithNextEvent
    }

    fn watch(&self, waker: &Waker) {
        // Where the store can't look for appends of other processes, the caller's time ends the wait.
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
