//! Where a load begins: at a state in memory, at a snapshot, or at the first event.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache::{CacheOptions, Kept};
use crate::aggregate::Aggregate;
use crate::error::{Conflict, ReadError, SnapshotError};
use crate::id::StreamId;
use crate::replay::Replay;
use crate::snapshot::{Snapshots, checksum, guarded};
use crate::store::{EventStore, StoredSnapshot};
use crate::time::{Moment, Timestamp};

/// How often a repository, with all its clones, found a state where it looked for one; since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryStatistics {
    /// The aggregate was in memory, and as new as the store's.
    pub hits: u64,
    /// It was in memory, and somebody else had appended: the rest was read.
    pub outdated: u64,
    /// It was not in memory.
    pub misses: u64,
    /// How many aggregates are in memory now.
    pub cached: usize,
    /// Snapshots given to the store.
    pub snapshots_taken: u64,
    /// Loads that began at a snapshot.
    pub snapshots_used: u64,
    /// Snapshots that were there and not used: damaged, of another shape or version, or not of this stream's events.
    pub snapshots_ignored: u64,
    /// Snapshots that were due and could not be taken: [`Repository::take_snapshot`](crate::Repository::take_snapshot)
    /// tells why.
    pub snapshots_failed: u64,
}

/// What a repository and its clones know of where states are.
pub(crate) struct Hot<A> {
    kept: Kept<A>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    outdated: AtomicU64,
    misses: AtomicU64,
    taken: AtomicU64,
    used: AtomicU64,
    ignored: AtomicU64,
    failed: AtomicU64,
}

impl<A: Aggregate> Hot<A> {
    pub(crate) fn new(options: CacheOptions<A>) -> Self {
        Self { kept: Kept::new(options), counts: Counts::default() }
    }

    /// The aggregate as it is now.
    pub(crate) fn current<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamId,
    ) -> Result<Replay<A>, ReadError> {
        if let Some(mut replay) = self.kept.get(stream) {
            let kept = replay.version;
            replay.advance(store, stream, None)?;
            if replay.version == kept {
                count(&self.counts.hits);
            } else {
                count(&self.counts.outdated);
                self.settle(store, stream, &mut replay);
            }
            return Ok(replay);
        }
        count(&self.counts.misses);
        let mut replay = self.load(store, stream, None)?;
        if replay.version > 0 {
            self.settle(store, stream, &mut replay);
        }
        Ok(replay)
    }

    /// The aggregate as the store has it, from the newest snapshot on if that is not past `until`.
    pub(crate) fn load<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
    ) -> Result<Replay<A>, ReadError> {
        if let Some(snapshots) = &A::SNAPSHOTS {
            // Most streams that are not in memory are new: to look for a snapshot of one would cost more than all else.
            let failed = |source| ReadError::Store { stream: stream.clone(), source };
            if store.stream_version(stream).map_err(failed)? == 0 {
                return Ok(Replay::new());
            }
            if let Some(mut replay) = Self::opened(snapshots, store, stream, until, &self.counts) {
                if replay.advance_from_snapshot(store, stream, until)? {
                    count(&self.counts.used);
                    return Ok(replay);
                }
                count(&self.counts.ignored);
            }
        }
        let mut replay = Replay::new();
        replay.advance(store, stream, until)?;
        Ok(replay)
    }

    /// The state in the snapshot, still to be confirmed by its event.
    fn opened<S: EventStore + ?Sized>(
        snapshots: &Snapshots<A>,
        store: &S,
        stream: &StreamId,
        until: Option<Moment>,
        counts: &Counts,
    ) -> Option<Replay<A>> {
        let version = match until {
            None => u64::MAX,
            Some(Moment::Version(version)) => version,
            // When the events before it were recorded, a snapshot does not tell.
            Some(Moment::Time(_)) => return None,
        };
        let mut found = None;
        let read = store.read_snapshot(stream, &mut |snapshot| {
            if snapshot.version > version {
                return;
            }
            match snapshots.open(stream, snapshot) {
                Ok(state) => {
                    found = Some(Replay {
                        state: Arc::new(state),
                        version: snapshot.version,
                        position: snapshot.position,
                        snapshot: snapshot.version,
                        since: Some(snapshot.taken_at),
                    });
                }
                Err(_) => count(&counts.ignored),
            }
        });
        if read.is_err() {
            count(&counts.ignored);
        }
        found
    }

    /// Keeps the state of an aggregate that has moved on, and takes a snapshot if one is due.
    ///
    /// The events are stored by now: a policy or a weight that panics is no reason to say that they are not.
    pub(crate) fn settle<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamId,
        replay: &mut Replay<A>,
    ) {
        if catch_unwind(AssertUnwindSafe(|| self.keep(store, stream, replay))).is_err() {
            count(&self.counts.failed);
            self.kept.remove(stream);
        }
    }

    fn keep<S: EventStore + ?Sized>(&self, store: &S, stream: &StreamId, replay: &mut Replay<A>) {
        if let Some(snapshots) = &A::SNAPSHOTS {
            let events = replay.version.saturating_sub(replay.snapshot);
            if snapshots.policy.older_than.is_some() && replay.since.is_none() {
                replay.since = first_recorded(store, stream);
            }
            if snapshots.policy.is_due(&replay.state, events, replay.since) {
                // One that can't be taken is not tried again before it would be due again.
                let taken = take(snapshots, store, stream, replay);
                count(if taken.is_ok() { &self.counts.taken } else { &self.counts.failed });
            }
        }
        self.kept.put(stream, replay.clone());
    }

    /// Takes a snapshot whether it is due or not.
    pub(super) fn take_snapshot<S: EventStore + ?Sized>(
        &self,
        store: &S,
        stream: &StreamId,
        mut replay: Replay<A>,
    ) -> Result<(), SnapshotError> {
        let Some(snapshots) = &A::SNAPSHOTS else {
            return Err(SnapshotError::NotDeclared { aggregate: A::NAME });
        };
        take(snapshots, store, stream, &mut replay)?;
        count(&self.counts.taken);
        self.kept.put(stream, replay);
        Ok(())
    }

    /// An append has met a stream that is behind the state: the store is not the one that the state came from.
    pub(crate) fn conflicted(&self, conflict: &Conflict, version: u64) {
        if conflict.actual < version {
            self.kept.remove(&conflict.stream);
        }
    }

    pub(super) fn statistics(&self) -> RepositoryStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RepositoryStatistics {
            hits: read(&self.counts.hits),
            outdated: read(&self.counts.outdated),
            misses: read(&self.counts.misses),
            cached: self.kept.len(),
            snapshots_taken: read(&self.counts.taken),
            snapshots_used: read(&self.counts.used),
            snapshots_ignored: read(&self.counts.ignored),
            snapshots_failed: read(&self.counts.failed),
        }
    }
}

/// When the first event of the stream was recorded. If that can't be read, no snapshot is due for its sake.
fn first_recorded<S: EventStore + ?Sized>(store: &S, stream: &StreamId) -> Option<Timestamp> {
    let mut first = None;
    let read = store.read_stream(stream, 0, 1, &mut |event| {
        first = Some(event.envelope.recorded_at);
        ControlFlow::Break(())
    });
    read.ok().and(first)
}

/// Gives a snapshot to the store. Written here, as the state may change next; brought to the disk by the store.
fn take<A, S: EventStore + ?Sized>(
    snapshots: &Snapshots<A>,
    store: &S,
    stream: &StreamId,
    replay: &mut Replay<A>,
) -> Result<(), SnapshotError> {
    let taken_at = Timestamp::now();
    (replay.snapshot, replay.since) = (replay.version, Some(taken_at));
    let mut state = Vec::new();
    let encode_failed = |source| SnapshotError::Encode { stream: stream.clone(), source };
    guarded(|| (snapshots.encode)(&replay.state, &mut state)).map_err(encode_failed)?;
    // One that can't be read would be ignored, and taken again and again.
    guarded(|| (snapshots.decode)(&state)).map_err(encode_failed)?;
    let mut snapshot = StoredSnapshot {
        version: replay.version,
        position: replay.position,
        taken_at,
        fingerprint: snapshots.fingerprint,
        checksum: 0,
        state: &state,
    };
    snapshot.checksum = checksum(stream, &snapshot);
    store
        .save_snapshot(stream, &snapshot)
        .map_err(|source| SnapshotError::Store { stream: stream.clone(), source })
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
