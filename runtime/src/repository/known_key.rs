//! What is known of an idempotency key: the outcome of its command, if it is the same command.

use std::ops::Range;

use crate::domain::command_mark::CommandMark;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::repository::error::{ExecuteError, ReadError};
use crate::repository::reads;
use crate::repository::waits::Waits;
use crate::store::append::{NewKey, Outcome};
use crate::store::error::{KeyReused, StoreError};
use crate::store::event_store::EventStore;

/// An idempotency key with the command that it comes with now.
pub(crate) struct KeyOfCommand<'k> {
    pub(crate) key: &'k str,
    pub(crate) command: CommandMark,
}

impl<'k> KeyOfCommand<'k> {
    /// The first outcome of the command, if the store knows the key.
    ///
    /// Fails if the key belongs to another command, and if the stream can't have the outcome.
    pub(crate) async fn outcome<W: Waits, S: EventStore + ?Sized, E>(
        &self,
        store: &S,
        stream: &StreamName,
    ) -> Result<Option<Outcome>, ExecuteError<E>> {
        let failed = |source| ReadError::store(stream, source);
        let outcome = reads::outcome::<W, _>(store, stream, self.key).await.map_err(failed)?;
        let Some(outcome) = outcome else { return Ok(None) };
        let newest = reads::stream_version::<W, _>(store, stream).await.map_err(failed)?;
        if outcome.before > outcome.version || outcome.version > newest {
            return Err(self.damaged(stream, &outcome, newest).into());
        }
        self.check(stream, &outcome)?;
        Ok(Some(outcome))
    }

    /// Fails if `outcome` is that of another command.
    pub(crate) fn check(&self, stream: &StreamName, outcome: &Outcome) -> Result<(), KeyReused> {
        match &outcome.command {
            Some(first) if self.command.is_another(first) => Err(KeyReused::new(
                stream.clone(),
                self.key,
                first.name.as_ref(),
                outcome.version,
                outcome.recorded_at,
            )),
            _ => Ok(()),
        }
    }

    /// The error for an outcome that a stream with events up to version `newest` can't have.
    pub(crate) fn damaged(&self, stream: &StreamName, outcome: &Outcome, newest: u64) -> ReadError {
        let Outcome { before, version, .. } = outcome;
        let problem = format!(
            "by it, the command led from version {before} to {version}, and the stream has version {newest}"
        );
        let (stream, key) = (stream.clone(), self.key.to_owned());
        ReadError::Store { stream: stream.clone(), source: StoreError::DamagedKey { stream, key, problem } }
    }

    /// The key as a store takes it: of a command that led to these of the append's events.
    pub(crate) fn as_new(&self, events: Range<usize>, recorded_at: Timestamp) -> NewKey<'k> {
        NewKey::new(self.key, events, recorded_at).with_command(self.command.clone())
    }
}
