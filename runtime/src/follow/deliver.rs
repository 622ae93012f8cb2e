//! The step of a reaction: handlers run outside of any transaction, then the step records each event as done.

use std::ops::ControlFlow;

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{EventHandler, contained};
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredLetter};
use crate::follow::reaction::{Delivery, SideEffects};
use crate::follow::step::{FailedStep, Opening, Share, Step, StepSize};
use crate::follow::worker::{StepTarget, Worker};
use crate::follow::{checkpoint, dead_letter};
use crate::store::owned_event::{ByteLimit, COPIED_BYTES, OwnedEvent};
use crate::store::partition::Partition;

/// How many events are read ahead. Few, as handlers may be slow and the events are held in memory.
const READ_AHEAD: usize = 64;

/// How many positions one step covers at most, where few events are the reaction's.
const WINDOW: u64 = 20_000;

impl<P: ProgressStore> StepTarget<P> for SideEffects {
    fn step<H: EventHandler<Target = Self>>(
        worker: &mut Worker<'_, H, P>,
        goal: Position,
        size: StepSize,
    ) -> Result<Step, FailedStep> {
        let (home, control, definition) = (worker.home(), worker.control(), worker.definition());
        let (opening, some_wait) = home.in_transaction(definition.name, |transaction| {
            let some_wait = dead_letter::some_wait::<P>(transaction, definition.name)?;
            Ok::<_, FollowError>((worker.open(transaction, goal)?, some_wait))
        })?;
        let share = match opening {
            Opening::Over(step) => return Ok(step),
            Opening::Handle(share) => share,
        };
        let next = home.events().next_position(share.after).map_err(FollowError::store(definition.name))?;
        let until = share.until(WINDOW, next);
        let limit = size.at_most(READ_AHEAD);
        let (events, reached) = read_ahead::<H, P>(home, definition, share, until, limit)?;
        let mut done = share.after;
        for (position, event) in events {
            // Handlers may be slow: other programs need not wait for all of these events.
            worker.look()?;
            if control.is_stopping() || !worker.may_run() {
                return Ok(share.reached(done));
            }
            if some_wait {
                match park(worker, share.partition, done, (position, &event))? {
                    Some(Step::NoLease(position)) => return Ok(Step::NoLease(position)),
                    Some(_) => {
                        done = position;
                        continue;
                    }
                    None => {}
                }
            }
            let attempt = worker.failures_of(position) + 1;
            let watch = worker.watch();
            deliver(worker.handlers(), (home, watch), position, &event, attempt)
                .map_err(|error| FailedStep { partition: share.partition, after: done, ..error.into() })?;
            worker.count(1);
            if !record(worker, share.partition, done, position)? {
                return Ok(Step::NoLease(done));
            }
            done = position;
            if share.partition == worker.partition() {
                worker.report_position(done);
            }
        }
        if reached > done && !record(worker, share.partition, done, reached)? {
            return Ok(Step::NoLease(done));
        }
        Ok(share.reached(reached))
    }

    fn retry_letter<H: EventHandler<Target = Self>>(
        handlers: &mut H,
        home: &ProgressHome<P>,
        follower: &'static str,
        letter: &StoredLetter,
        event: &OwnedEvent,
    ) -> Result<bool, FollowError> {
        let position = letter.position;
        let watch = home.hooks.watch(position, letter.attempts);
        deliver(handlers, (home, watch), position, event, letter.attempts.saturating_add(1))?;
        home.in_transaction(follower, |transaction| {
            P::remove_letter(transaction, follower, position).map_err(FollowError::store(follower))
        })
    }
}

/// Copies the next events, so that a slow handler does not keep the read open. Returns the position as well up to
/// which no other event is the reaction's.
///
/// Each event costs a commit of its own, so those that no handler gets are left out.
fn read_ahead<H: EventHandler, P: ProgressStore>(
    home: &ProgressHome<P>,
    definition: &FollowerDefinition,
    share: Share,
    until: Position,
    limit: usize,
) -> Result<(Vec<(Position, OwnedEvent)>, Position), FollowError> {
    let names = definition.stored_names();
    let filter = definition.filter(&names, share.partition).until(until);
    let (mut events, mut bytes, mut reached) = (Vec::new(), ByteLimit::new(COPIED_BYTES), until);
    home.events()
        .read_all(filter, share.after, usize::MAX, &mut |event| {
            if H::passes_over(event) {
                return ControlFlow::Continue(());
            }
            let position = event.envelope.position;
            events.push((position, OwnedEvent::copy(event)));
            let flow = if events.len() < limit { bytes.count(event) } else { ControlFlow::Break(()) };
            if flow.is_break() {
                reached = position;
            }
            flow
        })
        .map_err(FollowError::store(definition.name))?;
    Ok((events, reached))
}

/// Calls the handler with one event.
fn deliver<P: ProgressStore, R: EventHandler<Target = SideEffects>>(
    reaction: &mut R,
    (home, watch): (&ProgressHome<P>, Watch<'_>),
    position: Position,
    event: &OwnedEvent,
    attempt: u32,
) -> Result<(), FollowError> {
    let event = event.as_stored(position);
    let delivery = Delivery::new(R::NAME, &event.envelope, attempt, home.receiver.as_ref());
    contained(|| watch.handle::<R>(&event, || reaction.handle_stored(event.name, &event, &delivery)))
        .map_err(|error| ProgressHome::<P>::failed_at(R::NAME, None, &event, error))
}

/// Moves a partition from one position to another; `false` if another runner has taken the lease or moved the
/// partition.
fn record<H, P: ProgressStore>(
    worker: &mut Worker<'_, H, P>,
    partition: Partition,
    from: Position,
    to: Position,
) -> Result<bool, FollowError> {
    let (home, definition) = (worker.home(), worker.definition());
    home.in_transaction(definition.name, |transaction| {
        if !worker.take_lease(transaction, partition)?
            || checkpoint::require_in::<P>(transaction, definition)?.of(partition) != Some(from)
        {
            return Ok(false);
        }
        worker.save_position(transaction, partition, to).map(|()| true)
    })
}

/// Lets an event wait behind a dead letter of its stream, in one transaction with the position that skips it;
/// `None` if it has to be handled.
fn park<H, P: ProgressStore>(
    worker: &mut Worker<'_, H, P>,
    partition: Partition,
    from: Position,
    (position, event): (Position, &OwnedEvent),
) -> Result<Option<Step>, FollowError> {
    let (home, definition) = (worker.home(), worker.definition());
    home.in_transaction(definition.name, |transaction| {
        if !worker.take_lease(transaction, partition)?
            || checkpoint::require_in::<P>(transaction, definition)?.of(partition) != Some(from)
        {
            return Ok(Some(Step::NoLease(from)));
        }
        let envelope = event.as_stored(position).envelope;
        if !dead_letter::wait_behind::<P>(transaction, definition.name, &envelope)? {
            return Ok(None);
        }
        worker.save_position(transaction, partition, position)?;
        Ok(Some(Step::More(position)))
    })
}
