//! Snapshots as a store keeps them, borrowed and owned.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::time::Timestamp;

/// The function that gets the snapshot of a read.
pub type VisitSnapshot<'v> = dyn FnMut(&StoredSnapshot<'_>) + 'v;

/// A stored snapshot: the state of an aggregate after one event of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSnapshot<'a> {
    /// The version of the last event that the state includes.
    pub version: u64,
    /// The position of that event.
    pub position: Position,
    /// The id of that event. `None` if an earlier version of factum has stored the snapshot.
    pub event: Option<Uuid>,
    /// When the snapshot was taken.
    pub taken_at: Timestamp,
    /// The fingerprint of the state type, in the program that took the snapshot.
    pub fingerprint: u64,
    /// A hash of the stream's name and of all other fields, which detects damage.
    pub checksum: u64,
    /// The encoded state.
    pub state: &'a [u8],
}

impl<'a> StoredSnapshot<'a> {
    /// A snapshot of the state after the event at `version` of its stream and `position` of the store.
    #[must_use]
    pub const fn new(
        version: u64,
        position: Position,
        taken_at: Timestamp,
        fingerprint: u64,
        checksum: u64,
        state: &'a [u8],
    ) -> Self {
        Self { version, position, event: None, taken_at, fingerprint, checksum, state }
    }

    /// Sets the id of the last event that the state includes.
    #[must_use = "the snapshot with the id is what this returns"]
    pub const fn with_event(mut self, id: Uuid) -> Self {
        self.event = Some(id);
        self
    }
}

/// A [`StoredSnapshot`] that owns its state, which its clones share.
#[derive(Debug, Clone)]
pub(crate) struct OwnedSnapshot {
    version: u64,
    position: Position,
    event: Option<Uuid>,
    taken_at: Timestamp,
    fingerprint: u64,
    checksum: u64,
    state: Arc<[u8]>,
}

impl OwnedSnapshot {
    pub(crate) fn copy(snapshot: &StoredSnapshot<'_>) -> Self {
        let StoredSnapshot { version, position, event, taken_at, fingerprint, checksum, state } = *snapshot;
        Self { version, position, event, taken_at, fingerprint, checksum, state: state.into() }
    }

    pub(crate) fn lend(&self) -> StoredSnapshot<'_> {
        let Self { version, position, event, taken_at, fingerprint, checksum, ref state } = *self;
        StoredSnapshot { version, position, event, taken_at, fingerprint, checksum, state }
    }
}
