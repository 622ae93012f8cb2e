//! Where events are kept: the trait of all stores, and what goes in and comes out.

mod handles;
mod kept;
mod memory;
mod partition;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::collections::HashSet;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use uuid::Uuid;

pub(crate) use self::kept::Kept;
pub use self::memory::MemoryStore;
pub use self::partition::Partition;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
use crate::aggregate::Aggregate;
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;
use crate::metadata::{Envelope, Metadata};
use crate::repository::Repository;
use crate::subscription::{Subscription, SubscriptionOptions};
use crate::time::Timestamp;
use crate::unit_of_work::UnitOfWork;

/// An append-only store of events in streams.
///
/// Every event has a version, its place in its stream, and a position, its place in the store; both start at 1 and
/// have no gaps within what is read: the positions of one append follow each other, and a reader that has seen a
/// position never sees a smaller one appear later.
///
/// A store is a handle: cloning it gives another handle to the same events. The laws that a store must keep are
/// tests in `factum::testing::conformance` (feature `testing`).
pub trait EventStore: Send + Sync {
    /// Appends events to one or several streams: all of it, or nothing.
    ///
    /// Fails with [`AppendError::KnownKey`] if a stream has one of the idempotency keys already, with
    /// [`AppendError::Conflict`] if a stream is not at the version expected of it; a stream with no events to append
    /// is only checked for that. Naming a stream twice is an error too.
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError>;

    /// Reads one stream in order of version, from the first event after version `after`, at most `limit` events.
    ///
    /// Hands each to `visit`, until that breaks off. A stream that does not exist has no events.
    fn read_stream(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// As [`read_stream`](Self::read_stream), with only what a replay needs of each event.
    ///
    /// A store that can save work by reading less has its own; what it hands out is the same.
    fn replay(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<(), StoreError> {
        self.read_stream(stream, after, limit, &mut |event| visit(&ReplayedEvent::from(event)))
    }

    /// Reads all streams in order of position, from the first event after position `after`, at most `limit` events
    /// that `filter` lets pass.
    ///
    /// Hands each to `visit`, until that breaks off.
    fn read_all(
        &self,
        filter: Filter<'_>,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// The version of the newest event in a stream; 0 if there is none.
    fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError>;

    /// The position of the newest event; 0 if there is none.
    fn position(&self) -> Result<u64, StoreError>;

    /// Waits until the newest event is at `position` or beyond, whoever appends it; at most `timeout`.
    ///
    /// Gives the position that the store is at then, which is below `position` if the time ran out.
    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError>;

    /// What the command with this idempotency key has led to in the stream; `None` if the stream does not know the key.
    fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError>;

    /// Forgets all idempotency keys of events recorded before `time`, and tells how many these were. A command that comes
    /// with a forgotten key is a new command.
    fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError>;

    /// Lends the snapshot kept of a stream to `visit`, if there is one.
    ///
    /// What is handed out need not be true: whoever uses it checks it, as [`Repository`] does. A store that keeps no
    /// snapshots leaves this and the next two as they are here.
    fn read_snapshot(&self, stream: &StreamId, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        let _ = (stream, visit);
        Ok(())
    }

    /// Keeps a snapshot of a stream in place of an earlier one, now or a little later: nothing depends on it.
    fn save_snapshot(&self, stream: &StreamId, snapshot: &StoredSnapshot<'_>) -> Result<(), StoreError> {
        let _ = (stream, snapshot);
        Ok(())
    }

    /// Drops all snapshots of one category of streams, or of all, and tells how many. Nothing is lost but time.
    fn drop_snapshots(&self, category: Option<&str>) -> Result<u64, StoreError> {
        let _ = category;
        Ok(0)
    }

    /// Iterates over all events, or those that the options let pass: those that are there, then each as it is appended.
    ///
    /// See [`Subscription`] for an example.
    fn subscribe(&self, options: SubscriptionOptions) -> Subscription<Self>
    where
        Self: Sized + Clone,
    {
        Subscription::new(self.clone(), options)
    }

    /// What tells this store from others that are open: the same for all handles to it, another for every other store.
    /// `None`, where nobody knows, counts as another.
    ///
    /// States that a repository keeps in memory are used for its own store only.
    fn identity(&self) -> Option<usize> {
        None
    }

    /// A repository of the aggregates of type `A`, whose services have a default; `()` has one.
    fn repository<A>(&self) -> Repository<A, Self>
    where
        A: Aggregate,
        A::Services: Default,
        Self: Sized + Clone,
    {
        Repository::new(self.clone(), A::Services::default())
    }

    /// A repository of the aggregates of type `A`, which decide with these services.
    fn repository_with<A>(&self, services: A::Services) -> Repository<A, Self>
    where
        A: Aggregate,
        Self: Sized + Clone,
    {
        Repository::new(self.clone(), services)
    }

    /// Runs `work` on a unit of work and commits it; both once more, up to `retries` times, if another writer was
    /// faster.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # let store = MemoryStore::new();
    /// # let accounts = store.repository::<BankAccount>();
    /// # let [alice, bob] = ["alice", "bob"].map(|name| AccountId(name.into()));
    /// # accounts.execute(DepositMoney { account: alice.clone(), cents: 50 })?;
    /// store.atomically(5, |work| -> Result<(), BoxError> {
    ///     work.execute(&accounts, WithdrawMoney { account: alice.clone(), cents: 50 })?;
    ///     work.execute(&accounts, DepositMoney { account: bob.clone(), cents: 50 })?;
    ///     Ok(())
    /// })?;
    /// # assert_eq!(accounts.load(&bob)?.state().balance, 50);
    /// # Ok::<(), BoxError>(())
    /// ```
    ///
    /// Fails as `work` does, or as [`UnitOfWork::commit`] does; in either case nothing is stored.
    fn atomically<T, E>(
        &self,
        retries: u32,
        mut work: impl FnMut(&mut UnitOfWork<'_, Self>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<AppendError>,
        Self: Sized,
    {
        let mut failed = 0;
        loop {
            let mut unit = UnitOfWork::new(self);
            let done = work(&mut unit)?;
            match unit.commit() {
                Ok(_) => return Ok(done),
                Err(AppendError::Conflict(_)) if failed < retries => failed += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Begins a commit of several commands, to one or more aggregates, all or none.
    fn unit_of_work(&self) -> UnitOfWork<'_, Self>
    where
        Self: Sized,
    {
        UnitOfWork::new(self)
    }
}

/// What a read hands each event to. Breaking off ends the read.
pub type Visit<'v> = dyn FnMut(&StoredEvent<'_>) -> ControlFlow<()> + 'v;

/// What a replay hands each event to. Breaking off ends it.
pub type VisitReplayed<'v> = dyn FnMut(&ReplayedEvent<'_>) -> ControlFlow<()> + 'v;

/// What a read of a snapshot hands it to.
pub type VisitSnapshot<'v> = dyn FnMut(&StoredSnapshot<'_>) + 'v;

/// Which events a read of all streams gives. Each list that is empty lets everything pass, and so does the default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Only events stored under one of these names.
    pub names: &'a [&'a str],
    /// Only events in streams of one of these categories.
    pub categories: &'a [&'a str],
    /// Without metadata, which the store then need not read: id, time, correlation, causation and what the writer added are
    /// of no meaning in what is handed out.
    pub bare: bool,
    /// Only events in streams of this part.
    pub partition: Partition,
    /// Only events up to this position.
    pub until: Option<u64>,
}

/// Events for one stream, and what the stream is expected to be like.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    /// The stream.
    pub stream: &'a StreamId,
    /// The version that the stream must be at.
    pub expected: ExpectedVersion,
    /// The events, in order; none, to go on only if the stream is still as expected.
    pub events: &'a [NewEvent<'a>],
    /// Idempotency keys of the commands that the events come from; usually none. Each is kept with the events.
    pub keys: &'a [NewKey<'a>],
}

impl<'a> Append<'a> {
    /// Events without idempotency keys.
    pub fn new(
        stream: &'a StreamId,
        expected: impl Into<ExpectedVersion>,
        events: &'a [NewEvent<'a>],
    ) -> Self {
        Self { stream, expected: expected.into(), events, keys: &[] }
    }
}

/// An idempotency key about to be stored. Keys of different streams have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey<'a> {
    /// The key.
    pub key: &'a str,
    /// Which of the append's events are what the command has led to; none, if it has led to nothing.
    pub events: Range<usize>,
    /// When the command was carried out.
    pub recorded_at: Timestamp,
}

/// What a command with an idempotency key has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The version that the stream was at before the command's events.
    pub before: u64,
    /// The version after them; the same, if there were none.
    pub version: u64,
}

/// An event about to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    /// The name to store it under.
    pub name: &'a str,
    /// The version of its shape.
    pub schema: u32,
    /// Its own id.
    pub id: Uuid,
    /// When it is recorded.
    pub recorded_at: Timestamp,
    /// Correlation, causation, and the writer's own.
    pub metadata: &'a Metadata,
    /// The event as JSON text.
    pub payload: &'a str,
}

/// An event as a store hands it out, borrowed from the store's own buffers for the time of a visit.
#[derive(Debug, Clone, Copy)]
pub struct StoredEvent<'a> {
    /// Where, when and why it was recorded.
    pub envelope: Envelope<'a>,
    /// The name that it is stored under.
    pub name: &'a str,
    /// The version of its shape.
    pub schema: u32,
    /// The event as JSON text.
    pub payload: &'a str,
}

/// An event as a replay needs it, borrowed from the store's own buffers for the time of a visit.
#[derive(Debug, Clone, Copy)]
pub struct ReplayedEvent<'a> {
    /// Its place among all events of the store, from 1.
    pub position: u64,
    /// Its place in the stream, from 1.
    pub version: u64,
    /// The name that it is stored under.
    pub name: &'a str,
    /// The version of its shape.
    pub schema: u32,
    /// The event as JSON text.
    pub payload: &'a str,
}

impl<'a> From<&StoredEvent<'a>> for ReplayedEvent<'a> {
    fn from(event: &StoredEvent<'a>) -> Self {
        Self {
            position: event.envelope.position,
            version: event.envelope.version,
            name: event.name,
            schema: event.schema,
            payload: event.payload,
        }
    }
}

/// A snapshot as a store keeps it: the state of an aggregate after one event of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSnapshot<'a> {
    /// The version of the last event that the state has seen.
    pub version: u64,
    /// The position of that event.
    pub position: u64,
    /// When it was taken.
    pub taken_at: Timestamp,
    /// The shape that the state had in the program that took it.
    pub fingerprint: u64,
    /// A hash of all this, by which damage is noticed.
    pub checksum: u64,
    /// The state.
    pub state: &'a [u8],
}

/// What the version of a stream is expected to be when events are appended to it: optimistic concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedVersion {
    /// Whatever it is.
    Any,
    /// The stream has no events yet.
    NoStream,
    /// Exactly this one; 0 is the same as `NoStream`.
    Exactly(u64),
}

impl ExpectedVersion {
    /// Whether a stream at `version` is as expected.
    pub fn matches(self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::NoStream => version == 0,
            Self::Exactly(expected) => version == expected,
        }
    }
}

impl fmt::Display for ExpectedVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream | Self::Exactly(0) => f.write_str("no events"),
            Self::Exactly(version) => write!(f, "version {version}"),
        }
    }
}

impl From<u64> for ExpectedVersion {
    fn from(version: u64) -> Self {
        Self::Exactly(version)
    }
}

/// Where an append has put its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The position of its first event; the others follow without a gap, in the order given. 0 if it had no events.
    pub first_position: u64,
    /// The version that each stream is now at, in the order given.
    pub versions: Vec<u64>,
}

/// What is wrong with `appends` whatever the store holds; every store's first question.
///
/// Public for those who write a store.
pub fn check_appends(appends: &[Append<'_>]) -> Result<(), AppendError> {
    appends.iter().try_for_each(check_keys)?;
    if let [_] | [] = appends {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(appends.len());
    match appends.iter().find(|append| !seen.insert(append.stream)) {
        Some(append) => Err(AppendError::StreamTwice { stream: append.stream.clone() }),
        None => Ok(()),
    }
}

fn check_keys(append: &Append<'_>) -> Result<(), AppendError> {
    for (index, key) in append.keys.iter().enumerate() {
        let twice = append.keys.iter().skip(index + 1).any(|other| other.key == key.key);
        if twice || append.events.get(key.events.clone()).is_none() {
            return Err(AppendError::MalformedKey { stream: append.stream.clone(), key: key.key.to_owned() });
        }
    }
    Ok(())
}

impl NewKey<'_> {
    /// What the key is kept for, if its stream was at `before` when its append began.
    pub(crate) fn outcome(&self, before: u64) -> Outcome {
        let after = |events: usize| before + kept::number(events);
        Outcome { before: after(self.events.start), version: after(self.events.end) }
    }
}
