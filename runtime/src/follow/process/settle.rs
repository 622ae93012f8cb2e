//! Writes what has become of an instance: its state, its commands and time-outs, its history, or the dead letter that holds it.

use crate::domain::error::with_causes;
use crate::domain::metadata::Cause;
use crate::domain::new_id::new_id;
use crate::domain::time::Timestamp;
use crate::follow::process::Process;
use crate::follow::process::actions::{Action, Due};
use crate::follow::process::instances::{Happening, HappeningKind, ProcessLetter, Undelivered};
use crate::follow::process::process_store::{ProcessStore, StoredCommand, StoredInstance, StoredTimeout};
use crate::follow::process::step::{OpenInstance, ProcessStep};
use crate::store::error::StoreError;
use crate::trace;

/// What leads to actions.
pub(super) struct Origin<'o> {
    /// The part of the commands' keys that says what they follow from.
    pub(super) key: String,
    /// When it happened: the time from which `After` counts.
    pub(super) at: Timestamp,
    pub(super) cause: Cause,
    pub(super) happening: Happening,
    /// What is undelivered if the instance fails.
    pub(super) what: Undelivered,
    /// What the failed instance needs for another try.
    pub(super) timeout: Option<&'o StoredTimeout>,
}

impl<P: Process, S: ProcessStore> ProcessStep<'_, '_, P, S> {
    /// Writes what has become of an instance. Returns whether it has taken what came.
    pub(super) fn settle(&self, open: OpenInstance<P>, origin: &Origin<'_>) -> Result<bool, StoreError> {
        let OpenInstance { id, stored, state, actions, has_taken, waits, error } = open;
        let is_done = actions.contains(&Action::Done);
        let encoded = match (&state, error) {
            (_, Some(error)) => Err(error),
            (Some(state), None) if !is_done => encode(state).map(Some),
            _ => Ok(None),
        };
        let state = match encoded {
            Ok(state) => state,
            Err(error) => {
                match (origin.what, origin.timeout) {
                    (Undelivered::Event(position), _) => {
                        S::wait(self.transaction, P::NAME, &id, position)?;
                    }
                    (_, Some(timeout)) => self.set_timeout(timeout)?,
                    _ => {}
                }
                self.hold(&id, origin.what, &origin.happening.name, Some(&origin.cause), error)?;
                return Ok(false);
            }
        };
        if let (true, Undelivered::Event(position)) = (waits, origin.what) {
            S::wait(self.transaction, P::NAME, &id, position)?;
        }
        if !has_taken {
            return Ok(false);
        }
        let happening = Happening { cause: Some(origin.cause.id), ..origin.happening.clone() };
        S::record(self.transaction, P::NAME, &id, &happening)?;
        self.act(&id, actions, origin)?;
        let stored = StoredInstance {
            is_released: false,
            fingerprint: P::STATE.fingerprint.cast_signed(),
            state,
            done_at: is_done.then_some(self.now),
            is_held: stored.is_held,
        };
        S::save_instance(self.transaction, P::NAME, &id, &stored)?;
        if is_done {
            S::cancel_timeouts(self.transaction, P::NAME, &id, None)?;
            let mut happening = Happening::new(self.now, HappeningKind::Done, "");
            happening.cause = Some(origin.cause.id);
            S::record(self.transaction, P::NAME, &id, &happening)?;
        }
        Ok(true)
    }

    fn act(&self, instance: &str, actions: Vec<Action>, origin: &Origin<'_>) -> Result<(), StoreError> {
        let (transaction, process) = (self.transaction, P::NAME);
        for (index, action) in actions.into_iter().enumerate() {
            match action {
                Action::Send { command, aggregate, version, payload } => {
                    let command = StoredCommand {
                        id: 0,
                        instance: instance.to_owned(),
                        key: format!("{process}/{instance}/{}/{index}", origin.key),
                        name: command.to_owned(),
                        aggregate: aggregate.map(str::to_owned),
                        version,
                        payload,
                        cause: origin.cause.clone(),
                    };
                    S::queue_command(transaction, process, &command)?;
                }
                Action::Set { timeout, version, payload, due } => {
                    let due = match due {
                        Due::At(time) => time,
                        Due::After(delay) => origin.at.after(delay),
                    };
                    let timeout = StoredTimeout {
                        instance: instance.to_owned(),
                        name: timeout.to_owned(),
                        due,
                        id: new_id(),
                        version,
                        payload,
                        cause: origin.cause.clone(),
                    };
                    self.set_timeout(&timeout)?;
                }
                Action::Cancel { timeout } => {
                    S::cancel_timeouts(transaction, process, instance, Some(timeout))?;
                }
                Action::Done => {}
            }
        }
        Ok(())
    }

    /// Holds an instance by a dead letter.
    pub(super) fn hold(
        &self,
        instance: &str,
        what: Undelivered,
        name: &str,
        cause: Option<&Cause>,
        error: String,
    ) -> Result<(), StoreError> {
        let mut happening = Happening::new(self.now, HappeningKind::Failed, name);
        happening.cause = cause.map(|cause| cause.id);
        happening.detail = Some(error.clone());
        if let Undelivered::Event(position) = what {
            happening.position = Some(position);
        }
        S::record(self.transaction, P::NAME, instance, &happening)?;
        let (instance, name) = (instance.to_owned(), name.to_owned());
        let letter = ProcessLetter { instance, what, name, error, failed_at: self.now };
        S::hold(self.transaction, P::NAME, &letter)?;
        trace::instance_held(P::NAME, &letter.instance, &letter.error);
        Ok(())
    }
}

/// A state as JSON.
fn encode<P: Process>(state: &P) -> Result<String, String> {
    let mut json = Vec::new();
    (P::STATE.encode)(state, &mut json)
        .map_err(|error| format!("the state can't be written as JSON: {error}"))?;
    String::from_utf8(json).map_err(|error| with_causes(&error))
}
