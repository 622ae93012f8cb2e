//! Inline projections, which run in the transaction of each append.

use rusqlite::Transaction;

use crate::domain::error::BoxError;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::projection::Projection;
use crate::follow::step;
use crate::follow::step::{Opening, Step};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::projection::batch::{Bounds, PartitionSource, project};
use crate::sqlite::projection::target::Sqlite;
use crate::sqlite::store::hooks::AppendHook;
use crate::sqlite::store::{SqliteStore, read};
use crate::store::partition::Partition;

/// A projection that the store runs in its appends.
pub(super) struct InlineProjection<P> {
    projection: P,
    definition: FollowerDefinition,
}

impl<P: Projection<Target = Sqlite> + Send + 'static> InlineProjection<P> {
    pub(super) fn new(projection: P) -> Self {
        Self { projection, definition: FollowerDefinition::of_projection::<P>() }
    }

    /// Brings the view up to date, and registers it as a hook of later appends.
    pub(super) fn register(mut self, store: &SqliteStore) -> Result<(), ProjectionError> {
        let failed = FollowError::store(P::NAME);
        let sqlite_failed = |error| failed(store_error(error));
        let writer = store.writer().map_err(failed)?;
        let mut hooks = store.append_hooks();
        if hooks.iter().any(|hook| hook.name() == P::NAME) {
            return Err(ProjectionError::AlreadyInline { projection: P::NAME });
        }
        let transaction = writer.begin().map_err(sqlite_failed)?;
        self.project(&transaction)?;
        transaction.commit().map_err(sqlite_failed)?;
        hooks.push(Box::new(self));
        Ok(())
    }

    /// Projects all events that the view has not seen: usually those of one append, also those of programs
    /// that append without the view.
    fn project(&mut self, transaction: &Transaction<'_>) -> Result<(), FollowError> {
        let newest = read::position(transaction).map_err(FollowError::store(P::NAME))?;
        loop {
            let opening = step::open::<SqliteStore>(
                transaction,
                &self.definition,
                None,
                Partition::WHOLE,
                newest,
                |_| Ok(true),
            )?;
            match opening {
                // The streams were split for workers, and are one partition again.
                Opening::Over(Step::More(_)) => {}
                Opening::Over(_) => return Ok(()),
                Opening::Handle(share) if share.is_done() => return Ok(()),
                Opening::Handle(share) => {
                    let source =
                        PartitionSource { source: None, partition: share.partition, after: share.after };
                    project(
                        &mut self.projection,
                        &self.definition,
                        transaction,
                        &source,
                        Bounds::until(share.goal),
                    )
                    .map_err(|failed| failed.error)?;
                    if share.partition == Partition::WHOLE {
                        return Ok(());
                    }
                }
            }
        }
    }
}

impl<P: Projection<Target = Sqlite> + Send + 'static> AppendHook for InlineProjection<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(self.project(transaction)?)
    }
}
