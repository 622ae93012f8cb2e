//! What a PostgreSQL store keeps for an application: views in tables.

use std::time::Instant;

use crate::follow::handler::PartitionedByStream;
use crate::follow::inline::{Inline, RunsInline, Trouble};
use crate::follow::keeps::{FollowerOptions, Keeps, KeepsTables, Started};
use crate::follow::projection::Projection;
use crate::postgres::projection::PostgresProjection;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::store::PostgresStore;
use crate::store::error::StoreError;
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

impl RunsInline for PostgresStore {
    fn inline_troubles(&self) -> Result<Vec<Trouble>, StoreError> {
        self.hook_troubles()
    }

    fn catch_inline_views_up(&self, until: Option<Instant>) -> Result<(), StoreError> {
        self.catch_hooks_up(until)
    }

    fn remove_inline_view(&self, name: &str) {
        self.remove_hook(name);
    }
}
