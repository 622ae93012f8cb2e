//! What a SQLite store keeps for an application: views in tables, the progress of reactions, the instances of processes.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::follow::background::WaitError;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::handler::PartitionedByStream;
use crate::follow::keeps::{FollowerOptions, Keeps, KeepsProcesses, KeepsReactions, KeepsTables, Started};
use crate::follow::process::Process;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::process::instances::Instances;
use crate::follow::projection::Projection;
use crate::follow::reaction::Reaction;
use crate::follow::state::{Activity, FollowerState, Lag};
use crate::sqlite::process::SqliteProcess;
use crate::sqlite::projection::SqliteProjection;
use crate::sqlite::projection::target::Sqlite;
use crate::sqlite::reaction::SqliteReaction;
use crate::sqlite::store::SqliteStore;
use crate::store::event_store::EventStore;

impl Keeps<Sqlite> for SqliteStore {
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = Sqlite> + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(SqliteProjection::in_file(self, events, view)?)
    }
}

impl KeepsTables<Sqlite> for SqliteStore {
    fn inline<P: Projection<Target = Sqlite> + Send + 'static>(&self, view: P) -> Started {
        SqliteProjection::new(self, view)?.inline()?;
        Ok(Box::new(Inline { name: P::NAME, store: self.clone() }))
    }

    fn share<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = Sqlite> + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(SqliteProjection::in_file(self, events, view)?.workers(options.workers))
    }
}

impl KeepsReactions for SqliteStore {
    fn react<R, E>(&self, events: &E, reaction: R, options: &FollowerOptions) -> Started
    where
        R: Reaction + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(SqliteReaction::in_file(self, events, reaction)?)
    }

    fn share_reaction<R, E>(&self, events: &E, reaction: R, options: &FollowerOptions) -> Started
    where
        R: Reaction + PartitionedByStream + Clone + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        options.start(SqliteReaction::in_file(self, events, reaction)?.workers(options.workers))
    }
}

impl KeepsProcesses for SqliteStore {
    fn instances<P: Process>(&self, clock: Arc<dyn Clock>) -> Instances<P> {
        Instances::new(self.clone(), clock)
    }

    fn process<P: Process>(
        &self,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        process: P,
        options: &FollowerOptions,
    ) -> Started {
        let process = SqliteProcess::new(self, process, commands)?.shared_clock(clock);
        options.start(match options.senders {
            Some(senders) => process.senders(senders),
            None => process,
        })
    }
}

/// A view that is part of each append, until this is dropped.
struct Inline {
    name: &'static str,
    store: SqliteStore,
}

impl Inline {
    /// Where the view has been left behind, and why; `None` if it is current.
    fn trouble(&self) -> Option<(Position, String)> {
        let view = self.store.inline_views().ok()?.into_iter().find(|view| view.name == self.name)?;
        Some((view.position.unwrap_or_default(), with_causes(&*view.error?)))
    }
}

impl DynFollower for Inline {
    fn name(&self) -> &'static str {
        self.name
    }

    fn state(&self) -> FollowerState {
        let (position, activity) = match self.trouble() {
            Some((position, error)) => (position, Activity::Stopped { error: Some(error) }),
            None => (self.store.position().unwrap_or_default(), Activity::Running),
        };
        FollowerState { follower: self.name, position, lag: Lag::of(&self.store, position), activity }
    }

    fn wait_for(&self, wanted: Position, timeout: Duration) -> Result<(), WaitError> {
        let follower = self.name;
        match self.trouble() {
            Some((position, _)) if position < wanted => Err(WaitError::Ended { follower, position, wanted }),
            Some(_) => Ok(()),
            // The view has seen what the store has.
            None => match self.store.wait_for(wanted, timeout).unwrap_or_default() {
                position if position >= wanted => Ok(()),
                position => Err(WaitError::TimedOut { follower, position, wanted }),
            },
        }
    }

    fn begin_stop(&self) {}

    fn stop_within(self: Box<Self>, _: Duration) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The application has stopped. Another one on the store catches the view up, and makes it part of appends again.
impl Drop for Inline {
    fn drop(&mut self) {
        self.store.remove_hook(self.name);
    }
}
