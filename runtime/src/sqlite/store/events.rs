//! What a store in a SQLite file does as an event store.

use std::task::Waker;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::sqlite::file::errors::{commit_error, store_error};
use crate::sqlite::file::readers::Readers;
use crate::sqlite::file::tables;
use crate::sqlite::store::{SqliteStore, all_keys, keys, read, snapshots};
use crate::store::append::{Append, Appended, Outcome};
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::{EventStore, replay_whole_events};
use crate::store::group_commit::Request;
use crate::store::identity::{DatabaseIdentity, StoreIdentity};
use crate::store::queue::{Chain, QueueError, QueuedAppend};
use crate::store::read::{Filter, Visit, VisitReplayed};
use crate::store::snapshot::{OwnedSnapshot, StoredSnapshot, VisitSnapshot};
use crate::store::stored_key::{StoredKey, VisitKey};

/// How long [`SqliteStore::wait_for`](EventStore::wait_for) sleeps at a time: it notices a file that was moved.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

impl EventStore for SqliteStore {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        if !self.may_append(appends)? {
            return Ok(Appended::new(None, Vec::new()));
        }
        match self.commit_request(Request { appends, chains: &[] }) {
            Err(QueueError::Append(error)) => Err(error),
            Err(QueueError::Void) => unreachable!("an append without chains is not void"),
            Ok(appended) => Ok(appended),
        }
    }

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        Some(match self.may_append(appends) {
            Ok(true) => self.queue_request(Request { appends, chains }),
            Ok(false) => QueuedAppend::new(|| Ok(Appended::new(None, Vec::new()))),
            Err(error) => {
                chains.iter().for_each(Chain::fail);
                QueuedAppend::new(|| Err(error.into()))
            }
        })
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.read_pages(read::StreamPages::new(stream, after, self.shared.checksums), limit, visit)
    }

    fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        if limit == 0 || (after == 0 && self.lacks(stream)?) || self.ends_at(stream, after) {
            return Ok(None);
        }
        match &self.shared.readers {
            Readers::Pool(pool) => {
                let checksums = self.shared.checksums;
                let read = |connection: &Connection| {
                    let last = read::replay(connection, stream, after, limit, checksums, visit)?;
                    if after == 0 && last.is_none() {
                        self.shared.found_no_stream();
                    }
                    Ok(last)
                };
                pool.with(read, |error| error)
            }
            Readers::Writer => replay_whole_events(self, stream, after, limit, visit),
        }
    }

    fn ends_with(&self, stream: &StreamName, version: u64, id: Uuid) -> bool {
        // As in `ends_at`.
        self.idle_writer()
            .is_some_and(|writer| read::ends_with(&writer, stream, version, id).unwrap_or(false))
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.read_pages(read::AllPages::new(filter, after, self.shared.checksums)?, limit, visit)
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, StoreError> {
        if self.lacks(stream)? {
            return Ok(0);
        }
        let read = |connection: &Connection| {
            let version = read::stream_version(connection, stream)?;
            if version == 0 {
                self.shared.found_no_stream();
            }
            Ok(version)
        };
        match self.idle_writer() {
            Some(writer) => read(&writer),
            None => self.with_reader(read, |error| error),
        }
    }

    fn position(&self) -> Result<Position, StoreError> {
        self.with_reader(read::position, |error| error)
    }

    fn next_position(&self, after: Position) -> Result<Option<Position>, StoreError> {
        self.with_reader(|connection| read::next_position(connection, after), |error| error)
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        let started = Instant::now();
        self.shared.file.check_process()?;
        let newest = self.position()?;
        if newest >= position || timeout.is_zero() {
            return Ok(newest);
        }
        let waiting = self.shared.wakeups.enter()?;
        loop {
            // The count reveals an append that comes after the read of the position and before the sleep.
            let seen = self.shared.wakeups.count();
            let newest = self.position()?;
            let left = timeout.saturating_sub(started.elapsed());
            if newest >= position || left.is_zero() {
                return Ok(newest);
            }
            waiting.sleep(seen, left.min(LONGEST_SLEEP));
        }
    }

    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        self.shared.file.check_process()?;
        self.shared.wakeups.add(waker)?;
        Ok(true)
    }

    fn unwatch(&self, waker: &Waker) {
        if !self.shared.file.is_forked() {
            self.shared.wakeups.remove(waker);
        }
    }

    fn categories(&self) -> Result<Vec<String>, StoreError> {
        self.with_reader(|connection| read::categories(connection).map_err(store_error), |error| error)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(StoreIdentity::of(&self.shared))
    }

    fn database(&self) -> Option<DatabaseIdentity> {
        self.shared.file.database().or_else(|| self.identity().map(DatabaseIdentity::OfStore))
    }

    fn event_id(&self, position: Position) -> Result<Option<Uuid>, StoreError> {
        self.with_reader(
            |connection| read::event_id(connection, position).map_err(store_error),
            |error| error,
        )
    }

    fn store_id(&self) -> Result<Option<Uuid>, StoreError> {
        self.with_reader(
            |connection| tables::store_id(connection).map(Some).map_err(store_error),
            |error| error,
        )
    }

    fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError> {
        self.with_reader(|connection| keys::outcome(connection, stream, key), |error| error)
    }

    fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let forgotten = keys::forget_before(&*self.writer()?, time).map_err(store_error)?;
        Ok(forgotten as u64)
    }

    fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let page =
            |after: &_| self.with_reader(|connection| all_keys::page(connection, after), |error| error);
        all_keys::visit(page, visit)
    }

    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        let Some(StoredKey { stream, .. }) = keys.first() else { return Ok(()) };
        let of_store = |error| AppendError::store(stream, error);
        let writer = self.writer().map_err(of_store)?;
        let transaction = writer.begin().map_err(|error| of_store(store_error(error)))?;
        all_keys::import(&transaction, keys)?;
        transaction.commit().map_err(|error| of_store(commit_error(error)))
    }

    fn read_snapshot(&self, stream: &StreamName, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        self.shared.file.check_process()?;
        if let Some(pending) = self.shared.snapshots.find(stream) {
            visit(&pending.lend());
            return Ok(());
        }
        match &self.shared.readers {
            Readers::Pool(pool) => {
                pool.with(|connection| snapshots::read(connection, stream, visit), |error| error)
            }
            Readers::Writer => {
                // The visitor may use the store, so it gets a copy while the writer is free.
                let mut copy = None;
                snapshots::read(&*self.writer()?, stream, &mut |snapshot| {
                    copy = Some(OwnedSnapshot::copy(snapshot));
                })?;
                if let Some(copy) = copy {
                    visit(&copy.lend());
                }
                Ok(())
            }
        }
    }

    /// Keeps the snapshot in memory until the next append, until many wait, or until the store is closed. No
    /// caller waits for a snapshot to be on the disk.
    fn save_snapshot(&self, stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        self.shared.file.check_process()?;
        match self.shared.snapshots.add(stream, snapshot) {
            Some(false) => Ok(()),
            Some(true) => self.write_snapshots(),
            None => Err(StoreError::Busy),
        }
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let writer = self.writer()?;
        // The queued snapshots are written first, so that each stream counts once. If the write fails, they
        // are dropped too.
        let _ = self.shared.write_snapshots(&writer);
        let dropped = snapshots::drop_all(&writer, category).map_err(store_error)?;
        Ok(dropped as u64)
    }
}
