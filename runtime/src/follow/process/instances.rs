//! The instances of a process, for callers: their states, their histories, and the dead letters that hold them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::error::BoxError;
use crate::domain::id::AggregateId;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::dead_letter::LISTED;
use crate::follow::error::FollowError;
use crate::follow::process::Process;
use crate::follow::process::clock::Clock;
use crate::follow::process::process_store::{ProcessStore, StoredInstance};
use crate::store::error::StoreError;

/// One entry of the history of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Happening {
    /// When it happened, by the clock of the process.
    pub at: Timestamp,
    /// What happened.
    pub kind: HappeningKind,
    /// The name of the event, the command or the time-out; empty for [`HappeningKind::Done`].
    pub name: String,
    /// The id of the event that led to it.
    pub cause: Option<Uuid>,
    /// The position of the event, if it is one.
    pub position: Option<Position>,
    /// The version of a time-out, as it was stored.
    pub(crate) version: u32,
    /// More about it: the refusal, the error, the reason, the idempotency key of a command that was sent.
    pub detail: Option<String>,
}

/// What happened to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HappeningKind {
    /// It has received an event.
    Received,
    /// One of its time-outs was due.
    TimedOut,
    /// One of its commands was executed. The detail is the idempotency key.
    Sent,
    /// One of its commands was refused. The detail is the refusal.
    Refused,
    /// It has failed, and is held by a dead letter. The detail is the error.
    Failed,
    /// A caller has discarded what had failed. The detail is the reason.
    Discarded,
    /// It is done.
    Done,
}

impl HappeningKind {
    /// All kinds, each at the place of its number, from 1.
    const NUMBERED: [Self; 7] = [
        Self::Received,
        Self::TimedOut,
        Self::Sent,
        Self::Refused,
        Self::Failed,
        Self::Discarded,
        Self::Done,
    ];

    /// The kind as it is stored.
    pub(crate) fn number(self) -> i16 {
        (1..).zip(Self::NUMBERED).find(|(_, known)| *known == self).map_or(0, |(number, _)| number)
    }

    /// A kind from its number.
    pub(crate) fn of_number(number: i16) -> Option<Self> {
        (1..).zip(Self::NUMBERED).find(|(known, _)| *known == number).map(|(_, kind)| kind)
    }
}

/// A dead letter: what an instance could not handle or send. It holds the instance, whose later events, commands and time-outs
/// wait.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessLetter {
    /// The instance.
    pub instance: String,
    /// What failed.
    pub what: Undelivered,
    /// The name of the event, the command or the time-out.
    pub name: String,
    /// The error, with its causes.
    pub error: String,
    /// When it failed.
    pub failed_at: Timestamp,
}

/// What an instance could not handle or send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undelivered {
    /// The event at this position.
    Event(Position),
    /// A time-out that was due.
    Timeout,
    /// A command that was refused without a `#[refused]` method, on which its aggregate panics, or that can't be executed: no
    /// aggregate can read it, it is invalid, or a hook has denied it.
    #[non_exhaustive]
    Command {
        /// The place of the command in the outbox.
        id: i64,
    },
}

impl Happening {
    pub(crate) fn new(at: Timestamp, kind: HappeningKind, name: &str) -> Self {
        let name = name.to_owned();
        Self { at, kind, name, cause: None, position: None, version: 0, detail: None }
    }
}

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceState<P> {
    /// It runs, with this state.
    Running(P),
    /// It was done at this time.
    Done(Timestamp),
    /// Its state has another shape than the process has now. The next event rebuilds it.
    OtherShape,
}

/// The instances of a process: their states, their histories, and the dead letters that hold them.
///
/// It reads and changes the store. A process that runs, in this program or in another, sees what it changes.
pub struct Instances<P> {
    desk: Arc<dyn InstanceDesk>,
    process: PhantomData<fn() -> P>,
}

impl<P> Clone for Instances<P> {
    fn clone(&self) -> Self {
        Self { desk: Arc::clone(&self.desk), process: PhantomData }
    }
}

impl<P: Process> Instances<P> {
    pub(crate) fn new(store: impl ProcessStore, clock: Arc<dyn Clock>) -> Self {
        Self { desk: Arc::new(Desk { store, process: P::NAME, clock }), process: PhantomData }
    }

    /// The instance of this id; `None` if no event has started it.
    pub fn get(&self, id: &P::Id) -> Result<Option<InstanceState<P>>, FollowError> {
        let Some(stored) = self.desk.find(&id.to_text()).map_err(failed::<P>)? else { return Ok(None) };
        if let Some(at) = stored.done_at {
            return Ok(Some(InstanceState::Done(at)));
        }
        let Some(json) = stored.state else { return Ok(None) };
        let is_known = stored.fingerprint == P::STATE.fingerprint.cast_signed();
        let state = is_known.then(|| (P::STATE.decode)(json.as_bytes()).ok()).flatten();
        Ok(Some(state.map_or(InstanceState::OtherShape, InstanceState::Running)))
    }

    /// What has happened to an instance, in order: what it has received and sent, with times and causes.
    pub fn history(&self, id: &P::Id) -> Result<Vec<Happening>, FollowError> {
        self.desk.history(&id.to_text()).map_err(failed::<P>)
    }

    /// The first 1,000 dead letters, in order of their instances' ids as text.
    pub fn dead_letters(&self) -> Result<Vec<ProcessLetter>, FollowError> {
        self.dead_letters_after("", LISTED)
    }

    /// The dead letters of the instances after one, in order of their ids as text, at most `limit`.
    pub fn dead_letters_after(
        &self,
        instance: &str,
        limit: usize,
    ) -> Result<Vec<ProcessLetter>, FollowError> {
        self.desk.letters(instance, limit).map_err(failed::<P>)
    }

    /// Lets the process try again what an instance could not handle or send. Returns whether a dead letter held the
    /// instance.
    ///
    /// A process that runs does so within a second. What has waited follows in order. The dead letters of other
    /// followers, which go by position, are none of a process.
    pub fn retry(&self, id: &P::Id) -> Result<bool, FollowError> {
        self.desk.release(&id.to_text(), None).map(|letter| letter.is_some()).map_err(failed::<P>)
    }

    /// Discards what an instance could not handle or send: it is skipped, and the reason is kept in the history. Returns
    /// what was discarded.
    ///
    /// What has waited follows in order.
    pub fn discard(&self, id: &P::Id, reason: &str) -> Result<Option<ProcessLetter>, FollowError> {
        self.desk.release(&id.to_text(), Some(reason)).map_err(failed::<P>)
    }

    /// Removes the instances that were done before a time, and their histories. Returns how many.
    ///
    /// An instance that is done stays otherwise, so that a late event starts nothing. After this, an event that starts instances
    /// starts the removed one again: choose a time before which no event of these instances can be late. An instance that a dead
    /// letter holds stays, and so does one whose commands are not sent yet.
    ///
    /// It removes 100 instances in each transaction, so appends do not wait long. If it fails, those of before are gone.
    pub fn remove_done(&self, before: Timestamp) -> Result<u64, FollowError> {
        self.desk.remove_done(before).map_err(failed::<P>)
    }
}

impl<P: Process> fmt::Debug for Instances<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances").field("process", &P::NAME).finish_non_exhaustive()
    }
}

/// What [`Instances`] does, without the types of process and store.
trait InstanceDesk: Send + Sync {
    fn find(&self, instance: &str) -> Result<Option<StoredInstance>, StoreError>;
    fn history(&self, instance: &str) -> Result<Vec<Happening>, StoreError>;
    fn letters(&self, after: &str, limit: usize) -> Result<Vec<ProcessLetter>, StoreError>;
    /// Releases an instance. With a reason, what has failed is discarded.
    fn release(&self, instance: &str, discard: Option<&str>) -> Result<Option<ProcessLetter>, StoreError>;
    fn remove_done(&self, before: Timestamp) -> Result<u64, StoreError>;
}

struct Desk<S> {
    store: S,
    process: &'static str,
    clock: Arc<dyn Clock>,
}

impl<S: ProcessStore> InstanceDesk for Desk<S> {
    fn find(&self, instance: &str) -> Result<Option<StoredInstance>, StoreError> {
        self.store.find_instance(self.process, instance)
    }

    fn history(&self, instance: &str) -> Result<Vec<Happening>, StoreError> {
        self.store.history(self.process, instance)
    }

    fn letters(&self, after: &str, limit: usize) -> Result<Vec<ProcessLetter>, StoreError> {
        self.store.process_letters(self.process, after, limit)
    }

    fn release(&self, instance: &str, discard: Option<&str>) -> Result<Option<ProcessLetter>, StoreError> {
        let release = |transaction: &S::Transaction<'_>| {
            let letter = S::release(transaction, self.process, instance)?;
            if let (Some(letter), Some(reason)) = (&letter, discard) {
                self.discard(transaction, letter, reason)?;
            }
            Ok(letter)
        };
        self.store.in_step(self.process, release, |error| error)
    }

    fn remove_done(&self, before: Timestamp) -> Result<u64, StoreError> {
        let (mut removed, mut after) = (0, None);
        loop {
            let done = self.store.done_before(self.process, before, after.as_deref(), REMOVED_AT_ONCE)?;
            let Some(last) = done.last().cloned() else { return Ok(removed) };
            let remove = |transaction: &S::Transaction<'_>| {
                done.iter().try_fold(0, |removed, instance| {
                    S::remove_done(transaction, self.process, instance, before)
                        .map(|is_removed| removed + u64::from(is_removed))
                })
            };
            removed += self.store.in_step(self.process, remove, |error| error)?;
            after = Some(last);
        }
    }
}

/// How many instances one transaction removes.
const REMOVED_AT_ONCE: usize = 100;

impl<S: ProcessStore> Desk<S> {
    /// Removes what has failed, and keeps the reason.
    fn discard(
        &self,
        transaction: &S::Transaction<'_>,
        letter: &ProcessLetter,
        reason: &str,
    ) -> Result<(), StoreError> {
        let (process, instance) = (self.process, &letter.instance);
        match letter.what {
            Undelivered::Event(position) => S::remove_waiting(transaction, process, instance, position)?,
            Undelivered::Timeout => {
                S::cancel_timeouts(transaction, process, instance, Some(&letter.name))?;
            }
            Undelivered::Command { id } => {
                S::remove_command(transaction, process, id)?;
            }
        }
        let mut happening = Happening::new(self.clock.now(), HappeningKind::Discarded, &letter.name);
        happening.detail = Some(reason.to_owned());
        S::record(transaction, process, instance, &happening)
    }
}

fn failed<P: Process>(source: StoreError) -> FollowError {
    FollowError::store(P::NAME)(source)
}

/// The id of an instance, from its text.
pub(crate) fn id_of<P: Process>(instance: &str) -> Result<P::Id, BoxError> {
    Ok(P::Id::from_text(instance)?)
}
