//! The step of a worker beside others: it reads and decodes ahead on a connection of its own, and writes in
//! its turn.

use std::time::Instant;

use rusqlite::Transaction;

use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::batch::{Projected, Waits, refused_commit};
use crate::follow::checkpoint;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, HandlerError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, Prepared};
use crate::follow::step::{FailedStep, Opening, Step, StepSize};
use crate::follow::worker::Worker;
use crate::sqlite::file::errors::violated_constraint;
use crate::sqlite::projection::batch::project_one;
use crate::sqlite::projection::target::SqliteTarget;
use crate::sqlite::projection::view_transaction::ViewTransaction;
use crate::sqlite::store::SqliteStore;
use crate::store::event_store::EventStore;
use crate::store::owned_event::{ByteLimit, COPIED_BYTES, OwnedEvent};
use crate::store::partition::Partition;

/// How many events each worker decodes ahead and holds in memory, at most.
const DECODED_AHEAD: usize = 1_000;

/// An event that waits for its worker's turn to write.
struct DecodedEvent<H: EventHandler> {
    position: Position,
    event: OwnedEvent,
    /// The handler's call; `None` if the event has to be decoded when it is projected.
    call: Result<Option<Prepared<H>>, HandlerError>,
}

/// One step of a worker with a partition of its own; `None` if another task comes first, or no event is left.
pub(super) fn step<H: EventHandler<Target: SqliteTarget>>(
    worker: &mut Worker<'_, H, SqliteStore>,
    goal: Position,
    size: StepSize,
) -> Result<Option<Step>, FailedStep> {
    let (home, definition) = (worker.home(), worker.definition());
    let positions = checkpoint::require(&home.progress, definition)?;
    let Some(after) = positions.of(worker.partition()).filter(|after| *after < goal) else {
        return Ok(None);
    };
    let partition = worker.partition();
    let limit = size.at_most(DECODED_AHEAD);
    let (events, is_full) = read::<H>(home.events(), definition, partition, after, goal, limit)?;
    let reached = match events.last() {
        Some(last) if is_full => last.position,
        // Up to `goal`, no further event is this worker's.
        _ => goal,
    };
    let count = events.len();
    let (batch_time, failed) = (worker.batch_time(), FollowError::store(definition.name));
    let mut projected = None;
    let batch = |transaction: &Transaction<'_>| {
        let deadline = size.deadline(batch_time);
        let share = match worker.open(transaction, goal)? {
            Opening::Over(step) => return Ok(Some(step)),
            Opening::Handle(share) => share,
        };
        if (share.partition, share.after) != (partition, after) {
            // Another runner has moved the partition, or has split the streams again.
            return Ok(Some(share.reached(share.after)));
        }
        let context = ViewTransaction::new(transaction);
        let waits = Waits::<SqliteStore>::of(transaction, definition.name)?;
        let watch = worker.watch();
        let (mut handled, mut reached, mut before) = (0, reached, after);
        for decoded in events {
            let position = decoded.position;
            project(worker.handlers(), watch, &context, &waits, decoded).map_err(|error| FailedStep {
                handled,
                partition,
                after: before,
                ..error.into()
            })?;
            before = position;
            handled += 1;
            if handled < count && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                // The rest is read and decoded again in a later step.
                reached = position;
                break;
            }
        }
        worker.save_position(transaction, partition, reached)?;
        worker.count(handled);
        projected = Some(Projected { share, events: handled, last: before });
        Ok(Some(share.reached(reached)))
    };
    let result = home.progress.in_batch(batch, |source| failed(source).into());
    result.map_err(|failed| refused_commit(failed, projected, violated_constraint))
}

/// Reads and decodes the next events of a partition. Returns also whether more may follow.
fn read<H: EventHandler>(
    events: &dyn EventStore,
    definition: &FollowerDefinition,
    partition: Partition,
    after: Position,
    until: Position,
    limit: usize,
) -> Result<(Vec<DecodedEvent<H>>, bool), FollowError> {
    let follower = definition.name;
    let names = definition.stored_names();
    let filter = definition.filter(&names, partition).until(until);
    let (mut decoded, mut bytes) = (Vec::new(), ByteLimit::new(COPIED_BYTES));
    events
        .read_all(filter, after, limit, &mut |event| {
            let call = catch_panic(|| H::prepare(event.name, event).map_err(HandlerError::Decode));
            let call = call.unwrap_or_else(|panic| Err(HandlerError::Handler(Box::new(panic))));
            let owned = match call {
                Ok(Some(_)) => OwnedEvent::copy_without_payload(event),
                _ => OwnedEvent::copy(event),
            };
            decoded.push(DecodedEvent { position: event.envelope.position, event: owned, call });
            bytes.count(event)
        })
        .map_err(FollowError::store(follower))?;
    let is_full = decoded.len() == limit || bytes.is_reached();
    Ok((decoded, is_full))
}

fn project<H: EventHandler<Target: SqliteTarget>>(
    projection: &mut H,
    watch: Watch<'_>,
    context: &ViewTransaction<'_>,
    waits: &Waits<'_, SqliteStore>,
    decoded: DecodedEvent<H>,
) -> Result<(), FollowError> {
    let event = decoded.event.as_stored(decoded.position);
    waits.project_unless(&event, || {
        let handle = || match decoded.call {
            Ok(Some(call)) => H::Target::lend(context, |context| {
                call.call(projection, &event.envelope, context).map_err(HandlerError::Handler)
            }),
            Ok(None) => {
                H::Target::lend(context, |context| projection.handle_stored(event.name, &event, context))
            }
            Err(error) => Err(error),
        };
        project_one(H::NAME, context, &event, || watch.handle::<H>(&event, handle))
    })
}
