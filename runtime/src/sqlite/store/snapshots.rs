//! Snapshots: rows of `factum_snapshots`, which are written with the next append or when many wait.

use std::collections::HashMap;
use std::sync::Mutex;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::handler_sql::own_sql;
use crate::store::error::StoreError;
use crate::store::lock::lock;
use crate::store::snapshot::{OwnedSnapshot, StoredSnapshot, VisitSnapshot};

/// How many snapshots wait before they are worth a transaction of their own.
const MANY: usize = 32;

/// A snapshot on its way to the file. No caller waits for it: if it is lost, it is taken again.
#[derive(Clone)]
pub(super) struct QueuedSnapshot {
    stream: StreamName,
    snapshot: OwnedSnapshot,
}

/// The snapshots that are not written yet, the newest of each stream.
#[derive(Default)]
pub(super) struct SnapshotQueue {
    snapshots: Mutex<HashMap<StreamName, QueuedSnapshot>>,
}

impl SnapshotQueue {
    /// Adds a snapshot; returns whether it is time to write the queue. `None` if the queue is full, as when a
    /// handler that holds the writer loads many aggregates.
    pub(super) fn add(&self, stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> Option<bool> {
        let queued = QueuedSnapshot { stream: stream.clone(), snapshot: OwnedSnapshot::copy(snapshot) };
        let mut snapshots = lock(&self.snapshots);
        if snapshots.len() >= 2 * MANY && !snapshots.contains_key(stream) {
            return None;
        }
        snapshots.insert(stream.clone(), queued);
        Some(snapshots.len() >= MANY)
    }

    pub(super) fn take(&self) -> Vec<QueuedSnapshot> {
        let mut snapshots = lock(&self.snapshots);
        if snapshots.is_empty() {
            Vec::new()
        } else {
            snapshots.drain().map(|(_, snapshot)| snapshot).collect()
        }
    }

    pub(super) fn find(&self, stream: &StreamName) -> Option<QueuedSnapshot> {
        lock(&self.snapshots).get(stream).cloned()
    }
}

impl QueuedSnapshot {
    pub(super) fn lend(&self) -> StoredSnapshot<'_> {
        self.snapshot.lend()
    }

    /// Writes the snapshot in place of the stream's stored one. It does not matter which is newer: each is
    /// correct for its version.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        let snapshot = self.lend();
        connection
            .prepare_cached(own_sql!(
                "INSERT OR REPLACE INTO factum_snapshots
                 (stream, version, position, taken_at, fingerprint, checksum, state, event)
                 SELECT id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM factum_streams WHERE category = ?1 AND key = ?2"
            ))?
            .execute(params![
                self.stream.category(),
                self.stream.key(),
                snapshot.version,
                snapshot.position.get(),
                snapshot.taken_at.as_micros(),
                snapshot.fingerprint.cast_signed(),
                snapshot.checksum.cast_signed(),
                snapshot.state,
                snapshot.event.as_ref().map(Uuid::as_bytes),
            ])
            .map(drop)
    }
}

/// Lends the stored snapshot. A damaged row gives an error, or a snapshot whose checksum fails; the next
/// snapshot replaces it.
pub(super) fn read(
    connection: &Connection,
    stream: &StreamName,
    visit: &mut VisitSnapshot<'_>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "SELECT version, position, taken_at, fingerprint, checksum, state, event
             FROM factum_streams JOIN factum_snapshots ON stream = id WHERE category = ?1 AND key = ?2",
        )
        .and_then(|mut select| {
            select
                .query_row((stream.category(), stream.key()), |row| {
                    let state = match row.get_ref(5)? {
                        ValueRef::Blob(state) => state,
                        _ => &[],
                    };
                    visit(&StoredSnapshot {
                        version: row.get(0)?,
                        position: Position::new(row.get(1)?),
                        event: row.get::<_, Option<[u8; 16]>>(6)?.map(Uuid::from_bytes),
                        taken_at: Timestamp::from_micros(row.get(2)?),
                        fingerprint: row.get::<_, i64>(3)?.cast_unsigned(),
                        checksum: row.get::<_, i64>(4)?.cast_unsigned(),
                        state,
                    });
                    Ok(())
                })
                .optional()
        })
        .map(drop)
        .map_err(store_error)
}

/// Drops the snapshots of one category, or all.
pub(super) fn drop_all(connection: &Connection, category: Option<&str>) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM factum_snapshots
         WHERE ?1 IS NULL OR stream IN (SELECT id FROM factum_streams WHERE category = ?1)",
        [category],
    )
}
