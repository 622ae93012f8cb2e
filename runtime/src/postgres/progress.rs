//! The progress of followers, in tables of a store's schema.

mod checkpoints;
mod dead_letters;
pub(super) mod leases;
pub(super) mod rebuilds;

use std::error::Error;
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::error::causes;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::LeaseKeeper;
use crate::follow::progress_store::{ProgressStore, StoredCheckpoint, StoredLetter};
use crate::follow::seen::Seen;
use crate::postgres::sql::{Ask, values};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

impl ProgressStore for PostgresStore {
    type Transaction<'t> = PostgresTransaction;

    fn as_event_store(&self) -> &dyn EventStore {
        self
    }

    fn newest_in(transaction: &PostgresTransaction) -> Result<Position, StoreError> {
        let newest = transaction.one::<i64>("SELECT position FROM {schema}.counter", values![])?;
        Ok(Position::new(newest.unsigned_abs()))
    }

    fn in_transaction<T, E>(
        &self,
        work: impl FnOnce(&PostgresTransaction) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        let transaction = self.begin().map_err(&failed)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(|error| {
            failed(match error {
                // The next step looks up how far the follower is, which settles it.
                StoreError::CommitUnknown(source) => StoreError::Unreachable(source),
                error => error,
            })
        })?;
        Ok(result)
    }

    fn checkpoint(&self, follower: &str) -> Result<Option<StoredCheckpoint>, StoreError> {
        checkpoints::find(self, follower)
    }

    fn checkpoint_in(
        transaction: &PostgresTransaction,
        follower: &str,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        checkpoints::find(transaction, follower)
    }

    fn seen_in(transaction: &PostgresTransaction, position: Position) -> Result<Seen, StoreError> {
        checkpoints::seen(transaction, position)
    }

    fn save_seen(
        transaction: &PostgresTransaction,
        follower: &FollowerDefinition,
        partition: Partition,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        checkpoints::save(transaction, follower, partition, seen)
    }

    fn repartition(
        transaction: &PostgresTransaction,
        follower: &FollowerDefinition,
        partitions: u32,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        checkpoints::repartition(transaction, follower, partitions, seen)
    }

    fn lock_positions(
        transaction: &PostgresTransaction,
        follower: &str,
        partition: Partition,
    ) -> Result<(), StoreError> {
        checkpoints::lock(transaction, follower, partition)
    }

    fn take_lease(
        transaction: &PostgresTransaction,
        holder: &LeaseHolder,
    ) -> Result<LeaseAnswer, StoreError> {
        leases::take(transaction, holder)
    }

    fn judge_leases(&self, holders: &[LeaseHolder]) -> Result<Vec<LeaseAnswer>, StoreError> {
        leases::judge_all(self, holders)
    }

    fn renew_lease(transaction: &PostgresTransaction, holder: &LeaseHolder) -> Result<bool, StoreError> {
        leases::renew(transaction, holder)
    }

    fn lease_keeper(&self) -> &Arc<LeaseKeeper> {
        self.keeper_of_leases()
    }

    fn in_renewal<T, E>(
        &self,
        work: impl FnOnce(&PostgresTransaction) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        self.in_transaction(
            |transaction| {
                let sql = "SELECT set_config('synchronous_commit', 'off', true)";
                transaction.write(sql, values![]).map_err(&failed)?;
                work(transaction)
            },
            &failed,
        )
    }

    fn release_leases(&self, holders: &[LeaseHolder]) -> Result<(), StoreError> {
        let release = |transaction: &PostgresTransaction| {
            holders.iter().try_for_each(|holder| leases::release(transaction, holder))
        };
        self.in_transaction(release, |error| error)
    }

    fn save_letter(
        transaction: &PostgresTransaction,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError> {
        dead_letters::save(transaction, follower, letter)
    }

    fn update_letter(
        transaction: &PostgresTransaction,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError> {
        dead_letters::update(transaction, follower, letter)
    }

    fn remove_letters_after(
        transaction: &PostgresTransaction,
        follower: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        dead_letters::remove_after(transaction, follower, position)
    }

    fn remove_letter(
        transaction: &PostgresTransaction,
        follower: &str,
        position: Position,
    ) -> Result<bool, StoreError> {
        dead_letters::remove(transaction, follower, position)
    }

    fn remove_letters(transaction: &PostgresTransaction, follower: &str) -> Result<(), StoreError> {
        dead_letters::remove_all(transaction, follower)
    }

    fn discard_letter(
        transaction: &PostgresTransaction,
        follower: &str,
        letter: &StoredLetter,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        dead_letters::discard(transaction, follower, letter, reason, at)
    }

    fn has_sequenced_letters(transaction: &PostgresTransaction, follower: &str) -> Result<bool, StoreError> {
        dead_letters::has_sequenced(transaction, follower)
    }

    fn first_letter_in(
        transaction: &PostgresTransaction,
        follower: &str,
        stream: &str,
    ) -> Result<Option<Position>, StoreError> {
        dead_letters::first_position(transaction, follower, stream)
    }

    fn first_letter(&self, follower: &str, stream: &str) -> Result<Option<StoredLetter>, StoreError> {
        dead_letters::first(self, follower, stream)
    }

    fn ready_letter(&self, follower: &str) -> Result<Option<StoredLetter>, StoreError> {
        dead_letters::ready(self, follower)
    }

    fn letter(&self, follower: &str, position: Position) -> Result<Option<StoredLetter>, StoreError> {
        dead_letters::find(self, follower, position)
    }

    fn letters(
        &self,
        follower: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StoreError> {
        dead_letters::list(self, follower, after, limit)
    }

    fn discarded_letters(
        &self,
        follower: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, StoreError> {
        dead_letters::discarded(self, follower, after, limit)
    }

    fn rebuild(
        transaction: &PostgresTransaction,
        follower: &FollowerDefinition,
    ) -> Result<Option<Uuid>, StoreError> {
        rebuilds::find(transaction, follower)
    }

    fn save_rebuild(
        transaction: &PostgresTransaction,
        follower: &FollowerDefinition,
        id: Uuid,
    ) -> Result<(), StoreError> {
        rebuilds::save(transaction, follower, id)
    }

    fn failure_behind(
        error: &(dyn Error + 'static),
        transaction: Option<&PostgresTransaction>,
    ) -> Option<StoreError> {
        failure_behind(error, transaction.is_some())
    }
}

/// The failure of the server behind a handler's error; `None` if the handler itself failed.
///
/// A handler with a transaction has all of its statements in it. That it waits too long for a lock, or takes too long, is the
/// handler's own error. One without sends commands, most likely to the store of its events: that this is busy is no fault of an event.
fn failure_behind(error: &(dyn Error + 'static), has_transaction: bool) -> Option<StoreError> {
    for error in causes(error) {
        if let Some(client) = error.downcast_ref::<tokio_postgres::Error>() {
            return client.is_closed().then(|| StoreError::Unreachable(client.to_string().into()));
        }
        match error.downcast_ref::<StoreError>() {
            Some(StoreError::Busy) if has_transaction => return None,
            Some(
                error @ (StoreError::Busy
                | StoreError::Full
                | StoreError::Moved { .. }
                | StoreError::Forked { .. }
                | StoreError::Unreachable(_)
                | StoreError::OtherStore { .. }
                | StoreError::Pooled
                | StoreError::CommitUnknown(_)),
            ) => return Some(error.duplicate()),
            // The source of this one is recognized in the next round.
            None | Some(StoreError::Other(_)) => {}
            Some(_) => return None,
        }
    }
    None
}
