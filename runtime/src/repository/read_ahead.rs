//! What a task reads for a command before the command has its turn and its thread.

use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet as _;
use crate::domain::stream_name::StreamName;
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::CommandOptions;
use crate::repository::known_key::KeyOfCommand;
use crate::repository::lanes::InLane;
use crate::repository::loading::Loader;
use crate::repository::replay::Replay;
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::append::Outcome;
use crate::store::event_store::EventStore;

/// What was read.
pub(super) struct Ahead<A> {
    /// How many appends the lane had then.
    queued: u64,
    /// What has become of an earlier command with the same idempotency key.
    outcome: Option<Outcome>,
    /// The aggregate, unless it is in memory.
    pub(super) replay: Option<Replay<A>>,
}

impl<A> Ahead<A> {
    /// Whether no other command of this process can have changed what was read.
    pub(super) fn is_current(&self, lane: &InLane<A>) -> bool {
        lane.queued() == Some(self.queued)
    }
}

/// The outcome of an earlier command with the key, if the store knows one.
pub(super) fn earlier_outcome<A: Aggregate, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    key: &KeyOfCommand<'_>,
    ahead: Option<&Ahead<A>>,
) -> Result<Option<Outcome>, ExecuteError<A::Error>> {
    match ahead {
        Some(ahead) => Ok(ahead.outcome.clone()),
        None => now(key.outcome::<Blocks, _, _>(store, stream)),
    }
}

/// What to read.
pub(super) struct ReadAhead<'k> {
    queued: u64,
    key: Option<KeyOfCommand<'k>>,
    /// Whether the command can be decided again, after a decision on an old state in memory.
    may_guess: bool,
}

impl<'k> ReadAhead<'k> {
    /// What a command needs; `None` if it is decided on the state that the command before it leads to.
    pub(super) fn of<A: Aggregate>(
        lane: &InLane<A>,
        command: &A::Command,
        options: &'k CommandOptions<'_, A::Services>,
        decisions: u32,
    ) -> Option<Self> {
        let queued = lane.queued()?;
        let key = options.key_to_look_up().map(|key| KeyOfCommand { key, command: command.mark() });
        Some(Self { queued, key, may_guess: decisions == 0 && command.again().is_some() })
    }

    /// Reads without a thread, and without the command's turn: that belongs to a thread.
    pub(super) async fn read<W: Waits, A: Aggregate, S: EventStore + ?Sized>(
        self,
        store: &S,
        loader: &Loader<A>,
        lane: &InLane<A>,
    ) -> Result<Ahead<A>, ExecuteError<A::Error>> {
        let (queued, stream) = (self.queued, lane.stream());
        let outcome = match &self.key {
            Some(key) => key.outcome::<W, _, _>(store, stream).await?,
            None => None,
        };
        let needs_state = outcome.is_none() && !(self.may_guess && loader.has_unread(store, stream));
        let replay = if needs_state { Some(loader.current::<W, _>(store, stream).await?) } else { None };
        Ok(Ahead { queued, outcome, replay })
    }
}
