//! Hot aggregates: states that stay in memory between commands.

use std::fmt;
use std::sync::OnceLock;

use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, OptionsBuilder, Weighter};

use crate::id::StreamId;
use crate::replay::Replay;

/// How many aggregates a repository keeps in memory if nothing is said.
const AGGREGATES: usize = 1_024;

/// How many aggregates a repository keeps in memory, and how large they may be in all.
///
/// A kept state saves reading its events once more; it is never taken for more than it is: each command first reads what
/// has been appended since, by whomever, and the append's expected version holds what is decided on it together.
///
/// ```
/// use factum::{CacheOptions, MemoryStore, prelude::*};
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
/// // At most 10,000 diaries, and at most 64 MiB of what is written in them.
/// let size = |diary: &Diary| diary.notes.iter().map(|note| note.len() as u64).sum();
/// let options = CacheOptions::aggregates(10_000).bytes(64 << 20, size);
/// let diaries = MemoryStore::new().repository::<Diary>().with_cache(options);
/// ```
pub struct CacheOptions<A> {
    aggregates: usize,
    bytes: Option<Bytes<A>>,
}

/// How many there may be, and how they are counted.
struct Bytes<A> {
    most: u64,
    weigh: fn(&A) -> u64,
}

impl<A> CacheOptions<A> {
    /// At most so many aggregates; 0 for none at all. Those that are used most stay.
    pub fn aggregates(aggregates: usize) -> Self {
        Self { aggregates, bytes: None }
    }

    /// At most so many bytes besides, where `weigh` tells how many a state takes.
    pub fn bytes(mut self, bytes: u64, weigh: fn(&A) -> u64) -> Self {
        self.bytes = Some(Bytes { most: bytes, weigh });
        self
    }

    /// What all aggregates may weigh together.
    fn capacity(&self) -> u64 {
        match &self.bytes {
            Some(bytes) => bytes.most.min(HEAVIEST),
            None => self.aggregates as u64,
        }
    }

    /// One capacity bounds both number and size: no aggregate counts for less than its share of the bytes.
    fn weight(&self, state: &A) -> u64 {
        match &self.bytes {
            Some(Bytes { most, weigh }) => {
                weigh(state).max(most.div_ceil(self.aggregates.max(1) as u64)).clamp(1, HEAVIEST)
            }
            None => 1,
        }
    }
}

/// 1,024 aggregates, of whatever size.
impl<A> Default for CacheOptions<A> {
    fn default() -> Self {
        Self::aggregates(AGGREGATES)
    }
}

/// States by stream, each as of a version.
pub(super) struct Kept<A> {
    options: CacheOptions<A>,
    /// Made with the first state: a repository is cheap until it is used.
    cache: OnceLock<States<A>>,
}

type States<A> = Cache<StreamId, Entry<A>, ByWeight, DefaultHashBuilder, DroppedOutside>;

/// No more than this, so that sums do not overflow.
const HEAVIEST: u64 = u64::MAX / 4;

/// What is let go is dropped after the cache's lock is given back: how a state is dropped is the user's code.
#[derive(Clone)]
struct DroppedOutside;

impl<A> Lifecycle<StreamId, Entry<A>> for DroppedOutside {
    type RequestState = Vec<(StreamId, Entry<A>)>;

    fn on_evict(&self, dropped: &mut Self::RequestState, stream: StreamId, entry: Entry<A>) {
        dropped.push((stream, entry));
    }
}

/// A state, and what it weighed when it came.
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

impl<A> Weighter<StreamId, Entry<A>> for ByWeight {
    fn weight(&self, _: &StreamId, entry: &Entry<A>) -> u64 {
        entry.weight
    }
}

impl<A> Kept<A> {
    pub(super) fn new(options: CacheOptions<A>) -> Self {
        Self { options, cache: OnceLock::new() }
    }

    pub(super) fn get(&self, stream: &StreamId) -> Option<Replay<A>> {
        Some(self.cache.get()?.get(stream)?.replay)
    }

    pub(super) fn put(&self, stream: &StreamId, replay: Replay<A>) {
        if self.options.aggregates == 0 {
            return;
        }
        // Weighed here: the cache calls its weigher under a lock, and this is the user's code.
        let weight = self.options.weight(&replay.state);
        let cache = self.cache.get_or_init(|| self.make());
        cache.insert(stream.clone(), Entry { replay, weight });
    }

    pub(super) fn remove(&self, stream: &StreamId) {
        if let Some(cache) = self.cache.get() {
            cache.remove(stream);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.cache.get().map_or(0, Cache::len)
    }

    fn make(&self) -> States<A> {
        // One shard: the bound is for all states together, and the lock is held for the time of a look-up.
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

    fn fill(options: CacheOptions<Vec<u8>>, states: usize, size: usize) -> Kept<Vec<u8>> {
        let kept = Kept::new(options);
        for number in 0..states {
            let replay =
                Replay { state: Arc::new(vec![0; size]), version: 1, position: 1, snapshot: 0, since: None };
            kept.put(&StreamId::new("a", &number.to_string()), replay);
        }
        kept
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
