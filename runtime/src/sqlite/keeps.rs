//! What a SQLite store keeps for an application besides reactions and processes: views in tables.

use std::time::Instant;

use crate::follow::handler::PartitionedByStream;
use crate::follow::inline::{Inline, RunsInline, Trouble};
use crate::follow::keeps::{AskServing, FollowerOptions, Keeps, KeepsSql, KeepsTables, Started};
use crate::follow::projection::Projection;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::transaction::SqlTransaction;
use crate::sqlite::projection::SqliteProjection;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::store::hook_batches::BatchTime;
use crate::store::error::StoreError;
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
        read: impl FnOnce(&mut dyn SqlTransaction, &AskServing<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        self.read_sql_view(view, read)
    }
}

impl RunsInline for SqliteStore {
    fn inline_troubles(&self) -> Result<Vec<Trouble>, StoreError> {
        self.hook_troubles()
    }

    fn catch_inline_views_up(&self, until: Option<Instant>) -> Result<(), StoreError> {
        self.catch_hooks_up(&mut BatchTime::default(), until)
    }

    fn remove_inline_view(&self, name: &str) {
        self.remove_hook(name);
    }
}
