//! Inline projections, which run in the transaction of each append.
//!
//! A view's own trouble must not stop appends that have nothing to do with it. So the events of other writers come
//! first, by themselves: if one of them fails, the append is stored without the view. The view then stays before
//! that event. The events of the append itself come after that: if one of them fails, so does the append.

use std::sync::Arc;

use rusqlite::Transaction;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::position::Position;
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::projection::Projection;
use crate::follow::state::report;
use crate::follow::step;
use crate::follow::step::{Opening, Step};
use crate::sqlite::file::errors::store_error;
use crate::sqlite::projection::batch::{Bounds, PartitionSource, project};
use crate::sqlite::projection::target::Sqlite;
use crate::sqlite::store::hooks::{AppendHook, Written};
use crate::sqlite::store::{SqliteStore, read};
use crate::store::error::StoreError;
use crate::store::partition::Partition;

/// What an inline projection does after a newer program has made the view, by a newer version of the
/// projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnNewerVersion {
    /// The projection stops, and appends go on without it. The newer program keeps the view up to date.
    #[default]
    StopView,
    /// Appends of events that the view reads fail with [`FollowError::OtherVersion`]. The view is current after
    /// each append, and this program has to end.
    FailAppends,
}

/// A projection that the store runs in its appends.
pub(super) struct InlineProjection<P> {
    projection: P,
    definition: FollowerDefinition,
    on_newer: OnNewerVersion,
    /// Why the newest append was stored without the view.
    trouble: Option<Arc<FollowError>>,
    /// An event of another writer whose handler has ended the transaction, and with it the append. It is not
    /// tried again before the program starts again.
    blocked: Option<Position>,
}

impl<P: Projection<Target = Sqlite> + Send + 'static> InlineProjection<P> {
    pub(super) fn new(projection: P, on_newer: OnNewerVersion) -> Self {
        let definition = FollowerDefinition::of_projection::<P>();
        Self { projection, definition, on_newer, trouble: None, blocked: None }
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
        let newest = read::position(&transaction).map_err(failed)?;
        self.project(&transaction, newest)?;
        transaction.commit().map_err(sqlite_failed)?;
        hooks.push(Box::new(self));
        Ok(())
    }

    /// Projects the events that the view has not seen, up to the position `goal`.
    fn project(&mut self, transaction: &Transaction<'_>, goal: Position) -> Result<(), FollowError> {
        loop {
            let opening = step::open::<SqliteStore>(
                transaction,
                &self.definition,
                None,
                Partition::WHOLE,
                goal,
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

    /// Projects the events of other writers, up to the position `until`.
    ///
    /// After an error of one event, the view is before that event.
    fn catch_up(&mut self, transaction: &Transaction<'_>, until: Position) -> Result<(), FollowError> {
        let seen = checkpoint::require_in::<SqliteStore>(transaction, &self.definition)?.position();
        if seen >= until {
            return Ok(());
        }
        let failed = |error| FollowError::Store { follower: P::NAME, source: store_error(error) };
        let goal = self.blocked.map_or(until, |blocked| until.min(blocked.previous()));
        transaction.execute_batch("SAVEPOINT factum_others").map_err(failed)?;
        let result = self.project(transaction, goal);
        let Err(error) = result else {
            transaction.execute_batch("RELEASE factum_others").map_err(failed)?;
            return match self.blocked {
                Some(position) if goal < until => {
                    Err(FollowError::RolledBack { follower: P::NAME, position })
                }
                _ => Ok(()),
            };
        };
        let undo = || {
            if transaction.is_autocommit() {
                return Ok(());
            }
            transaction.execute_batch("ROLLBACK TO factum_others").map_err(failed)
        };
        undo()?;
        if let Some(position) = error.position()
            && !transaction.is_autocommit()
            && self.project(transaction, position.previous()).is_err()
        {
            undo()?;
        }
        if transaction.is_autocommit() {
            self.blocked = error.position();
        } else {
            transaction.execute_batch("RELEASE factum_others").map_err(failed)?;
        }
        Err(error)
    }

    /// Whether appends go on without the view after an error that none of their own events has caused.
    fn lets_pass(&self, error: &FollowError, written: &Written<'_>) -> bool {
        match error {
            FollowError::Store { source: StoreError::DamagedEvent { .. }, .. } => true,
            // The append has the same trouble.
            FollowError::Store { .. } => false,
            _ if error.position().is_some() => true,
            FollowError::OtherVersion { stored, current, .. }
                if stored > current && self.on_newer == OnNewerVersion::StopView =>
            {
                true
            }
            _ => !written.has(|stream, name| self.definition.reads(stream.category(), name)),
        }
    }

    /// Records why the view is not current, and reports it unless it is known.
    fn fall_behind(&mut self, error: FollowError) {
        let reason = with_causes(&error);
        if self.trouble.as_ref().is_none_or(|known| with_causes(known) != reason) {
            // The program that appends need not ask for the state of its views.
            report(format_args!(
                "the inline view `{}` is behind, and appends go on without it: {reason}",
                P::NAME
            ));
        }
        self.trouble = Some(Arc::new(error));
    }

    fn run(&mut self, transaction: &Transaction<'_>, written: &Written<'_>) -> Result<(), FollowError> {
        let newest = read::position(transaction).map_err(FollowError::store(P::NAME))?;
        let others = written.first_position().map_or(newest, Position::previous);
        match self.catch_up(transaction, others) {
            Ok(()) => {}
            Err(error) if !transaction.is_autocommit() && self.lets_pass(&error, written) => {
                self.fall_behind(error);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        self.project(transaction, newest)?;
        if self.trouble.take().is_some() {
            report(format_args!("the inline view `{}` is up to date again", P::NAME));
        }
        Ok(())
    }
}

impl<P: Projection<Target = Sqlite> + Send + 'static> AppendHook for InlineProjection<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn run(&mut self, transaction: &Transaction<'_>, written: &Written<'_>) -> Result<(), BoxError> {
        Ok(self.run(transaction, written)?)
    }

    fn trouble(&self) -> Option<Arc<FollowError>> {
        self.trouble.clone()
    }
}
