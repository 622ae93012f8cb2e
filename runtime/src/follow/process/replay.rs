//! Rebuilds the state of an instance, whose shape has changed, from the instance's history: a part of it in each step, so that no
//! transaction is long.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::domain::error::{BoxError, with_causes};
use crate::domain::metadata::Envelope;
use crate::domain::position::Position;
use crate::follow::handler::contained;
use crate::follow::process::Process;
use crate::follow::process::process_store::{PastInput, ProcessStore};
use crate::follow::process::step::{ProcessStep, Trouble};
use crate::follow::process::turn::{Input, TakeInput, Turn};
use crate::store::read::StoredEvent;

/// How many events and time-outs one step replays at most.
const PART: usize = 1_000;

/// The states that are not rebuilt yet, by instance.
pub(crate) struct Replays<P> {
    begun: RefCell<HashMap<String, Begun<P>>>,
}

struct Begun<P> {
    /// The place in the history up to which the state is rebuilt.
    through: i64,
    state: Option<P>,
}

impl<P> Replays<P> {
    pub(crate) fn clear(&self) {
        self.begun.borrow_mut().clear();
    }
}

impl<P> Default for Replays<P> {
    fn default() -> Self {
        Self { begun: RefCell::default() }
    }
}

impl<P> fmt::Debug for Replays<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replays")
    }
}

/// Remembers the inputs of one instance again.
struct Replay<'r, P> {
    instance: &'r str,
    state: Option<P>,
    initial: &'r P,
}

impl<P: Process> TakeInput<P> for Replay<'_, P> {
    fn take(
        &mut self,
        instance: String,
        _: bool,
        input: &dyn Input<P>,
        _: &Envelope<'_>,
    ) -> Result<(), BoxError> {
        if instance == self.instance {
            input.remember(self.state.get_or_insert_with(|| self.initial.duplicate()));
        }
        Ok(())
    }
}

impl<P: Process, S: ProcessStore> ProcessStep<'_, '_, P, S> {
    /// The state that an instance's events and time-outs lead to; [`Trouble::Unfinished`] if that takes another step.
    pub(super) fn replayed(&self, instance: &str) -> Result<P, Trouble> {
        let begun = self.replays.begun.borrow_mut().remove(instance);
        let Begun { mut through, state } = begun.unwrap_or(Begun { through: 0, state: None });
        let mut replay = Replay { instance, state, initial: self.initial };
        let mut router = self.initial.duplicate();
        let part = S::past(self.transaction, P::NAME, instance, through, PART)?;
        let is_all = part.len() < PART;
        for (place, input) in part {
            through = place;
            let mut handled = Ok(());
            match input {
                PastInput::Event(position) => {
                    let mut visit = |event: &StoredEvent<'_>| {
                        let turn = Turn::new(&mut replay);
                        handled = contained(|| router.handle_stored(event.name, event, &turn));
                        ControlFlow::Break(())
                    };
                    self.read_at(position, &mut visit)?;
                }
                PastInput::Timeout { name, version, payload } => {
                    let envelope = Envelope::new(Position::START, "", instance, 0);
                    let turn = Turn::new(&mut replay);
                    handled = contained(|| router.handle_timeout(&name, version, &payload, &envelope, &turn));
                }
            }
            handled.map_err(|error| {
                Trouble::Instance(format!(
                    "its state has another shape, and can't be replayed: {}",
                    with_causes(&error)
                ))
            })?;
        }
        if is_all {
            return Ok(replay.state.unwrap_or_else(|| self.initial.duplicate()));
        }
        let begun = Begun { through, state: replay.state };
        self.replays.begun.borrow_mut().insert(instance.to_owned(), begun);
        Err(Trouble::Unfinished)
    }
}
