//! Where events are kept: the trait of all stores, and what goes in and comes out.

mod handles;
mod kept;
mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::collections::HashSet;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use uuid::Uuid;

pub use self::memory::MemoryStore;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
use crate::aggregate::Aggregate;
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;
use crate::metadata::{Envelope, Metadata};
use crate::repository::Repository;
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
    /// Fails with [`AppendError::Conflict`] if a stream is not at the version expected of it; a stream with no events
    /// to append is only checked for that. Naming a stream twice is an error too.
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

/// Which events a read of all streams gives. Each list that is empty lets everything pass.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Only events stored under one of these names.
    pub names: &'a [&'a str],
    /// Only events in streams of one of these categories.
    pub categories: &'a [&'a str],
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
    if let [_] | [] = appends {
        return Ok(());
    }
    let mut seen = HashSet::with_capacity(appends.len());
    match appends.iter().find(|append| !seen.insert(append.stream)) {
        Some(append) => Err(AppendError::StreamTwice { stream: append.stream.clone() }),
        None => Ok(()),
    }
}
