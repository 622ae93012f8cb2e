//! The counters of a repository: cached states and snapshots.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often a repository and its clones have found cached states and snapshots, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryStatistics {
    /// Loads of an aggregate that was in memory, with no newer events in the store.
    pub hits: u64,
    /// Loads of an aggregate that was in memory, and read the newer events of other writers.
    pub outdated: u64,
    /// Loads of an aggregate that was not in memory, or whose stream is another one since then.
    pub misses: u64,
    /// How many aggregates are in memory now.
    pub cached: usize,
    /// Snapshots passed to the store.
    pub snapshots_taken: u64,
    /// Loads that began at a snapshot.
    pub snapshots_used: u64,
    /// Snapshots that were found and not used: damaged, of another shape or version, or not of this stream's
    /// events.
    pub snapshots_ignored: u64,
    /// Snapshots that were due and could not be taken:
    /// [`Repository::take_snapshot`](crate::Repository::take_snapshot) returns why.
    pub snapshots_failed: u64,
}

/// The counters of a repository and its clones.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) outdated: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) taken: AtomicU64,
    pub(super) used: AtomicU64,
    pub(super) ignored: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl Counts {
    /// The counts so far, of a repository that has `cached` aggregates in memory.
    pub(super) fn read(&self, cached: usize) -> RepositoryStatistics {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RepositoryStatistics {
            hits: read(&self.hits),
            outdated: read(&self.outdated),
            misses: read(&self.misses),
            cached,
            snapshots_taken: read(&self.taken),
            snapshots_used: read(&self.used),
            snapshots_ignored: read(&self.ignored),
            snapshots_failed: read(&self.failed),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
