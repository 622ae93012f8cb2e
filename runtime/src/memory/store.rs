//! A store in memory: for tests, and for data that need not outlive the program.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::domain::new_id::new_id;
use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::memory::timers::TimerLog;
use crate::store::append::{Append, Appended, Outcome, check_appends};
use crate::store::error::{AppendError, Conflict, StoreError};
use crate::store::event_store::EventStore;
use crate::store::identity::StoreIdentity;
use crate::store::lock::lock;
use crate::store::owned_event::OwnedEvent;
use crate::store::read::{Filter, Visit};
use crate::store::snapshot::{OwnedSnapshot, StoredSnapshot, VisitSnapshot};
use crate::store::stored_key::{StoredKey, VisitKey};
use crate::store::wakers::Wakers;
use crate::telemetry::measure;
use crate::trace::Span;

/// How many events a read copies at a time while it holds the lock.
const PAGE: usize = 256;

/// A store that keeps its events in memory. Clones share them.
///
/// It does not notice the feature `arbitrary_precision` of `serde_json`. A `SqliteStore` refuses it when it is
/// opened, with `OpenError::ArbitraryPrecision`.
///
/// ```
/// use factum::prelude::*;
///
/// let store = MemoryStore::new();
/// assert_eq!(store.position()?, factum::Position::START);
/// # Ok::<(), factum::store::StoreError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    appended: Condvar,
    wakers: Wakers,
    /// Wakes the runner of the timers.
    timer_wakers: Wakers,
    id: OnceLock<Uuid>,
}

#[derive(Debug, Default)]
struct Log {
    /// Index `i` has position `i + 1`. The `Arc` lets a visitor run without the lock, so that it may append.
    events: Vec<Arc<OwnedEvent>>,
    /// For each stream the indexes of its events: index `i` has version `i + 1`.
    streams: HashMap<StreamName, Vec<usize>>,
    /// For each stream its idempotency keys.
    keys: HashMap<StreamName, HashMap<String, Outcome>>,
    snapshots: HashMap<StreamName, OwnedSnapshot>,
    timers: TimerLog,
}

impl Log {
    fn newest(&self) -> Position {
        Position::new(number(self.events.len()))
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn append_checked(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        let mut log = self.log();
        for append in appends {
            let known = log.keys.get(append.stream);
            for key in append.keys {
                if let Some(outcome) = known.and_then(|known| known.get(key.key)) {
                    let (stream, key) = (append.stream.clone(), key.key.to_owned());
                    return Err(AppendError::KnownKey { stream, key, outcome: outcome.clone().into() });
                }
            }
            let actual = log.streams.get(append.stream).map_or(0, |stream| number(stream.len()));
            if !append.expected.matches(actual) {
                return Err(Conflict::new(append.stream.clone(), append.expected, actual).into());
            }
        }
        let nothing = appends.iter().all(|append| append.events.is_empty());
        let first_position = (!nothing).then(|| position(log.events.len()));
        let mut versions = Vec::with_capacity(appends.len());
        for append in appends {
            let Log { events, streams, keys, .. } = &mut *log;
            let stream = streams.entry(append.stream.clone()).or_default();
            if !append.keys.is_empty() {
                let before = number(stream.len());
                let new = append.keys.iter().map(|key| (key.key.to_owned(), key.outcome(before)));
                keys.entry(append.stream.clone()).or_default().extend(new);
            }
            for event in append.events {
                let kept = OwnedEvent::new(append.stream.clone(), number(stream.len() + 1), event);
                stream.push(events.len());
                events.push(Arc::new(kept));
            }
            versions.push(number(stream.len()));
            for change in append.timers {
                log.timers.change(change);
            }
        }
        drop(log);
        self.shared.appended.notify_all();
        self.shared.wakers.wake();
        if appends.iter().any(|append| !append.timers.is_empty()) {
            self.shared.timer_wakers.wake();
        }
        Ok(Appended::new(first_position, versions))
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // No user code runs under the lock, and no step under the lock leaves the log half changed.
        lock(&self.shared.log)
    }

    /// Reads or changes the timers.
    pub(super) fn with_timers<T>(&self, work: impl FnOnce(&mut TimerLog) -> T) -> T {
        work(&mut self.log().timers)
    }

    /// The wakers of the timers' runner.
    pub(super) fn timer_wakers(&self) -> &Wakers {
        &self.shared.timer_wakers
    }

    /// Passes events to `visit`, page by page, at most `limit` in all.
    ///
    /// `pick` fills a page under the lock, with as many events as it is asked for, or fewer at the end.
    fn visit_pages(
        &self,
        mut limit: usize,
        visit: &mut Visit<'_>,
        mut pick: impl FnMut(&Log, usize, &mut Vec<(usize, Arc<OwnedEvent>)>),
    ) {
        let mut page = Vec::new();
        while limit > 0 {
            let wanted = limit.min(PAGE);
            pick(&self.log(), wanted, &mut page);
            let taken = page.len();
            for (index, event) in page.drain(..) {
                if visit(&event.as_stored(position(index))).is_break() {
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
            return Ok(Appended::new(None, Vec::new()));
        }
        let events = appends.iter().map(|append| append.events.len()).sum();
        measure::append_in_memory(
            &Span::append(1),
            1,
            || self.append_checked(appends),
            |appended| if appended.is_ok() { (1, events) } else { (0, 0) },
        )
    }

    fn read_stream(
        &self,
        stream: &StreamName,
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

    fn ends_with(&self, stream: &StreamName, version: u64, id: Uuid) -> bool {
        let log = self.log();
        let Some(indexes) = log.streams.get(stream).filter(|indexes| number(indexes.len()) == version) else {
            return false;
        };
        indexes.last().and_then(|&last| log.events.get(last)).is_some_and(|last| last.id() == id)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let passes = |event: &OwnedEvent| {
            (filter.names.is_empty() || filter.names.contains(&event.name()))
                && (filter.categories.is_empty() || filter.categories.contains(&event.stream().category()))
                && filter.partition.has(event.stream())
        };
        let end = filter.until.map_or(usize::MAX, |until| index(until.get()));
        let mut next = index(after.get());
        self.visit_pages(limit, visit, |log, wanted, page| {
            while page.len() < wanted
                && next < end
                && let Some(event) = log.events.get(next)
            {
                if passes(event) {
                    page.push((next, Arc::clone(event)));
                }
                next += 1;
            }
        });
        Ok(())
    }

    fn stream_version(&self, stream: &StreamName) -> Result<u64, StoreError> {
        Ok(self.log().streams.get(stream).map_or(0, |events| number(events.len())))
    }

    fn position(&self) -> Result<Position, StoreError> {
        Ok(self.log().newest())
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        let started = Instant::now();
        let mut log = self.log();
        while log.newest() < position {
            let Some(left) = timeout.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            let waited = self.shared.appended.wait_timeout(log, left);
            log = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(log.newest())
    }

    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        self.shared.wakers.add(waker);
        Ok(true)
    }

    fn unwatch(&self, waker: &Waker) {
        self.shared.wakers.remove(waker);
    }

    fn categories(&self) -> Result<Vec<String>, StoreError> {
        let log = self.log();
        let categories: BTreeSet<_> = log.streams.keys().map(StreamName::category).collect();
        Ok(categories.into_iter().map(str::to_owned).collect())
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(StoreIdentity::of(&self.shared))
    }

    fn store_id(&self) -> Result<Option<Uuid>, StoreError> {
        Ok(Some(*self.shared.id.get_or_init(new_id)))
    }

    fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError> {
        Ok(self.log().keys.get(stream).and_then(|keys| keys.get(key)).cloned())
    }

    fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        for keys in self.log().keys.values_mut() {
            let before = keys.len();
            keys.retain(|_, outcome| outcome.recorded_at >= time);
            forgotten += number(before - keys.len());
        }
        Ok(forgotten)
    }

    fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let streams: Vec<_> = self.log().keys.keys().cloned().collect();
        for stream in streams {
            // Copied, so that the visitor may use the store.
            let keys = self.log().keys.get(&stream).cloned().unwrap_or_default();
            for (key, outcome) in &keys {
                if visit(&StoredKey::new(&stream, key, outcome)).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        let mut log = self.log();
        for StoredKey { stream, key, outcome } in keys {
            let known = log.keys.get(*stream).and_then(|known| known.get(*key));
            if let Some(known) = known.filter(|known| known != outcome) {
                let (stream, key, outcome) = ((*stream).clone(), (*key).to_owned(), known.clone().into());
                return Err(AppendError::KnownKey { stream, key, outcome });
            }
        }
        for StoredKey { stream, key, outcome } in keys {
            let known = log.keys.entry((*stream).clone()).or_default();
            known.insert((*key).to_owned(), (*outcome).clone());
        }
        Ok(())
    }

    fn read_snapshot(&self, stream: &StreamName, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        let log = self.log();
        if let Some(snapshot) = log.snapshots.get(stream).cloned() {
            // The visitor may want to use the store.
            drop(log);
            visit(&snapshot.lend());
        }
        Ok(())
    }

    fn save_snapshot(&self, stream: &StreamName, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        self.log().snapshots.insert(stream.clone(), OwnedSnapshot::copy(snapshot));
        Ok(())
    }

    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let mut log = self.log();
        let before = log.snapshots.len();
        log.snapshots.retain(|stream, _| category.is_some_and(|category| stream.category() != category));
        Ok(number(before - log.snapshots.len()))
    }
}

/// The position of the event at an index.
fn position(index: usize) -> Position {
    Position::new(number(index).saturating_add(1))
}

/// A count as a version or as the number of a position.
fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A version, or the number of a position, as an index.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
