//! A store in memory: for tests, and for what need not outlive the program.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::kept::{Kept, number};
use super::{
    Append, Appended, EventStore, Filter, Outcome, StoredSnapshot, Visit, VisitSnapshot, check_appends,
};
use crate::error::{AppendError, Conflict, StoreError};
use crate::id::StreamId;
use crate::time::Timestamp;

/// How many events a read takes out from under the lock at a time.
const PAGE: usize = 256;

/// A store that keeps its events in memory. Clones share them.
///
/// ```
/// use factum::prelude::*;
///
/// let store = MemoryStore::new();
/// assert_eq!(store.position()?, 0);
/// # Ok::<(), factum::StoreError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    appended: Condvar,
}

#[derive(Debug, Default)]
struct Log {
    /// Index `i` has position `i + 1`. Behind an `Arc`, so that a visitor runs without the lock and may append.
    events: Vec<Arc<Kept>>,
    /// For each stream the indexes of its events: index `i` has version `i + 1`.
    streams: HashMap<StreamId, Vec<usize>>,
    /// For each stream its idempotency keys.
    keys: HashMap<StreamId, HashMap<String, (Outcome, Timestamp)>>,
    snapshots: HashMap<StreamId, Snapshot>,
}

/// A snapshot that owns its state.
#[derive(Debug)]
struct Snapshot {
    version: u64,
    position: u64,
    taken_at: Timestamp,
    fingerprint: u64,
    checksum: u64,
    state: Arc<[u8]>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Nothing of a user's runs under the lock, and no step under it leaves the log half changed.
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands `visit` page after page of events, at most `limit` in all. `pick` fills a page under the lock, with as
    /// many as it is asked for, or fewer at the end.
    fn visit_pages(
        &self,
        mut limit: usize,
        visit: &mut Visit<'_>,
        mut pick: impl FnMut(&Log, usize, &mut Vec<(usize, Arc<Kept>)>),
    ) {
        let mut page = Vec::new();
        while limit > 0 {
            let wanted = limit.min(PAGE);
            pick(&self.log(), wanted, &mut page);
            let taken = page.len();
            for (index, kept) in page.drain(..) {
                if visit(&kept.as_stored(number(index + 1))).is_break() {
                    return;
                }
            }
            if taken < wanted {
                return;
            }
            limit -= taken;
        }
    }
}

impl EventStore for MemoryStore {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        check_appends(appends)?;
        if appends.is_empty() {
            return Ok(Appended { first_position: 0, versions: Vec::new() });
        }
        let mut log = self.log();
        for append in appends {
            let known = log.keys.get(append.stream);
            for key in append.keys {
                if let Some((outcome, _)) = known.and_then(|known| known.get(key.key)) {
                    let (stream, key) = (append.stream.clone(), key.key.to_owned());
                    return Err(AppendError::KnownKey { stream, key, outcome: *outcome });
                }
            }
            let actual = log.streams.get(append.stream).map_or(0, |stream| number(stream.len()));
            if !append.expected.matches(actual) {
                return Err(Conflict::new(append.stream.clone(), append.expected, actual).into());
            }
        }
        let nothing = appends.iter().all(|append| append.events.is_empty());
        let first_position = if nothing { 0 } else { number(log.events.len() + 1) };
        let mut versions = Vec::with_capacity(appends.len());
        for append in appends {
            let Log { events, streams, keys, .. } = &mut *log;
            let stream = streams.entry(append.stream.clone()).or_default();
            if !append.keys.is_empty() {
                let before = number(stream.len());
                let new = append
                    .keys
                    .iter()
                    .map(|key| (key.key.to_owned(), (key.outcome(before), key.recorded_at)));
                keys.entry(append.stream.clone()).or_default().extend(new);
            }
            for event in append.events {
                let kept = Kept::new(append.stream.clone(), number(stream.len() + 1), event);
                stream.push(events.len());
                events.push(Arc::new(kept));
            }
            versions.push(number(stream.len()));
        }
        drop(log);
        self.shared.appended.notify_all();
        Ok(Appended { first_position, versions })
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let mut next = index(after);
        self.visit_pages(limit, visit, |log, wanted, page| {
            let indexes = log.streams.get(stream).and_then(|all| all.get(next..)).unwrap_or_default();
            page.extend(
                indexes
                    .iter()
                    .take(wanted)
                    .filter_map(|&index| Some((index, Arc::clone(log.events.get(index)?)))),
            );
            next += page.len();
        });
        Ok(())
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let passes = |kept: &Kept| {
            (filter.names.is_empty() || filter.names.contains(&kept.name.as_str()))
                && (filter.categories.is_empty() || filter.categories.contains(&kept.stream.category()))
                && filter.partition.has(&kept.stream)
        };
        let end = filter.until.map_or(usize::MAX, index);
        let mut next = index(after);
        self.visit_pages(limit, visit, |log, wanted, page| {
            while page.len() < wanted
                && next < end
                && let Some(kept) = log.events.get(next)
            {
                if passes(kept) {
                    page.push((next, Arc::clone(kept)));
                }
                next += 1;
            }
        });
        Ok(())
    }

    fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
        Ok(self.log().streams.get(stream).map_or(0, |events| number(events.len())))
    }

    fn position(&self) -> Result<u64, StoreError> {
        Ok(number(self.log().events.len()))
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        let started = Instant::now();
        let mut log = self.log();
        while number(log.events.len()) < position {
            let Some(left) = timeout.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            let waited = self.shared.appended.wait_timeout(log, left);
            log = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(number(log.events.len()))
    }

    fn identity(&self) -> Option<usize> {
        Some(Arc::as_ptr(&self.shared).addr())
    }

    fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError> {
        Ok(self.log().keys.get(stream).and_then(|keys| keys.get(key)).map(|(outcome, _)| *outcome))
    }

    fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for keys in self.log().keys.values_mut() {
            let before = keys.len();
            keys.retain(|_, (_, recorded_at)| *recorded_at >= time);
            forgotten += number(before - keys.len());
        }
        Ok(forgotten)
    }

    fn read_snapshot(&self, stream: &StreamId, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        let log = self.log();
        if let Some(kept) = log.snapshots.get(stream) {
            let state = Arc::clone(&kept.state);
            let Snapshot { version, position, taken_at, fingerprint, checksum, .. } = *kept;
            // The visitor may want to use the store.
            drop(log);
            visit(&StoredSnapshot { version, position, taken_at, fingerprint, checksum, state: &state });
        }
        Ok(())
    }

    fn save_snapshot(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        let StoredSnapshot { version, position, taken_at, fingerprint, checksum, state } = *snapshot;
        let state = state.into();
        let kept = Snapshot { version, position, taken_at, fingerprint, checksum, state };
        self.log().snapshots.insert(stream.clone(), kept);
        Ok(())
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let mut log = self.log();
        let before = log.snapshots.len();
        log.snapshots.retain(|stream, _| category.is_some_and(|category| stream.category() != category));
        Ok(number(before - log.snapshots.len()))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
