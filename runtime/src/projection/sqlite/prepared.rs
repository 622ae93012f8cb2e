//! Workers side by side: each reads and decodes ahead, on a connection of its own, and then writes, when it is its turn.

use std::ops::ControlFlow;

use super::batch::{Part, one};
use super::{Sqlite, ViewTransaction};
use crate::following::{Failed, Runner, Step, Task, known, save};
use crate::private::Prepared;
use crate::projection::{ProjectError, Projection, ProjectionError, guarded, names};
use crate::store::{Kept, StoredEvent};

/// How many events are decoded ahead, and so held in memory by each worker.
const AHEAD: usize = 1_000;

/// An event that waits for its worker's turn.
struct Ready<P: Projection> {
    position: u64,
    event: Kept,
    /// The handler's call; `None` if the event has to be looked into again.
    call: Result<Option<Prepared<P>>, ProjectError>,
}

/// One step of a worker with a part of its own; `None` if there is something else to do first, or nothing to do.
pub(super) fn step<P: Projection<Target = Sqlite>>(
    runner: &mut Runner<'_, P>,
    goal: u64,
    limit: usize,
) -> Result<Option<Step>, Failed> {
    let view = runner.view;
    let layout = view.on_reader::<P, _>(|connection| known::<P>(connection))?;
    let task = layout.task(runner.partition);
    let Task::Part { partition, position } = task else { return Ok(None) };
    if partition != runner.partition || position >= goal {
        return Ok(None);
    }
    let part = Part { source: Some(view.events()), partition, position };
    let limit = limit.min(AHEAD);
    let events = read::<P>(&part, goal, limit)?;
    let reached = match events.last() {
        Some(last) if events.len() == limit => last.position,
        // What comes after the last one is nothing that this worker reads.
        _ => goal,
    };
    let count = events.len();
    view.in_transaction::<P, _, Failed>(|transaction| {
        let layout = known::<P>(transaction)?;
        if !runner.has_lease(transaction)? {
            return Ok(Some(Step::NotOurs(layout.position())));
        }
        if layout.task(runner.partition) != task {
            // Somebody else has gone on with it, or has split the streams anew.
            return Ok(Some(Step::More(layout.position())));
        }
        let writer = ViewTransaction::new(transaction);
        for (before, ready) in events.into_iter().enumerate() {
            project(runner.handlers, &writer, ready).map_err(|error| Failed { before, partition, error })?;
        }
        save::<P>(transaction, partition, reached)?;
        runner.control.count(count);
        Ok(Some(if reached >= goal { Step::Caught(reached) } else { Step::More(reached) }))
    })
}

fn read<P: Projection>(part: &Part<'_>, until: u64, limit: usize) -> Result<Vec<Ready<P>>, ProjectionError> {
    let names = names::<P>();
    let mut events = Vec::new();
    let Some(source) = part.source else { return Ok(events) };
    source
        .read_all(part.filter::<P>(&names, until), part.position, limit, &mut |event: &StoredEvent<'_>| {
            let call = guarded(|| P::prepare(event.name, event).map_err(ProjectError::Decode));
            let event_kept = match call {
                Ok(Some(_)) => Kept::without_payload(event),
                _ => Kept::copy(event),
            };
            events.push(Ready { position: event.envelope.position, event: event_kept, call });
            ControlFlow::Continue(())
        })
        .map_err(ProjectionError::store::<P>)?;
    Ok(events)
}

fn project<P: Projection<Target = Sqlite>>(
    projection: &mut P,
    writer: &ViewTransaction<'_>,
    ready: Ready<P>,
) -> Result<(), ProjectionError> {
    let event = ready.event.as_stored(ready.position);
    one::<P>(writer, &event, || match ready.call {
        Ok(Some(call)) => call.project(projection, &event.envelope, writer).map_err(ProjectError::Handler),
        Ok(None) => projection.project_stored(event.name, &event, writer),
        Err(error) => Err(error),
    })
}
