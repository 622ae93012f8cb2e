//! Projects many events into a view, in one transaction.

use std::ops::ControlFlow;
use std::time::Instant;

use rusqlite::Transaction;

use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::follow::batch::{Batch, Bounds, Projected, Waits, refused_at, refused_commit};
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, HandlerError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, contained};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter, seen_in};
use crate::follow::step::{FailedStep, Opening, Step, StepSize};
use crate::follow::worker::{StepTarget, Worker};
use crate::sqlite::file::errors::violated_constraint;
use crate::sqlite::file::handler_sql;
use crate::sqlite::projection::decode_ahead;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::projection::view_transaction::ViewTransaction;
use crate::sqlite::store::{SqliteStore, read};
use crate::store::event_store::EventStore;
use crate::store::owned_event::OwnedEvent;
use crate::store::partition::Partition;
use crate::store::read::StoredEvent;
use crate::trace;

/// How many positions one transaction covers at most, where few events are the projection's.
pub(super) const WINDOW: u64 = 20_000;

/// How many events one transaction projects at most.
const BATCH: usize = 4_000;

impl<T: SqliteTarget> StepTarget<SqliteStore> for T {
    fn step<H: EventHandler<Target = Self>>(
        worker: &mut Worker<'_, H, SqliteStore>,
        goal: Position,
        size: StepSize,
    ) -> Result<Step, FailedStep> {
        if worker.partition() != Partition::WHOLE
            && let Some(step) = decode_ahead::step(worker, goal, size)?
        {
            return Ok(step);
        }
        let (home, definition) = (worker.home(), worker.definition());
        let (batch_time, failed) = (worker.batch_time(), FollowError::store(definition.name));
        let mut projected = None;
        let batch = |transaction: &Transaction<'_>| {
            let deadline = size.deadline(batch_time);
            let share = match worker.open(transaction, goal)? {
                Opening::Over(step) => return Ok(step),
                Opening::Handle(share) => share,
            };
            let next = match &home.source {
                Some(source) => source.next_position(share.after),
                None => read::next_position(transaction, share.after),
            };
            let until = share.until(WINDOW, next.map_err(FollowError::store(definition.name))?);
            let source = PartitionSource {
                source: home.source.as_deref(),
                partition: share.partition,
                after: share.after,
            };
            let bounds = Bounds { until, limit: size.at_most(BATCH), deadline };
            let watch = worker.watch();
            let batch = project(worker.handlers(), watch, definition, transaction, &source, bounds)?;
            worker.confirm()?;
            worker.count(batch.events);
            projected = Some(Projected { share, events: batch.events, last: batch.last });
            Ok(share.reached(batch.position))
        };
        let result = home.progress.in_batch(batch, |source| failed(source).into());
        result.map_err(|failed| refused_commit(failed, projected, violated_constraint))
    }

    fn retry_letter<H: EventHandler<Target = Self>>(
        projection: &mut H,
        home: &ProgressHome<SqliteStore>,
        follower: &'static str,
        letter: &StoredLetter,
        event: &OwnedEvent,
    ) -> Result<bool, FollowError> {
        let event = event.as_stored(letter.position);
        let mut is_projected = false;
        let result = home.in_transaction(follower, |transaction| {
            let removed = SqliteStore::remove_letter(transaction, follower, letter.position);
            if !removed.map_err(FollowError::store(follower))? {
                return Ok(false);
            }
            let context = ViewTransaction::new(transaction);
            let watch = home.hooks.watch(letter.position, letter.attempts);
            project_one(follower, transaction, &event, || {
                watch.handle::<H>(&event, || {
                    T::lend(&context, |context| projection.handle_stored(event.name, &event, context))
                })
            })?;
            is_projected = true;
            Ok(true)
        });
        match result {
            Err(error) if is_projected => {
                Err(refused_at(error, letter.position, violated_constraint).unwrap_or_else(|error| error))
            }
            result => result,
        }
    }
}

/// The events of a partition after a position.
pub(super) struct PartitionSource<'s> {
    /// The store of the events, if it is in another database than the transaction.
    pub(super) source: Option<&'s dyn EventStore>,
    pub(super) partition: Partition,
    pub(super) after: Position,
}

/// Projects the events of a partition within the bounds, and saves the position reached.
///
/// After an error the transaction must not be committed.
pub(super) fn project<H: EventHandler<Target: SqliteTarget>>(
    projection: &mut H,
    watch: Watch<'_>,
    definition: &FollowerDefinition,
    transaction: &Transaction<'_>,
    from: &PartitionSource<'_>,
    bounds: Bounds,
) -> Result<Batch, FailedStep> {
    let follower = definition.name;
    let names = definition.stored_names();
    let filter = definition.filter(&names, from.partition).until(bounds.until);
    let mut batch = Batch { events: 0, position: from.after, last: from.after };
    let mut is_at_end = true;
    let context = ViewTransaction::new(transaction);
    let waits = Waits::<SqliteStore>::of(transaction, follower).map_err(|error| FailedStep {
        partition: from.partition,
        after: from.after,
        ..error.into()
    })?;
    let mut result = Ok(());
    let mut visit = |event: &StoredEvent<'_>| {
        result = waits.project_unless(event, || {
            project_one(follower, transaction, event, || {
                watch.handle::<H>(event, || {
                    H::Target::lend(&context, |context| projection.handle_stored(event.name, event, context))
                })
            })
        });
        if result.is_err() {
            return ControlFlow::Break(());
        }
        batch.events += 1;
        batch.position = event.envelope.position;
        is_at_end =
            batch.events < bounds.limit && bounds.deadline.is_none_or(|deadline| Instant::now() < deadline);
        if is_at_end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let read = match from.source {
        None => read::read_all(transaction, filter, from.after, usize::MAX, &mut visit),
        Some(source) => source.read_all(filter, from.after, usize::MAX, &mut visit),
    };
    let (handled, after) = (batch.events, batch.position);
    batch.last = after;
    let failed = |error| FailedStep { handled, partition: from.partition, after, ..FailedStep::from(error) };
    result.map_err(failed)?;
    read.map_err(|source| failed(FollowError::Store { follower, source }))?;
    if is_at_end {
        // Up to `until`, no further event is the projection's.
        batch.position = batch.position.max(bounds.until);
    }
    if batch.position > from.after {
        seen_in::<SqliteStore>(from.source, transaction, batch.position)
            .and_then(|seen| SqliteStore::save_seen(transaction, definition, from.partition, &seen))
            .map_err(|source| failed(FollowError::Store { follower, source }))?;
    }
    Ok(batch)
}

/// Projects one event with `handle`.
pub(super) fn project_one(
    follower: &'static str,
    transaction: &Transaction<'_>,
    event: &StoredEvent<'_>,
    handle: impl FnOnce() -> Result<(), HandlerError>,
) -> Result<(), FollowError> {
    let handle = || trace::handler("projection", follower, || contained(handle));
    let (handled, refused) = handler_sql::run_handler(handle);
    let failed_at = |error| ProgressHome::<SqliteStore>::failed_at(follower, Some(transaction), event, error);
    if transaction.is_autocommit() {
        // SQLite has rolled the transaction back, by `OR ROLLBACK` or on a full disk. Later writes would be
        // outside of any.
        return Err(match handled.map_err(failed_at) {
            Err(failed @ FollowError::Store { .. }) => failed,
            handled => {
                discard(handled);
                FollowError::RolledBack { follower, position: event.envelope.position }
            }
        });
    }
    match (handled, refused) {
        (Err(HandlerError::Handler(source)), Some(refused)) => Err(FollowError::RefusedSql {
            follower,
            stream: event.envelope.stream(),
            version: event.envelope.version,
            position: event.envelope.position,
            refused,
            source,
        }),
        (Err(error), _) => Err(failed_at(error)),
        (Ok(()), _) => match handler_sql::release_savepoint(transaction) {
            Some(savepoint) => {
                let position = event.envelope.position;
                Err(FollowError::OpenSavepoint { follower, position, savepoint })
            }
            None => Ok(()),
        },
    }
}
