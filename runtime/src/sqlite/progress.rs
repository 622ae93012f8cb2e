//! The progress of followers, in tables of a store's file.

pub(crate) mod checkpoints;
mod dead_letters;
pub(crate) mod leases;
pub(crate) mod rebuilds;

use std::error::Error;
use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::definition::FollowerDefinition;
use crate::follow::discarded_letter::DiscardedLetter;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::lease_keeper::LeaseKeeper;
use crate::follow::progress_store::{ProgressStore, StoredCheckpoint, StoredLetter};
use crate::follow::seen::Seen;
use crate::sqlite::file::errors;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::store::{SqliteStore, read};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

impl ProgressStore for SqliteStore {
    type Transaction<'t> = Transaction<'t>;

    fn as_event_store(&self) -> &dyn EventStore {
        self
    }

    fn newest_in(transaction: &Transaction<'_>) -> Result<Position, StoreError> {
        read::position(transaction)
    }

    fn in_transaction<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        let sqlite_failed = |error| failed(store_error(error));
        let writer = self.writer().map_err(&failed)?;
        let transaction = writer.begin().map_err(sqlite_failed)?;
        let result = work(&transaction)?;
        transaction.commit().map_err(sqlite_failed)?;
        Ok(result)
    }

    fn checkpoint(&self, follower: &str) -> Result<Option<StoredCheckpoint>, StoreError> {
        self.with_reader(
            |connection| checkpoints::find(connection, follower).map_err(store_error),
            |error| error,
        )
    }

    fn checkpoint_in(
        transaction: &Transaction<'_>,
        follower: &str,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        checkpoints::find(transaction, follower).map_err(store_error)
    }

    fn seen_in(transaction: &Transaction<'_>, position: Position) -> Result<Seen, StoreError> {
        checkpoints::seen(transaction, position).map_err(store_error)
    }

    fn save_seen(
        transaction: &Transaction<'_>,
        follower: &FollowerDefinition,
        partition: Partition,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        checkpoints::save(transaction, follower, partition, seen).map_err(store_error)
    }

    fn repartition(
        transaction: &Transaction<'_>,
        follower: &FollowerDefinition,
        partitions: u32,
        seen: &Seen,
    ) -> Result<(), StoreError> {
        checkpoints::repartition(transaction, follower, partitions, seen).map_err(store_error)
    }

    fn take_lease(transaction: &Transaction<'_>, holder: &LeaseHolder) -> Result<LeaseAnswer, StoreError> {
        leases::take(transaction, holder).map_err(store_error)
    }

    fn judge_leases(&self, holders: &[LeaseHolder]) -> Result<Vec<LeaseAnswer>, StoreError> {
        let judge = |connection: &Connection| {
            let judged = holders.iter().map(|holder| leases::judge(connection, holder));
            judged.collect::<rusqlite::Result<_>>().map_err(store_error)
        };
        self.with_reader(judge, |error| error)
    }

    fn renew_lease(transaction: &Transaction<'_>, holder: &LeaseHolder) -> Result<bool, StoreError> {
        leases::renew(transaction, holder).map_err(store_error)
    }

    fn lease_keeper(&self) -> &Arc<LeaseKeeper> {
        self.keeper_of_leases()
    }

    fn in_renewal<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
        failed: impl Fn(StoreError) -> E,
    ) -> Result<T, E> {
        let sqlite_failed = |error| failed(store_error(error));
        let writer = self.writer().map_err(&failed)?;
        let _relaxed = Relaxed::new(&writer).map_err(sqlite_failed)?;
        let transaction = writer.begin().map_err(sqlite_failed)?;
        let before = transaction.total_changes();
        let result = work(&transaction)?;
        // A commit that writes nothing leaves the log as it is: the next change there may be another process's.
        let is_quiet = transaction.total_changes() > before;
        let committed = if is_quiet { self.commit_quietly(transaction) } else { transaction.commit() };
        committed.map_err(sqlite_failed)?;
        Ok(result)
    }

    fn release_leases(&self, holders: &[LeaseHolder]) -> Result<(), StoreError> {
        let release = |transaction: &Transaction<'_>| {
            holders.iter().try_for_each(|holder| leases::release(transaction, holder)).map_err(store_error)
        };
        self.in_transaction(release, |error| error)
    }

    fn save_letter(
        transaction: &Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError> {
        dead_letters::save(transaction, follower, letter).map_err(store_error)
    }

    fn update_letter(
        transaction: &Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
    ) -> Result<(), StoreError> {
        dead_letters::update(transaction, follower, letter).map_err(store_error)
    }

    fn remove_letters_after(
        transaction: &Transaction<'_>,
        follower: &str,
        position: Position,
    ) -> Result<(), StoreError> {
        dead_letters::remove_after(transaction, follower, position).map_err(store_error)
    }

    fn remove_letter(
        transaction: &Transaction<'_>,
        follower: &str,
        position: Position,
    ) -> Result<bool, StoreError> {
        dead_letters::remove(transaction, follower, position).map_err(store_error)
    }

    fn remove_letters(transaction: &Transaction<'_>, follower: &str) -> Result<(), StoreError> {
        dead_letters::remove_all(transaction, follower).map_err(store_error)
    }

    fn discard_letter(
        transaction: &Transaction<'_>,
        follower: &str,
        letter: &StoredLetter,
        reason: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        dead_letters::discard(transaction, follower, letter, reason, at).map_err(store_error)
    }

    fn has_sequenced_letters(transaction: &Transaction<'_>, follower: &str) -> Result<bool, StoreError> {
        dead_letters::has_sequenced(transaction, follower).map_err(store_error)
    }

    fn first_letter_in(
        transaction: &Transaction<'_>,
        follower: &str,
        stream: &str,
    ) -> Result<Option<Position>, StoreError> {
        dead_letters::first_position(transaction, follower, stream).map_err(store_error)
    }

    fn first_letter(&self, follower: &str, stream: &str) -> Result<Option<StoredLetter>, StoreError> {
        self.read(|connection| dead_letters::first(connection, follower, stream))
    }

    fn ready_letter(&self, follower: &str) -> Result<Option<StoredLetter>, StoreError> {
        self.read(|connection| dead_letters::ready(connection, follower))
    }

    fn letter(&self, follower: &str, position: Position) -> Result<Option<StoredLetter>, StoreError> {
        self.read(|connection| dead_letters::find(connection, follower, position))
    }

    fn letters(
        &self,
        follower: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<StoredLetter>, StoreError> {
        self.read(|connection| dead_letters::list(connection, follower, after, limit))
    }

    fn discarded_letters(
        &self,
        follower: &str,
        after: Position,
        limit: usize,
    ) -> Result<Vec<DiscardedLetter>, StoreError> {
        self.read(|connection| dead_letters::discarded(connection, follower, after, limit))
    }

    fn rebuild(
        transaction: &Transaction<'_>,
        follower: &FollowerDefinition,
    ) -> Result<Option<Uuid>, StoreError> {
        rebuilds::find(transaction, "main", follower).map_err(store_error)
    }

    fn save_rebuild(
        transaction: &Transaction<'_>,
        follower: &FollowerDefinition,
        id: Uuid,
    ) -> Result<(), StoreError> {
        rebuilds::save(transaction, follower, id).map_err(store_error)
    }

    fn failure_behind(
        error: &(dyn Error + 'static),
        transaction: Option<&Transaction<'_>>,
    ) -> Option<StoreError> {
        errors::failure_behind(error, transaction.map(|transaction| &**transaction))
    }
}

/// A connection whose commits do not wait for the disk, for as long as this lives.
struct Relaxed<'c> {
    connection: &'c Connection,
    /// The setting before.
    synchronous: i64,
}

impl<'c> Relaxed<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let synchronous = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        let relaxed = Self { connection, synchronous };
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(relaxed)
    }
}

impl Drop for Relaxed<'_> {
    fn drop(&mut self) {
        // It fails only in a transaction, which has ended before.
        let _ = self.connection.pragma_update(None, "synchronous", self.synchronous);
    }
}

impl SqliteStore {
    /// Runs a read of progress.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.with_reader(|connection| read(connection).map_err(store_error), |error| error)
    }
}
