//! The port that keeps the progress of followers, with one implementation per database.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::error::{FollowError, HandlerError};
use crate::follow::event_hooks::EventHooks;
use crate::follow::given_commands::Receiver;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::LeaseKeeper;
use crate::follow::partitions::PartitionPositions;
use crate::follow::seen::Seen;
use crate::runtime::Runtime;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;
use crate::store::read::StoredEvent;

/// A follower's checkpoint as it is stored.
#[derive(Debug)]
pub(crate) struct StoredCheckpoint {
    pub(crate) version: u32,
    /// The fingerprint of the definition that the follower had.
    pub(crate) definition: i64,
    pub(crate) positions: PartitionPositions,
}

/// A dead letter as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct StoredLetter {
    pub(crate) position: Position,
    pub(crate) error: String,
    pub(crate) attempts: u32,
    pub(crate) failed_at: Timestamp,
    /// The stream whose later events wait for this one, if they do.
    pub(crate) stream: Option<String>,
    /// The first letter of that stream, if this is a later one. Not stored.
    pub(crate) behind: Option<Position>,
}

/// A database that keeps checkpoints, partitions, leases and dead letters.
///
/// Changes that belong together share a transaction, which the caller opens.
pub(crate) trait ProgressStore: Clone + Send + Sync + 'static {
    /// A write transaction of the database.
    type Transaction<'t>;

    /// The store that is in the same database.
    fn as_event_store(&self) -> &dyn EventStore;

    /// The position of that store's newest event, as the transaction sees it.
    fn newest_in(transaction: &Self::Transaction<'_>) -> Result<Position, StoreError>;

    /// Runs `work` in a write transaction, which an error or a panic rolls back.
    fn in_transaction<T, E>(
        &self,
        work: impl FnOnce(&Self::Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E>;

    /// The checkpoint under this name, as of the last commit.
    fn checkpoint(&self, follower: &str) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// The checkpoint under this name, as the transaction sees it.
    fn checkpoint_in(
        transaction: &Self::Transaction<'_>,
        follower: &str,
    ) -> Result<Option<StoredCheckpoint>, StoreError>;

    /// What is at a position of the store in the same database, as the transaction sees it.
    fn seen_in(transaction: &Self::Transaction<'_>, position: Position) -> Result<Seen, StoreError>;

    /// Saves how far a partition has come.
    fn save_seen(
        transaction: &Self::Transaction<'_>,
        follower: &FollowerDefinition,
        partition: Partition,
        seen: &Seen,
    ) -> Result<(), StoreError>;

    /// Splits the streams into this many partitions, each as far as `seen`.
    fn repartition(
        transaction: &Self::Transaction<'_>,
        follower: &FollowerDefinition,
        partitions: u32,
        seen: &Seen,
    ) -> Result<(), StoreError>;

    /// Lets no other transaction move a partition or handle its events before this one ends; with [`Partition::WHOLE`], none
    /// of the follower's partitions.
    ///
    /// A database with one writer need do nothing.
    fn lock_positions(
        _transaction: &Self::Transaction<'_>,
        _follower: &str,
        _partition: Partition,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    /// Takes or renews a lease, unless another holder has it.
    ///
    /// The transaction is that of the work that the lease protects. If it commits, no other holder has had
    /// the lease in between, whatever the clocks say.
    fn take_lease(
        transaction: &Self::Transaction<'_>,
        holder: &LeaseHolder,
    ) -> Result<LeaseAnswer, StoreError>;

    /// For each holder, whether it could take its lease, as of the last commit. A holder that has its lease could.
    fn judge_leases(&self, holders: &[LeaseHolder]) -> Result<Vec<LeaseAnswer>, StoreError>;

    /// Renews a lease, if the holder has it. Returns whether it has.
    fn renew_lease(transaction: &Self::Transaction<'_>, holder: &LeaseHolder) -> Result<bool, StoreError>;

    /// Renews the leases that runners of this process hold in the database.
    fn lease_keeper(&self) -> &Arc<LeaseKeeper>;

    /// Runs `work`, which may renew leases and writes nothing else, in a write transaction.
    ///
    /// A loss of power may take the renewals: it takes the holders too.
    fn in_renewal<T, E>(
        &self,
        work: impl FnOnce(&Self::Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E>;

    /// Releases leases, as far as the holders have them, so that the next holders need not wait.
    fn release_leases(&self, holders: &[LeaseHolder]) -> Result<(), StoreError>;

    /// Moves the event at a position to the dead letters, or replaces its letter.
    fn save_letter(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError>;

    /// Records another failure of a dead letter, unless another process has removed it.
    fn update_letter(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError>;

    /// Removes the dead letters after a position, whose events will be handled again.
    fn remove_letters_after(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        position: Position,
    ) -> Result<(), StoreError>;

    /// Removes a dead letter; `false` if another process has removed it first.
    fn remove_letter(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        position: Position,
    ) -> Result<bool, StoreError>;

    /// Removes all dead letters of a follower.
    fn remove_letters(transaction: &Self::Transaction<'_>, follower: &str) -> Result<(), StoreError>;

    /// Removes a dead letter, and keeps its error with the reason.
    fn discard_letter(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Whether a follower has dead letters that later events of their streams wait for.
    fn has_sequenced_letters(transaction: &Self::Transaction<'_>, follower: &str)
    -> Result<bool, StoreError>;

    /// The position of the first dead letter of a stream that later events of the stream wait for.
    fn first_letter_in(
        transaction: &Self::Transaction<'_>,
        follower: &str,
        stream: &str,
    ) -> Result<Option<Position>, StoreError>;

    /// The first dead letter of a stream that later events of the stream wait for.
    fn first_letter(&self, follower: &str, stream: &str) -> Result<Option<StoredLetter>, StoreError>;

    /// A dead letter that has only waited, and waits no longer.
    fn ready_letter(&self, follower: &str) -> Result<Option<StoredLetter>, StoreError>;

    /// The dead letter at a position.
    fn letter(&self, follower: &str, position: Position) -> Result<Option<StoredLetter>, StoreError>;

    /// The dead letters of a follower after a position, in order of position, at most `limit`.
    fn letters(&self, follower: &str, after: Position, limit: usize)
    -> Result<Vec<StoredLetter>, StoreError>;

    /// The discarded letters of a follower after a position, in order of position, at most `limit`.
    fn discarded_letters(
        &self,
        follower: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, StoreError>;

    /// The id of the rebuild that is under way of this version and definition of a view.
    fn rebuild(
        transaction: &Self::Transaction<'_>,
        follower: &FollowerDefinition,
    ) -> Result<Option<Uuid>, StoreError>;

    /// Records a rebuild in place of another one of the view.
    fn save_rebuild(
        transaction: &Self::Transaction<'_>,
        follower: &FollowerDefinition,
        id: Uuid,
    ) -> Result<(), StoreError>;

    /// The failure of the database or the disk behind a handler's error, such as a full disk or an I/O error; `None` if
    /// the handler itself failed.
    ///
    /// `transaction` is that in which the handler has written, if it has one.
    fn failure_behind(
        error: &(dyn Error + 'static),
        transaction: Option<&Self::Transaction<'_>>,
    ) -> Option<StoreError>;
}

/// The database of a follower's progress, and the store of its events.
#[derive(Clone)]
pub(crate) struct ProgressHome<P> {
    pub(crate) progress: P,
    /// The store of the events, if it is not in the same database.
    pub(crate) source: Option<Arc<dyn EventStore>>,
    /// What sees the events besides the follower.
    pub(crate) hooks: EventHooks,
    /// What executes the commands of a reaction.
    pub(crate) receiver: Option<Arc<dyn Receiver>>,
}

impl<P: ProgressStore> ProgressHome<P> {
    pub(crate) fn new(progress: P, source: Option<Arc<dyn EventStore>>) -> Self {
        Self { progress, source, hooks: EventHooks::default(), receiver: None }
    }

    /// The home of a follower of `events`, with progress in `progress`. If both are one store, they share
    /// transactions.
    pub(crate) fn of<S: EventStore + Clone + 'static>(progress: P, events: &S) -> Self {
        let identity = events.identity();
        let is_one = identity.is_some() && progress.as_event_store().identity() == identity;
        let source = (!is_one).then(|| Arc::new(events.clone()) as Arc<dyn EventStore>);
        Self::new(progress, source)
    }

    /// The store of the events.
    pub(crate) fn events(&self) -> &dyn EventStore {
        self.source.as_deref().unwrap_or_else(|| self.progress.as_event_store())
    }

    /// The store of the events, for a caller that outlives this.
    pub(crate) fn shared_events(&self) -> Arc<dyn EventStore>
    where
        P: EventStore,
    {
        match &self.source {
            Some(source) => Arc::clone(source),
            None => Arc::new(self.progress.clone()),
        }
    }

    /// The error for an event whose handler failed. If the database caused it, such as by a full disk, the
    /// error names no event.
    pub(crate) fn failed_at(
        follower: &'static str,
        transaction: Option<&P::Transaction<'_>>,
        event: &StoredEvent<'_>,
        error: HandlerError,
    ) -> FollowError {
        let failure = match &error {
            HandlerError::Handler(source) => P::failure_behind(source.as_ref(), transaction),
            HandlerError::Decode(_) => None,
        };
        match failure {
            Some(source) => {
                discard(error);
                FollowError::Store { follower, source }
            }
            None => match error {
                // Only handlers without a transaction may be `async`.
                HandlerError::Handler(source) if transaction.is_none() && has_runtime_ended() => {
                    FollowError::RuntimeEnded { follower, position: event.envelope.position, source }
                }
                error => FollowError::at(follower, event, error),
            },
        }
    }

    pub(crate) fn newest(&self, follower: &'static str) -> Result<Position, FollowError> {
        self.events().position().map_err(FollowError::store(follower))
    }

    /// The position of the newest event, for a caller inside a transaction that may hold the store of the
    /// events.
    pub(crate) fn newest_in(
        &self,
        transaction: &P::Transaction<'_>,
        follower: &'static str,
    ) -> Result<Position, FollowError> {
        let newest = match &self.source {
            Some(source) => source.position(),
            None => P::newest_in(transaction),
        };
        newest.map_err(FollowError::store(follower))
    }

    /// What is at a position of the store of the events now.
    pub(crate) fn seen_in(
        &self,
        transaction: &P::Transaction<'_>,
        follower: &'static str,
        position: Position,
    ) -> Result<Seen, FollowError> {
        seen_in::<P>(self.source.as_deref(), transaction, position).map_err(FollowError::store(follower))
    }

    /// Waits for events of other writers; see [`EventStore::wait_for`].
    pub(crate) fn wait_for(
        &self,
        follower: &'static str,
        position: Position,
        timeout: Duration,
    ) -> Result<Position, FollowError> {
        self.events().wait_for(position, timeout).map_err(FollowError::store(follower))
    }

    /// Runs `work` in a write transaction, which an error or a panic rolls back.
    pub(crate) fn in_transaction<T, E: From<FollowError>>(
        &self,
        follower: &'static str,
        work: impl FnOnce(&P::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.progress.in_transaction(work, |source| FollowError::Store { follower, source }.into())
    }
}

/// What is at a position of `source` now or, without a source, of the store in the transaction's database.
pub(crate) fn seen_in<P: ProgressStore>(
    source: Option<&dyn EventStore>,
    transaction: &P::Transaction<'_>,
    position: Position,
) -> Result<Seen, StoreError> {
    match source {
        Some(source) => Seen::of(source, position),
        None => P::seen_in(transaction, position),
    }
}

impl<P: std::fmt::Debug> std::fmt::Debug for ProgressHome<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressHome").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// Whether this thread has entered a runtime that was shut down.
fn has_runtime_ended() -> bool {
    Runtime::current().is_some_and(|runtime| runtime.has_ended())
}
