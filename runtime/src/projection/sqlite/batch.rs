//! Many events into a view, in one transaction.

use std::ops::ControlFlow;

use rusqlite::Transaction;

use super::prepared;
use super::{Sqlite, ViewTransaction};
use crate::following::{Durable, Failed, Runner, Step, Task, View, known, lay_out, save};
use crate::projection::{ProjectError, Projection, ProjectionError, guarded, names};
use crate::store::sqlite;
use crate::store::{EventStore, Filter, Partition, StoredEvent};

/// How many positions one transaction on the events' own file looks at, where few of the events there are the projection's.
const WINDOW: u64 = 20_000;

impl Durable for Sqlite {
    fn step<P: Projection<Target = Self>>(
        runner: &mut Runner<'_, P>,
        goal: u64,
        limit: usize,
    ) -> Result<Step, Failed> {
        if runner.partition != Partition::WHOLE
            && let Some(step) = prepared::step(runner, goal, limit)?
        {
            return Ok(step);
        }
        let view = runner.view;
        view.in_transaction::<P, _, _>(|transaction| {
            let layout = known::<P>(transaction)?;
            if !runner.has_lease(transaction)? {
                return Ok(Step::NotOurs(layout.position()));
            }
            let (partition, position) = match layout.task(runner.partition) {
                Task::Wait => return Ok(Step::Wait(layout.position())),
                Task::LayOut { position } => {
                    lay_out::<P>(transaction, runner.partition.of(), position)?;
                    return Ok(Step::More(position));
                }
                Task::Part { partition, position } => (partition, position),
            };
            if position >= goal && partition == runner.partition {
                return Ok(caught::<P>(view, transaction, position, goal)?);
            }
            let goal = layout.goal(runner.partition, goal);
            let until = match view.source {
                // It is not held meanwhile.
                Some(_) => goal,
                None => goal.min(position + WINDOW),
            };
            let part = Part { source: view.source.as_deref(), partition, position };
            let batch = project(runner.handlers, transaction, &part, until, limit)?;
            runner.control.count(batch.events);
            Ok(match partition == runner.partition {
                true if batch.position >= goal => Step::Caught(batch.position),
                true => Step::More(batch.position),
                false => Step::More(layout.position()),
            })
        })
    }
}

/// The view has seen all there was. If it has seen more, somebody has appended since, and projected it; or the store has lost
/// events.
fn caught<P: Projection>(
    view: &View,
    transaction: &Transaction<'_>,
    seen: u64,
    goal: u64,
) -> Result<Step, ProjectionError> {
    if seen > goal {
        let newest = match &view.source {
            Some(source) => source.position(),
            None => sqlite::position(transaction),
        };
        let newest = newest.map_err(ProjectionError::store::<P>)?;
        if seen > newest {
            return Err(ProjectionError::Ahead { projection: P::NAME, seen, newest });
        }
    }
    Ok(Step::Caught(seen))
}

/// Streams whose events a view has seen up to a position.
pub(super) struct Part<'s> {
    /// Where the events are, if not where the transaction is.
    pub(super) source: Option<&'s dyn EventStore>,
    pub(super) partition: Partition,
    pub(super) position: u64,
}

impl Part<'_> {
    /// What to read of it.
    pub(super) fn filter<'f, P: Projection>(&self, names: &'f [&'f str], until: u64) -> Filter<'f> {
        let partition = self.partition;
        Filter { names, categories: P::FROM, bare: !P::METADATA, partition, until: Some(until) }
    }
}

/// What a transaction has projected.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) events: usize,
    pub(super) position: u64,
}

/// Projects at most `limit` events of a part, up to position `until`, and saves how far it has come.
///
/// After an error the transaction must not be committed.
pub(super) fn project<P: Projection<Target = Sqlite>>(
    projection: &mut P,
    transaction: &Transaction<'_>,
    part: &Part<'_>,
    until: u64,
    limit: usize,
) -> Result<Batch, Failed> {
    let names = names::<P>();
    let filter = part.filter::<P>(&names, until);
    let mut batch = Batch { events: 0, position: part.position };
    let writer = ViewTransaction::new(transaction);
    let mut result = Ok(());
    let mut visit = |event: &StoredEvent<'_>| {
        result = one::<P>(transaction, event, || projection.project_stored(event.name, event, &writer));
        if result.is_err() {
            return ControlFlow::Break(());
        }
        batch.events += 1;
        batch.position = event.envelope.position;
        ControlFlow::Continue(())
    };
    let read = match part.source {
        None => sqlite::read_all(transaction, filter, part.position, limit, &mut visit),
        Some(source) => source.read_all(filter, part.position, limit, &mut visit),
    };
    let failed = |error| Failed { before: batch.events, partition: part.partition, error };
    result.map_err(failed)?;
    read.map_err(|error| failed(ProjectionError::store::<P>(error)))?;
    if batch.events < limit {
        // What comes after the last one is nothing that this projection reads.
        batch.position = batch.position.max(until);
    }
    if batch.position > part.position {
        save::<P>(transaction, part.partition, batch.position).map_err(failed)?;
    }
    Ok(batch)
}

/// One event, as `handle` does it.
pub(super) fn one<P: Projection>(
    transaction: &Transaction<'_>,
    event: &StoredEvent<'_>,
    handle: impl FnOnce() -> Result<(), ProjectError>,
) -> Result<(), ProjectionError> {
    let handled = guarded(handle);
    if transaction.is_autocommit() {
        // SQLite has undone the transaction, by `OR ROLLBACK` or on a full disk. To go on would be to write without one.
        return Err(ProjectionError::RolledBack { projection: P::NAME, position: event.envelope.position });
    }
    handled.map_err(|error| ProjectionError::of_event::<P>(event, error))
}
