//! Views in memory, side by side.

use std::fmt;
use std::thread;

use super::project;
use crate::projection::{CaughtUp, Memory, PartitionedByStream, ProjectionError};
use crate::store::{EventStore, Partition};

/// Several views in memory, each made from a part of a store's streams, by a thread of its own.
///
/// For a projection that keeps what it knows by stream, and for one whose answers can be put together from parts: all events of
/// one stream are in one shard, in order.
///
/// ```
/// use factum::prelude::*;
/// use factum::MemoryShards;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Default, Clone, Projection)]
/// #[projection(events(MoneyDeposited), partition_by = stream)]
/// struct Deposited {
///     cents: u64,
/// }
///
/// #[handlers]
/// impl Deposited {
///     #[project]
///     fn deposited(&mut self, event: &MoneyDeposited) {
///         self.cents += event.cents;
///     }
/// }
///
/// let store = MemoryStore::new();
/// # for name in ["a", "b", "c"] {
/// #     store.repository::<BankAccount>().execute(DepositMoney { account: AccountId(name.into()), cents: 5 })?;
/// # }
/// let mut deposited = MemoryShards::new(store, 4, &Deposited::default());
/// deposited.catch_up()?;
/// let cents: u64 = deposited.views().map(|view| view.cents).sum();
/// # assert_eq!(cents, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryShards<P, S> {
    store: S,
    shards: Vec<Shard<P>>,
}

struct Shard<P> {
    view: P,
    partition: Partition,
    position: u64,
}

impl<P, S> MemoryShards<P, S>
where
    P: PartitionedByStream<Target = Memory> + Clone + Send,
    S: EventStore,
{
    /// So many views, at least one, each of which begins as `view` is and has seen nothing yet.
    pub fn new(store: S, count: u32, view: &P) -> Self {
        let shards = Partition::all(count);
        let shards = shards.map(|partition| Shard { view: view.clone(), partition, position: 0 });
        Self { store, shards: shards.collect() }
    }

    /// Projects all events that are in the store by now and have not been seen yet, the shards side by side.
    ///
    /// Fails with the error of the first shard that can't go on; the others catch up all the same. Another call tries the
    /// event that failed once more, on whatever its handler has left of the view.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        // Taken before: what is appended from here on may or may not be seen, and is not counted as seen.
        let newest = self.store.position().map_err(ProjectionError::store::<P>)?;
        let store = &self.store;
        let results: Vec<_> = thread::scope(|scope| {
            let work = |shard: &mut Shard<P>| {
                project(store, &mut shard.view, shard.partition, &mut shard.position, newest)
            };
            let spawn = |shard| {
                let thread = thread::Builder::new().name(format!("factum: {}", P::NAME));
                thread.spawn_scoped(scope, move || work(shard))
            };
            let threads: Vec<_> = self.shards.iter_mut().map(spawn).collect();
            threads
                .into_iter()
                .map(|thread| match thread.map(thread::ScopedJoinHandle::join) {
                    Ok(Ok(result)) => result,
                    // Handlers are caught: this is the store.
                    Ok(Err(_)) => Err(ProjectionError::Panicked { projection: P::NAME }),
                    Err(source) => Err(ProjectionError::Thread { projection: P::NAME, source }),
                })
                .collect()
        });
        let events = results.into_iter().sum::<Result<u64, _>>()?;
        Ok(CaughtUp { events, position: self.position() })
    }
}

impl<P, S> MemoryShards<P, S> {
    /// The views, in no order that means anything.
    pub fn views(&self) -> impl ExactSizeIterator<Item = &P> {
        self.shards.iter().map(|shard| &shard.view)
    }

    /// The views, owned.
    pub fn into_views(self) -> impl ExactSizeIterator<Item = P> {
        self.shards.into_iter().map(|shard| shard.view)
    }

    /// The position up to which everything has been seen.
    pub fn position(&self) -> u64 {
        self.shards.iter().map(|shard| shard.position).min().unwrap_or_default()
    }
}

impl<P: fmt::Debug, S> fmt::Debug for MemoryShards<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryShards")
            .field("views", &self.shards.iter().map(|shard| &shard.view).collect::<Vec<_>>())
            .field("position", &self.position())
            .finish_non_exhaustive()
    }
}
