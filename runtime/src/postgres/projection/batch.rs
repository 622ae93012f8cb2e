//! Projects many events into a view, in one transaction.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::domain::error::BoxError;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::follow::batch::{Batch, Bounds, Projected, Waits, refused_at, refused_commit};
use crate::follow::definition::{FollowerDefinition, FollowerKind};
use crate::follow::error::{FollowError, HandlerError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, contained};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter, seen_in};
use crate::follow::step::{FailedStep, Opening, Step, StepSize};
use crate::follow::worker::{StepTarget, Worker};
use crate::postgres::projection::schema::ViewSchema;
use crate::postgres::projection::target::PostgresTarget;
use crate::postgres::projection::view_transaction::ViewTransaction;
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::owned_event::OwnedEvent;
use crate::store::partition::Partition;
use crate::store::read::StoredEvent;
use crate::store::written::Written;
use crate::trace;

/// How many positions one transaction covers at most, where few events are the projection's.
const WINDOW: u64 = 100_000;

/// How many events one transaction projects at most.
const BATCH: usize = 4_000;

impl<T: PostgresTarget> StepTarget<PostgresStore> for T {
    fn step<H: EventHandler<Target = Self>>(
        worker: &mut Worker<'_, H, PostgresStore>,
        goal: Position,
        size: StepSize,
    ) -> Result<Step, FailedStep> {
        let (home, definition) = (worker.home(), worker.definition());
        let (batch_time, failed) = (worker.batch_time(), FollowError::store(definition.name));
        let mut projected = None;
        let batch = |transaction: &PostgresTransaction| {
            let deadline = size.deadline(batch_time);
            let share = match worker.open(transaction, goal)? {
                Opening::Over(step) => return Ok(step),
                Opening::Handle(share) => share,
            };
            let next = home.events().next_position(share.after).map_err(failed)?;
            let bounds = Bounds { until: share.until(WINDOW, next), limit: size.at_most(BATCH), deadline };
            let watch = worker.watch();
            let batch = project(
                worker.handlers(),
                watch,
                definition,
                (transaction, home),
                (share.partition, share.after),
                bounds,
            )?;
            worker.confirm()?;
            worker.count(batch.events);
            projected = Some(Projected { share, events: batch.events, last: batch.last });
            Ok(share.reached(batch.position))
        };
        let result = home.progress.in_transaction(batch, |source| failed(source).into());
        result.map_err(|failed| refused_commit(failed, projected, refused_by_server))
    }

    fn retry_letter<H: EventHandler<Target = Self>>(
        projection: &mut H,
        home: &ProgressHome<PostgresStore>,
        follower: &'static str,
        letter: &StoredLetter,
        event: &OwnedEvent,
    ) -> Result<bool, FollowError> {
        let event = event.as_stored(letter.position);
        let definition = FollowerDefinition::new::<H>(FollowerKind::Projection).named(follower);
        let mut is_projected = false;
        let result = home.in_transaction(follower, |transaction| {
            let failed = FollowError::store(follower);
            if !PostgresStore::remove_letter(transaction, follower, letter.position).map_err(failed)? {
                return Ok(false);
            }
            let tables = Tables::enter(transaction, &definition).map_err(failed)?;
            let view = tables.view(transaction);
            let watch = home.hooks.watch(letter.position, letter.attempts);
            project_one(follower, &view, &event, || {
                watch.handle::<H>(&event, || {
                    T::lend(&view, |context| projection.handle_stored(event.name, &event, context))
                })
            })?;
            is_projected = true;
            Ok(true)
        });
        match result {
            Err(error) if is_projected => {
                Err(refused_at(error, letter.position, refused_by_server).unwrap_or_else(|error| error))
            }
            result => result,
        }
    }
}

/// The tables of a view, in a transaction that has entered their schema.
pub(super) struct Tables {
    schema: ViewSchema,
    /// The name of the store's schema.
    store: String,
}

impl Tables {
    /// Lets names without a schema be those of the view, until the transaction ends.
    pub(super) fn enter(
        transaction: &PostgresTransaction,
        definition: &FollowerDefinition,
    ) -> Result<Self, StoreError> {
        let store = transaction.store().schema_name().to_owned();
        let schema = ViewSchema::of(&store, definition);
        transaction.queue(&schema.enter(), &[])?;
        Ok(Self { schema, store })
    }

    pub(super) fn view<'t>(&'t self, transaction: &'t PostgresTransaction) -> ViewTransaction<'t> {
        ViewTransaction::new(transaction, &self.schema, &self.store)
    }
}

/// Projects the events of a share within the bounds, and saves the position reached.
///
/// After an error the transaction must not be committed.
pub(super) fn project<H: EventHandler<Target: PostgresTarget>>(
    projection: &mut H,
    watch: Watch<'_>,
    definition: &FollowerDefinition,
    (transaction, home): (&PostgresTransaction, &ProgressHome<PostgresStore>),
    (partition, after): (Partition, Position),
    bounds: Bounds,
) -> Result<Batch, FailedStep> {
    let follower = definition.name;
    let store_failed = FollowError::store(follower);
    let tables = Tables::enter(transaction, definition).map_err(store_failed)?;
    let view = tables.view(transaction);
    let waits = Waits::<PostgresStore>::of(transaction, follower)?;
    let names = definition.stored_names();
    let filter = definition.filter(&names, partition).until(bounds.until);
    let mut batch = Batch { events: 0, position: after, last: after };
    let (mut is_at_end, mut result) = (true, Ok(()));
    let read = home.events().read_all(filter, after, usize::MAX, &mut |event| {
        result = waits.project_unless(event, || {
            project_one(follower, &view, event, || {
                watch.handle::<H>(event, || {
                    H::Target::lend(&view, |context| projection.handle_stored(event.name, event, context))
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
    });
    batch.last = batch.position;
    let failed = |error| FailedStep { handled: batch.events, partition, after: batch.last, error };
    // An error of what earlier events have queued is not that of the event during which it came.
    let late = |error| match refused_by_server(error) {
        Ok(source) => {
            let error = FollowError::CommitRefused { follower, position: batch.last, source };
            FailedStep { handled: batch.events / 2, partition, after, error }
        }
        Err(source) => failed(store_failed(source)),
    };
    if let Some(error) = view.take_late() {
        if let Err(of_this_event) = result {
            discard(of_this_event);
        }
        return Err(late(error));
    }
    result.map_err(failed)?;
    read.map_err(|source| failed(store_failed(source)))?;
    view.wait().map_err(late)?;
    if is_at_end {
        // Up to `until`, no further event is the projection's.
        batch.position = batch.position.max(bounds.until);
    }
    if batch.position > after {
        seen_in::<PostgresStore>(home.source.as_deref(), transaction, batch.position)
            .and_then(|seen| PostgresStore::save_seen(transaction, definition, partition, &seen))
            .map_err(|source| failed(store_failed(source)))?;
    }
    Ok(batch)
}

/// Projects the events that the transaction has appended, and saves the position of the last of them.
pub(super) fn project_written<H: EventHandler<Target: PostgresTarget>>(
    projection: &mut H,
    watch: Watch<'_>,
    definition: &FollowerDefinition,
    transaction: &PostgresTransaction,
    written: &Written<'_>,
    last: Position,
) -> Result<(), FollowError> {
    let (follower, failed) = (definition.name, FollowError::store(definition.name));
    let tables = Tables::enter(transaction, definition).map_err(failed)?;
    let view = tables.view(transaction);
    let waits = Waits::<PostgresStore>::of(transaction, follower)?;
    written.try_for_each(|event| {
        if !definition.reads(event.envelope.category, event.name) {
            return Ok(());
        }
        waits.project_unless(event, || {
            project_one(follower, &view, event, || {
                watch.handle::<H>(event, || {
                    H::Target::lend(&view, |context| projection.handle_stored(event.name, event, context))
                })
            })
        })
    })?;
    view.wait()
        .and_then(|()| PostgresStore::seen_in(transaction, last))
        .and_then(|seen| PostgresStore::save_seen(transaction, definition, Partition::WHOLE, &seen))
        .map_err(failed)
}

/// Projects one event with `handle`.
fn project_one(
    follower: &'static str,
    view: &ViewTransaction<'_>,
    event: &StoredEvent<'_>,
    handle: impl FnOnce() -> Result<(), HandlerError>,
) -> Result<(), FollowError> {
    view.begin_event();
    trace::handler("projection", follower, || contained(handle)).map_err(|error| {
        ProgressHome::<PostgresStore>::failed_at(follower, Some(view.transaction()), event, error)
    })
}

/// The server's error behind an error of the store, if it has refused what was written; otherwise the error.
pub(super) fn refused_by_server(error: StoreError) -> Result<BoxError, StoreError> {
    let is_of_server = |source: &BoxError| {
        source.downcast_ref::<tokio_postgres::Error>().is_some_and(|error| error.as_db_error().is_some())
    };
    match error {
        StoreError::Other(source) if is_of_server(&source) => Ok(source),
        StoreError::NotStorable { problem } => Ok(problem.into()),
        other => Err(other),
    }
}
