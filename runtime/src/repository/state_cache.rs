//! Hot aggregates: states that stay in memory between commands.

use std::fmt;
use std::sync::OnceLock;

use hashbrown::DefaultHashBuilder;
use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};

use crate::domain::stream_name::StreamName;
use crate::repository::replay::Replay;

/// How many aggregates a repository keeps in memory by default.
const AGGREGATES: usize = 1_024;

/// How many aggregates a repository keeps in memory, and how large they may be in all.
///
/// A cached state saves reading its events again. No decision relies on it alone:
///
/// * the append of a command expects the version and the last event of the state;
/// * an answer without events, such as a refusal, is given after a look at the stream;
/// * if other writers have appended since, or the stream is another one, as after a backup was restored, the
///   events are read, and the command is decided on the new state. For that the command must be `Clone`; before
///   a command that is not, the stream is read first.
///
/// ```
/// use factum::{CacheOptions, prelude::*};
/// use factum::memory::MemoryStore;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Noted { text: String }
/// # #[derive(Debug, Command)] struct Note { #[command(id)] diary: String, text: String }
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Note), events(Noted))]
/// # struct Diary { notes: Vec<String> }
/// # #[handlers] impl Diary {
/// #     #[execute] fn note(&self, command: Note) -> Noted { Noted { text: command.text } }
/// #     #[apply] fn noted(&mut self, event: &Noted) { self.notes.push(event.text.clone()); }
/// # }
/// // At most 10,000 diaries, and at most 64 MiB of text in them.
/// let size = |diary: &Diary| diary.notes.iter().map(|note| note.len() as u64).sum();
/// let options = CacheOptions::aggregates(10_000).bytes(64 << 20, size);
/// let diaries = MemoryStore::new().repository::<Diary>().with_cache(options);
/// ```
#[must_use = "options do nothing by themselves: give them to `Repository::with_cache`"]
pub struct CacheOptions<A> {
    aggregates: usize,
    bytes: Option<Bytes<A>>,
}

/// How many bytes there may be, and how those of a state are counted.
struct Bytes<A> {
    most: u64,
    weigh: fn(&A) -> u64,
}

impl<A> CacheOptions<A> {
    /// At most this many aggregates; 0 turns the cache off. The aggregates that are used most stay.
    pub fn aggregates(aggregates: usize) -> Self {
        Self { aggregates, bytes: None }
    }

    /// Limits the bytes of all states as well; `weigh` returns the bytes of one state.
    pub fn bytes(mut self, bytes: u64, weigh: fn(&A) -> u64) -> Self {
        self.bytes = Some(Bytes { most: bytes, weigh });
        self
    }

    /// The greatest weight of all aggregates together.
    fn capacity(&self) -> u64 {
        match &self.bytes {
            Some(bytes) => bytes.most.min(HEAVIEST),
            None => self.aggregates as u64,
        }
    }

    /// One capacity bounds both number and size, because no aggregate weighs less than its share of the
    /// bytes.
    fn weight(&self, state: &A) -> u64 {
        match &self.bytes {
            Some(Bytes { most, weigh }) => {
                weigh(state).max(most.div_ceil(self.aggregates.max(1) as u64)).clamp(1, HEAVIEST)
            }
            None => 1,
        }
    }
}

/// 1,024 aggregates of any size.
impl<A> Default for CacheOptions<A> {
    fn default() -> Self {
        Self::aggregates(AGGREGATES)
    }
}

/// Cached states by stream, each at some version.
pub(super) struct StateCache<A> {
    options: CacheOptions<A>,
    /// Created with the first state, so that an unused repository is cheap.
    cache: OnceLock<States<A>>,
}

type States<A> = Cache<StreamName, Entry<A>, ByWeight, DefaultHashBuilder, DroppedOutside>;

/// The greatest weight of one state and of the cache, so that sums do not overflow.
const HEAVIEST: u64 = u64::MAX / 4;

/// Drops evicted states after the cache has released its lock, because the `Drop` of a state is the user's
/// code.
#[derive(Clone)]
struct DroppedOutside;

impl<A> Lifecycle<StreamName, Entry<A>> for DroppedOutside {
    type RequestState = Vec<(StreamName, Entry<A>)>;

    fn on_evict(&self, dropped: &mut Self::RequestState, stream: StreamName, entry: Entry<A>) {
        dropped.push((stream, entry));
    }
}

/// A state, and its weight when it was cached.
struct Entry<A> {
    replay: Replay<A>,
    weight: u64,
}

impl<A> Clone for Entry<A> {
    fn clone(&self) -> Self {
        Self { replay: self.replay.clone(), weight: self.weight }
    }
}

#[derive(Clone)]
struct ByWeight;

impl<A> Weighter<StreamName, Entry<A>> for ByWeight {
    fn weight(&self, _: &StreamName, entry: &Entry<A>) -> u64 {
        entry.weight
    }
}

impl<A> StateCache<A> {
    pub(super) fn new(options: CacheOptions<A>) -> Self {
        Self { options, cache: OnceLock::new() }
    }

    pub(super) fn get(&self, stream: &StreamName) -> Option<Replay<A>> {
        Some(self.cache.get()?.get(stream)?.replay)
    }

    pub(super) fn put(&self, stream: &StreamName, replay: Replay<A>) {
        if self.options.aggregates == 0 {
            return;
        }
        // The state is weighed here, because the cache calls its weigher under a lock and `weigh` is the
        // user's code.
        let weight = self.options.weight(&replay.state);
        let cache = self.cache.get_or_init(|| self.make());
        cache.insert(stream.clone(), Entry { replay, weight });
    }

    pub(super) fn remove(&self, stream: &StreamName) {
        if let Some(cache) = self.cache.get() {
            cache.remove(stream);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cache.get().map_or(0, Cache::len)
    }

    fn make(&self) -> States<A> {
        // One shard: the bound is for all states together, and the lock is held only for a look-up.
        let options = OptionsBuilder::new()
            .shards(1)
            .estimated_items_capacity(self.options.aggregates.min(AGGREGATES))
            .weight_capacity(self.options.capacity())
            .build();
        let hasher = DefaultHashBuilder::default();
        match options {
            Ok(options) => Cache::with_options(options, ByWeight, hasher, DroppedOutside),
            Err(_) => Cache::with(
                self.options.aggregates,
                self.options.capacity(),
                ByWeight,
                hasher,
                DroppedOutside,
            ),
        }
    }
}

impl<A> Clone for CacheOptions<A> {
    fn clone(&self) -> Self {
        let bytes = self.bytes.as_ref();
        Self { aggregates: self.aggregates, bytes: bytes.map(|&Bytes { most, weigh }| Bytes { most, weigh }) }
    }
}

impl<A> fmt::Debug for CacheOptions<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheOptions")
            .field("aggregates", &self.aggregates)
            .field("bytes", &self.bytes.as_ref().map(|bytes| bytes.most))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::position::Position;

    fn fill(options: CacheOptions<Vec<u8>>, states: usize, size: usize) -> StateCache<Vec<u8>> {
        let cache = StateCache::new(options);
        for number in 0..states {
            let replay = Replay {
                state: Arc::new(vec![0; size]),
                version: 1,
                position: Position::new(1),
                event: None,
                foreign_changes: 0,
                snapshot: 0,
                since: None,
            };
            cache.put(&StreamName::new("a", &number.to_string()), replay);
        }
        cache
    }

    #[test]
    fn number_and_size_are_bounded() {
        let weigh = |state: &Vec<u8>| state.len() as u64;
        assert_eq!(fill(CacheOptions::aggregates(10), 1_000, 50).len(), 10);
        assert_eq!(fill(CacheOptions::aggregates(0), 1_000, 50).len(), 0);
        assert_eq!(fill(CacheOptions::aggregates(100).bytes(1_000, weigh), 1_000, 50).len(), 20);
        assert_eq!(fill(CacheOptions::aggregates(10).bytes(1_000, weigh), 1_000, 0).len(), 10);
        assert_eq!(fill(CacheOptions::aggregates(10).bytes(1_000, weigh), 1_000, 2_000).len(), 0);
        assert_eq!(fill(CacheOptions::default(), 3_000, 1).len(), 1_024);
    }
}
