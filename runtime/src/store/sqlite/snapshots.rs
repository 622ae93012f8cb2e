//! Snapshots of states: rows that are written with the next append, or when many wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::failure::store_error;
use super::lock;
use crate::error::StoreError;
use crate::id::StreamId;
use crate::store::{StoredSnapshot, VisitSnapshot};
use crate::time::Timestamp;

/// How many snapshots wait before they are worth a transaction of their own.
const MANY: usize = 32;

/// A snapshot on its way to the file. Nobody waits for it: what is lost of these is taken again.
#[derive(Clone)]
pub(super) struct PendingSnapshot {
    stream: StreamId,
    version: u64,
    position: u64,
    taken_at: Timestamp,
    fingerprint: u64,
    checksum: u64,
    state: Arc<[u8]>,
}

/// Those that are not written yet, the newest of each stream.
#[derive(Default)]
pub(super) struct Pending {
    snapshots: Mutex<HashMap<StreamId, PendingSnapshot>>,
}

impl Pending {
    /// Adds one, and tells whether it is time to write them; `None` if there are too many already, as when a handler that
    /// holds the writer loads many aggregates.
    pub(super) fn add(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Option<bool> {
        let StoredSnapshot { version, position, taken_at, fingerprint, checksum, state } = *snapshot;
        let (stream, state) = (stream.clone(), state.into());
        let pending = PendingSnapshot { stream, version, position, taken_at, fingerprint, checksum, state };
        let mut snapshots = lock(&self.snapshots);
        if snapshots.len() >= 2 * MANY && !snapshots.contains_key(&pending.stream) {
            return None;
        }
        snapshots.insert(pending.stream.clone(), pending);
        Some(snapshots.len() >= MANY)
    }

    pub(super) fn take(&self) -> Vec<PendingSnapshot> {
        let mut snapshots = lock(&self.snapshots);
        if snapshots.is_empty() {
            Vec::new()
        } else {
            snapshots.drain().map(|(_, snapshot)| snapshot).collect()
        }
    }

    pub(super) fn find(&self, stream: &StreamId) -> Option<PendingSnapshot> {
        lock(&self.snapshots).get(stream).cloned()
    }
}

impl PendingSnapshot {
    pub(super) fn lend(&self) -> StoredSnapshot<'_> {
        let Self { version, position, taken_at, fingerprint, checksum, ref state, .. } = *self;
        StoredSnapshot { version, position, taken_at, fingerprint, checksum, state }
    }

    /// In place of an older one. Whether an older one is newer does not matter: each is true of its version.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO factum_snapshots
                 (stream, version, position, taken_at, fingerprint, checksum, state)
                 SELECT id, ?3, ?4, ?5, ?6, ?7, ?8 FROM factum_streams WHERE category = ?1 AND key = ?2",
            )?
            .execute(params![
                self.stream.category(),
                self.stream.key(),
                self.version,
                self.position,
                self.taken_at.as_micros(),
                self.fingerprint.cast_signed(),
                self.checksum.cast_signed(),
                self.state.as_ref(),
            ])
            .map(drop)
    }
}

/// Lends the snapshot in the file. A row that is none is left alone: nobody can use it, and it is replaced one day.
pub(super) fn read(
    connection: &Connection,
    stream: &StreamId,
    visit: &mut VisitSnapshot<'_>,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "SELECT version, position, taken_at, fingerprint, checksum, state
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
                        position: row.get(1)?,
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

/// Drops those of one category, or all.
pub(super) fn drop_all(connection: &Connection, category: Option<&str>) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM factum_snapshots
         WHERE ?1 IS NULL OR stream IN (SELECT id FROM factum_streams WHERE category = ?1)",
        [category],
    )
}
