//! Projections into memory, in shards that run in parallel.

use std::fmt;
use std::thread;

use crate::domain::position::Position;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::PartitionedByStream;
use crate::follow::progress::CaughtUp;
use crate::follow::projection::Projection;
use crate::follow::seen::Seen;
use crate::memory::projection::{Memory, project, seen_before_read};
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

/// Several views in memory, each built from one partition of a store's streams, by a thread of its own.
///
/// For a projection that keeps its data by stream, or whose answers can be combined from the shards. All
/// events of one stream go to one shard, in order.
///
/// ```
/// use factum::prelude::*;
/// use factum::memory::MemoryShards;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Default, Clone, Projection)]
/// #[projection(events(MoneyDeposited), from(BankAccount), partition_by = stream)]
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
/// let mut deposited = MemoryShards::new(&store, Deposited::default(), 4);
/// deposited.catch_up()?;
/// let cents: u64 = deposited.views().map(|view| view.cents).sum();
/// # assert_eq!(cents, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a projection sees nothing before `.catch_up()`"]
pub struct MemoryShards<P, S> {
    store: S,
    shards: Vec<Shard<P>>,
    /// What all shards have seen, or more: a shard that failed is behind.
    seen: Seen,
}

struct Shard<P> {
    view: P,
    partition: Partition,
    position: Position,
}

impl<P, S> MemoryShards<P, S>
where
    P: Projection<Target = Memory> + PartitionedByStream + Clone + Send,
    S: EventStore,
{
    /// Begins with this many shards, at least one. Each is a clone of `view` and has seen no event yet.
    pub fn new(store: &S, view: P, shards: u32) -> Self
    where
        S: Clone,
    {
        let views = std::iter::repeat_n(view, shards.max(1) as usize);
        let shards = Partition::all(shards)
            .zip(views)
            .map(|(partition, view)| Shard { view, partition, position: Position::START })
            .collect();
        Self { store: store.clone(), shards, seen: Seen::START }
    }

    /// Projects all events of the store that the shards have not seen yet, all shards in parallel.
    ///
    /// Fails with the error of the first shard that fails; the other shards still catch up. The next call
    /// tries the failed event again, on the view as its handler left it.
    ///
    /// Fails with [`FollowError::OtherEvents`] or [`FollowError::AheadOfStore`] if the store no longer has the
    /// events that the shards have seen. Make them again from a new view then.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let failed = FollowError::store(P::NAME);
        self.seen.check(&self.store, P::NAME)?;
        // Taken before the read: an event that is appended from here on may be missed, so it must not count
        // as seen.
        let newest = self.store.position().map_err(failed)?;
        self.seen = seen_before_read(&self.store, newest, P::NAME)?;
        let store = &self.store;
        let results: Vec<_> = thread::scope(|scope| {
            let work = |shard: &mut Shard<P>| {
                project(store, &mut shard.view, Watch::NONE, shard.partition, &mut shard.position, newest)
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
                    // Panics of handlers are caught already: this one is the store's.
                    Ok(Err(_)) => Err(FollowError::Panicked { follower: P::NAME }),
                    Err(source) => Err(FollowError::Thread { follower: P::NAME, source }),
                })
                .collect()
        });
        let events = results.into_iter().sum::<Result<u64, _>>()?;
        Ok(CaughtUp { events, position: self.position() })
    }
}

impl<P, S> MemoryShards<P, S> {
    /// The views, in no particular order.
    pub fn views(&self) -> impl ExactSizeIterator<Item = &P> {
        self.shards.iter().map(|shard| &shard.view)
    }

    /// The views, owned.
    pub fn into_views(self) -> impl ExactSizeIterator<Item = P> {
        self.shards.into_iter().map(|shard| shard.view)
    }

    /// The position up to which all shards have seen all events.
    pub fn position(&self) -> Position {
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
