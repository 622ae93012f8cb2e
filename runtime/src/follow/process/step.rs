//! What one transaction of a process does with events, time-outs and refusals.
//!
//! | crash | state of the store | what follows |
//! |---|---|---|
//! | before the commit of a step | as before the step | the events and time-outs come again |
//! | after it | state, commands, time-outs and checkpoint agree | the commands are sent |
//! | after the commit of a command's events | it no longer waits, and is recorded as sent | nothing |
//! | after that of a command in another store, before it is recorded | the command waits still | it is sent again, and its key makes it happen once |
//! | after a refusal, before it is recorded | the command waits still | the aggregate decides again: nothing has happened yet |

use std::any::Any;
use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::metadata::{Cause, Envelope};
use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, HandlerError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::contained;
use crate::follow::process::Process;
use crate::follow::process::actions::{Action, Actions};
use crate::follow::process::circles::{IN_A_ROW, TimeoutRows};
use crate::follow::process::instances::{Happening, HappeningKind, Undelivered, id_of};
use crate::follow::process::process_store::{ProcessStore, StoredCommand, StoredInstance, StoredTimeout};
use crate::follow::process::replay::Replays;
use crate::follow::process::settle::Origin;
use crate::follow::process::turn::{Input, Instance, TakeInput, Turn};
use crate::follow::progress_store::ProgressHome;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::read::{Filter, StoredEvent};
use crate::trace;

/// A step of the process `P` in a transaction of `S`.
pub(crate) struct ProcessStep<'s, 't, P, S: ProcessStore> {
    pub(crate) transaction: &'s S::Transaction<'t>,
    /// The store of the events, if it is in another database.
    pub(crate) source: Option<&'s dyn EventStore>,
    /// The state of a new instance.
    pub(crate) initial: &'s P,
    pub(crate) now: Timestamp,
    /// No time-out is due before this time.
    first_due: Cell<Timestamp>,
    rows: &'s TimeoutRows,
    pub(super) replays: &'s Replays<P>,
    /// Whether commands of its instances may wait that were held.
    has_met_released: Cell<bool>,
    /// What sees the events besides the process.
    pub(crate) watch: Watch<'s>,
}

/// What follows in the key of a command that follows from a refusal.
const AFTER_REFUSAL: &str = "/refused";

/// A time that no clock reaches.
const NEVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// Events to handle, and how many at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventSpan {
    pub(crate) after: Position,
    pub(crate) until: Position,
    pub(crate) limit: usize,
    /// When the transaction ends, after at least one event.
    pub(crate) deadline: Instant,
}

/// The events that a step has handled.
#[derive(Debug)]
pub(crate) struct HandledEvents {
    pub(crate) count: usize,
    /// The position up to which everything is handled.
    pub(crate) reached: Position,
    /// Why the event after that can't be handled. Nothing of it is written.
    pub(crate) error: Option<FollowError>,
}

/// Why an instance can't be handled.
pub(super) enum Trouble {
    /// The store has failed: the step is rolled back.
    Store(StoreError),
    /// It is the instance's own: a dead letter holds it.
    Instance(String),
    /// Its state is being rebuilt, which takes another step.
    Unfinished,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// An instance during a step, before anything of it is written.
pub(super) struct OpenInstance<P> {
    pub(super) id: String,
    pub(super) stored: StoredInstance,
    pub(super) state: Option<P>,
    pub(super) actions: Vec<Action>,
    /// Whether it has remembered something.
    pub(super) has_taken: bool,
    /// Whether what came has to wait, as the instance is held.
    pub(super) waits: bool,
    pub(super) error: Option<String>,
}

impl<P> OpenInstance<P> {
    fn is_done(&self) -> bool {
        self.stored.done_at.is_some() || self.actions.contains(&Action::Done)
    }
}

/// Lets instances take their inputs. Nothing is written before all of them have.
struct Taker<'s, 't, P, S: ProcessStore> {
    step: &'s ProcessStep<'s, 't, P, S>,
    /// The only instance that counts, if the event has been handled for the others.
    only: Option<&'s str>,
    /// The name of the event; `None` for a time-out.
    event: Option<&'s str>,
    opened: Vec<OpenInstance<P>>,
    store_error: Option<StoreError>,
    is_unfinished: bool,
}

impl<P: Process, S: ProcessStore> TakeInput<P> for Taker<'_, '_, P, S> {
    fn take(
        &mut self,
        instance: String,
        starts: bool,
        input: &dyn Input<P>,
        envelope: &Envelope<'_>,
    ) -> Result<(), BoxError> {
        if self.only.is_some_and(|only| only != instance) {
            return Ok(());
        }
        let known = self.opened.iter().position(|open| open.id == instance);
        let mut open = match known {
            Some(index) => self.opened.swap_remove(index),
            None => match S::instance(self.step.transaction, P::NAME, &instance) {
                Ok(stored) => {
                    let stored = stored.unwrap_or_default();
                    if stored.is_released {
                        self.step.has_met_released.set(true);
                    }
                    OpenInstance {
                        id: instance,
                        stored,
                        state: None,
                        actions: Vec::new(),
                        has_taken: false,
                        waits: false,
                        error: None,
                    }
                }
                Err(error) => {
                    self.store_error = Some(error);
                    return Err("the store failed".into());
                }
            },
        };
        let result = self.step.take(&mut open, starts, (self.event, input), envelope);
        match result {
            Err(Trouble::Store(error)) => self.store_error = Some(error),
            Err(Trouble::Instance(error)) => open.error = Some(error),
            Err(Trouble::Unfinished) => self.is_unfinished = true,
            Ok(()) => {}
        }
        self.opened.push(open);
        if self.store_error.is_some() || self.is_unfinished { Err("not now".into()) } else { Ok(()) }
    }
}

impl<'s, 't, P: Process, S: ProcessStore> ProcessStep<'s, 't, P, S> {
    pub(crate) fn new(
        transaction: &'s S::Transaction<'t>,
        home: &'s ProgressHome<S>,
        initial: &'s P,
        now: Timestamp,
        (rows, replays): (&'s TimeoutRows, &'s Replays<P>),
        watch: Watch<'s>,
    ) -> Self {
        let first_due = Cell::new(Timestamp::from_micros(i64::MIN));
        Self {
            transaction,
            source: home.source.as_deref(),
            initial,
            now,
            first_due,
            rows,
            replays,
            has_met_released: Cell::new(false),
            watch,
        }
    }

    /// Whether a caller has released one of its instances: commands of before may wait.
    pub(crate) fn has_met_released(&self) -> bool {
        self.has_met_released.get()
    }

    /// Handles events, and before each the time-outs that were due when it was recorded.
    pub(crate) fn events(
        &self,
        definition: &FollowerDefinition,
        span: EventSpan,
    ) -> Result<HandledEvents, FollowError> {
        let names = definition.stored_names();
        let filter = definition.filter(&names, crate::store::partition::Partition::WHOLE).until(span.until);
        let mut router = self.initial.duplicate();
        let mut handled = HandledEvents { count: 0, reached: span.after, error: None };
        let (mut is_at_end, mut failure) = (true, None);
        let mut visit = |event: &StoredEvent<'_>| {
            if P::passes_over(event) {
                return ControlFlow::Continue(());
            }
            let mut handle = || {
                // The next step continues with time-outs that were due before the event, or with the replay of a state.
                let is_turn = self.time_outs(event.envelope.recorded_at, span.deadline)?;
                Ok(is_turn && trace::handler("process", P::NAME, || self.event(&mut router, event, None))?)
            };
            match handle() {
                Ok(true) => {}
                Ok(false) => is_at_end = false,
                Err(error) if FollowError::position(&error).is_some() => handled.error = Some(error),
                Err(error) => failure = Some(error),
            }
            is_at_end &= handled.error.is_none() && failure.is_none();
            if !is_at_end {
                return ControlFlow::Break(());
            }
            handled.count += 1;
            handled.reached = event.envelope.position;
            is_at_end = handled.count < span.limit && Instant::now() < span.deadline;
            if is_at_end { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let read = match self.source {
            Some(source) => source.read_all(filter, span.after, usize::MAX, &mut visit),
            None => S::events_in(self.transaction, filter, span.after, &mut visit),
        };
        read.map_err(FollowError::store(P::NAME))?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        if is_at_end {
            handled.reached = handled.reached.max(span.until);
        }
        Ok(handled)
    }

    /// Fires the time-outs that are due at a time and by the clock, in order of their times. Returns whether none is left.
    pub(crate) fn time_outs(&self, at: Timestamp, deadline: Instant) -> Result<bool, FollowError> {
        let failed = FollowError::store(P::NAME);
        let at = at.min(self.now);
        while self.first_due.get() <= at {
            let first = S::first_timeout(self.transaction, P::NAME).map_err(failed)?;
            self.first_due.set(first.as_ref().map_or(NEVER, |first| first.due));
            let Some(timeout) = first.filter(|first| first.due <= at) else { return Ok(true) };
            if !self.time_out(&timeout).map_err(failed)? || Instant::now() >= deadline {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets a time-out.
    pub(super) fn set_timeout(&self, timeout: &StoredTimeout) -> Result<(), StoreError> {
        self.first_due.set(self.first_due.get().min(timeout.due));
        S::set_timeout(self.transaction, P::NAME, timeout)
    }

    /// Handles events that have waited for their instances, and before each the time-outs that were due when it was recorded.
    /// Returns whether none is left.
    pub(crate) fn waiting(&self, deadline: Instant) -> Result<bool, FollowError> {
        let failed = FollowError::store(P::NAME);
        let mut router = self.initial.duplicate();
        while let Some((instance, position)) = S::ready(self.transaction, P::NAME).map_err(failed)? {
            let mut result = None;
            let mut visit = |event: &StoredEvent<'_>| {
                result = Some(self.waited(&mut router, event, &instance, deadline));
                ControlFlow::Break(())
            };
            self.read_at(position, &mut visit).map_err(failed)?;
            match result {
                Some(Err(error)) if error.position().is_some() => {
                    // It was readable when its instance was found: another program reads it now.
                    S::wait(self.transaction, P::NAME, &instance, position).map_err(failed)?;
                    let what = Undelivered::Event(position);
                    self.hold(&instance, what, "", None, with_causes(&error)).map_err(failed)?;
                }
                Some(handled) => {
                    if !handled? {
                        return Ok(false);
                    }
                }
                None => S::remove_waiting(self.transaction, P::NAME, &instance, position).map_err(failed)?,
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Handles an event that has waited, after the time-outs that were due when it was recorded. Returns whether it has: the
    /// time may be over before.
    fn waited(
        &self,
        router: &mut P,
        event: &StoredEvent<'_>,
        instance: &str,
        deadline: Instant,
    ) -> Result<bool, FollowError> {
        let envelope = &event.envelope;
        if !self.time_outs(envelope.recorded_at, deadline)? {
            return Ok(false);
        }
        self.event(router, event, Some(instance))
    }

    /// Records that a command was sent.
    pub(crate) fn sent(&self, command: &StoredCommand) -> Result<(), FollowError> {
        let mut happening = Happening::new(self.now, HappeningKind::Sent, &command.name);
        happening.cause = Some(command.cause.id);
        happening.detail = Some(command.key.clone());
        let removed = S::remove_command(self.transaction, P::NAME, command.id);
        let recorded = match removed {
            // Another runner has dealt with it.
            Ok(false) => Ok(()),
            Ok(true) => S::record(self.transaction, P::NAME, &command.instance, &happening),
            Err(error) => Err(error),
        };
        recorded.map_err(FollowError::store(P::NAME))
    }

    /// Holds the instance of a command that can't be sent.
    pub(crate) fn unsendable(&self, command: &StoredCommand, error: String) -> Result<(), FollowError> {
        let failed = FollowError::store(P::NAME);
        let StoredCommand { id, instance, name, cause, .. } = command;
        if S::waits(self.transaction, P::NAME, *id).map_err(failed)? {
            self.hold(instance, Undelivered::Command { id: *id }, name, Some(cause), error)
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Lets the instance of a command decide on its refusal.
    ///
    /// Returns whether it has: a state may have to be replayed before. If the instance is held meanwhile, the command is sent
    /// again later.
    pub(crate) fn refused(
        &self,
        command: &StoredCommand,
        refusal: &dyn Any,
        text: &str,
    ) -> Result<bool, FollowError> {
        self.decide_refusal(command, refusal, text).map_err(FollowError::store(P::NAME))
    }

    fn decide_refusal(
        &self,
        command: &StoredCommand,
        refusal: &dyn Any,
        text: &str,
    ) -> Result<bool, StoreError> {
        let StoredCommand { id, instance, key, name, version, payload, cause, .. } = command;
        let name = P::name_now(name).unwrap_or(name);
        let what = Undelivered::Command { id: *id };
        if !S::waits(self.transaction, P::NAME, *id)? {
            return Ok(true);
        }
        let stored = S::instance(self.transaction, P::NAME, instance)?.unwrap_or_default();
        let prefix = format!("{}/{instance}/", P::NAME);
        let from = key.strip_prefix(&prefix).unwrap_or(key);
        let decided = if stored.done_at.is_some() {
            Err(Trouble::Instance(format!("the command was refused after the process was done: {text}")))
        } else if from.matches(AFTER_REFUSAL).count() >= IN_A_ROW as usize {
            Err(Trouble::Instance(format!(
                "the command was refused, as were {IN_A_ROW} before it, each of which followed from the refusal of the one \
                 before: {text}"
            )))
        } else {
            self.state(instance, &stored).and_then(|state| {
                let Some(mut state) = state else { return Err(Trouble::Instance("it has no state".into())) };
                let id = id_of::<P>(instance).map_err(trouble)?;
                let handled =
                    catch_panic(|| state.handle_refusal(name, *version, payload, refusal, &Instance { id }));
                match handled {
                    Ok(Some(actions)) => Ok((state, actions.map_err(trouble)?)),
                    Ok(None) => Err(Trouble::Instance(format!("the command was refused: {text}"))),
                    Err(panic) => Err(Trouble::Instance(with_causes(&panic))),
                }
            })
        };
        let (state, Actions(actions)) = match decided {
            Ok(decided) => decided,
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::Unfinished) => return Ok(false),
            Err(Trouble::Instance(error)) => {
                self.hold(instance, what, name, Some(cause), error)?;
                return Ok(true);
            }
        };
        let mut happening = Happening::new(self.now, HappeningKind::Refused, name);
        happening.detail = Some(text.to_owned());
        let origin = Origin {
            key: format!("{from}{AFTER_REFUSAL}"),
            at: self.now,
            cause: cause.clone(),
            happening,
            what,
            timeout: None,
        };
        let open = OpenInstance {
            id: instance.clone(),
            stored,
            state: Some(state),
            actions,
            has_taken: true,
            waits: false,
            error: None,
        };
        if self.settle(open, &origin)? {
            S::remove_command(self.transaction, P::NAME, *id)?;
        }
        Ok(true)
    }

    /// Fires a time-out. Returns whether it has: a state may have to be replayed before.
    fn time_out(&self, timeout: &StoredTimeout) -> Result<bool, StoreError> {
        let StoredTimeout { instance, name, due, id, version, payload, cause } = timeout;
        let mut envelope = Envelope::new(Position::START, "", instance, 0);
        (envelope.id, envelope.recorded_at, envelope.correlation) = (cause.id, *due, Some(cause.correlation));
        let mut happening = Happening::new(self.now, HappeningKind::TimedOut, name);
        (happening.version, happening.detail) = (*version, Some(payload.clone()));
        let origin = Origin {
            key: id.to_string(),
            at: *due,
            cause: cause.clone(),
            happening,
            what: Undelivered::Timeout,
            timeout: Some(timeout),
        };
        let mut router = self.initial.duplicate();
        let taken = self.taken(None, None, |turn| {
            contained(|| router.handle_timeout(name, *version, payload, &envelope, turn))
        })?;
        let Some((handled, opened)) = taken else { return Ok(false) };
        if let Err(error) = self.rows.add(instance, *due) {
            self.hold(instance, Undelivered::Timeout, name, Some(cause), error)?;
            return Ok(true);
        }
        match handled {
            Ok(()) => {
                S::cancel_timeouts(self.transaction, P::NAME, instance, Some(name))?;
                opened.into_iter().try_for_each(|open| self.settle(open, &origin).map(drop))?;
            }
            Err(error) => {
                self.hold(instance, Undelivered::Timeout, name, Some(cause), with_causes(&error))?;
            }
        }
        Ok(true)
    }

    /// Hands an event to its instances, or to the `only` one for which it has waited. Returns whether it has: a state may have to
    /// be replayed before.
    fn event(
        &self,
        router: &mut P,
        event: &StoredEvent<'_>,
        only: Option<&str>,
    ) -> Result<bool, FollowError> {
        let failed = FollowError::store(P::NAME);
        let taken = self
            .taken(only, Some(event.name), |turn| contained(|| router.handle_stored(event.name, event, turn)))
            .map_err(failed)?;
        let Some((handled, opened)) = taken else { return Ok(false) };
        handled.map_err(|error| FollowError::at(P::NAME, event, error))?;
        let envelope = &event.envelope;
        if let Some(instance) = only {
            S::remove_waiting(self.transaction, P::NAME, instance, envelope.position).map_err(failed)?;
        }
        let mut happening = Happening::new(self.now, HappeningKind::Received, event.name);
        happening.position = Some(envelope.position);
        let origin = Origin {
            key: envelope.id.to_string(),
            at: envelope.recorded_at,
            cause: Cause::new(envelope.id, envelope.correlation.unwrap_or(envelope.id)),
            happening,
            what: Undelivered::Event(envelope.position),
            timeout: None,
        };
        for open in opened {
            self.settle(open, &origin).map_err(failed)?;
        }
        Ok(true)
    }

    /// Lets instances take what `hand` gives them; `None` if a state has to be replayed before.
    #[expect(clippy::type_complexity, reason = "the two results of one call")]
    fn taken(
        &self,
        only: Option<&str>,
        event: Option<&str>,
        hand: impl FnOnce(&Turn<'_, P>) -> Result<(), HandlerError>,
    ) -> Result<Option<(Result<(), HandlerError>, Vec<OpenInstance<P>>)>, StoreError> {
        let mut taker =
            Taker { step: self, only, event, opened: Vec::new(), store_error: None, is_unfinished: false };
        let handled = hand(&Turn::new(&mut taker));
        match taker.store_error {
            Some(error) => Err(error),
            None if taker.is_unfinished => Ok(None),
            None => Ok(Some((handled, taker.opened))),
        }
    }

    fn take(
        &self,
        open: &mut OpenInstance<P>,
        starts: bool,
        (event, input): (Option<&str>, &dyn Input<P>),
        envelope: &Envelope<'_>,
    ) -> Result<(), Trouble> {
        if open.is_done() || open.error.is_some() {
            return Ok(());
        }
        if open.stored.is_held {
            open.waits = true;
            return Ok(());
        }
        let mut state = match open.state.take() {
            Some(state) => state,
            None => match self.state(&open.id, &open.stored)? {
                Some(state) => state,
                None if starts => self.initial.duplicate(),
                None => return Ok(()),
            },
        };
        let id = id_of::<P>(&open.id).map_err(trouble)?;
        let decide = || {
            input.remember(&mut state);
            let Actions(actions) =
                input.decide(&mut state, envelope, &Instance { id }).map_err(HandlerError::Handler)?;
            open.actions.extend(actions);
            Ok(())
        };
        let decided = match event {
            Some(event) => contained(|| self.watch.handle_named::<P>(event, envelope, decide)),
            None => contained(decide),
        };
        decided.map_err(|error| Trouble::Instance(with_causes(&error)))?;
        (open.state, open.has_taken) = (Some(state), true);
        Ok(())
    }

    /// The state of an instance; `None` if it has not begun.
    fn state(&self, instance: &str, stored: &StoredInstance) -> Result<Option<P>, Trouble> {
        let Some(json) = &stored.state else { return Ok(None) };
        if stored.fingerprint == P::STATE.fingerprint.cast_signed()
            && let Ok(state) = (P::STATE.decode)(json.as_bytes())
        {
            return Ok(Some(state));
        }
        self.replayed(instance).map(Some)
    }

    /// Reads the event at a position.
    pub(super) fn read_at(
        &self,
        position: Position,
        visit: &mut dyn FnMut(&StoredEvent<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (filter, after) = (Filter::new().until(position), position.previous());
        match self.source {
            Some(source) => source.read_all(filter, after, 1, visit),
            None => S::events_in(self.transaction, filter, after, visit),
        }
    }
}

fn trouble(error: impl Into<BoxError>) -> Trouble {
    Trouble::Instance(with_causes(&*error.into()))
}
