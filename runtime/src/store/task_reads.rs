//! Reads that a task waits for with a waker, without a thread.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::store::append::Outcome;
use crate::store::error::StoreError;
use crate::store::read::{Filter, Visit};
use crate::store::snapshot::VisitSnapshot;

/// What a store will have read. The read is on its way before this is polled.
pub type TaskRead<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// The reads of a store that is elsewhere: a task waits for them without a thread (feature `tokio`).
///
/// Each method returns what the one of [`EventStore`](crate::store::EventStore) with the same name does. A store returns itself
/// by [`EventStore::task_reads`](crate::store::EventStore::task_reads) if all of them give up the thread while they wait.
pub trait TaskReads: Send + Sync {
    /// The first page of a stream's events. Without `metadata`, the only metadata that has a meaning is `id`.
    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        metadata: bool,
    ) -> TaskRead<Box<dyn Page>>;

    /// The first page of the events of all streams.
    fn read_all(&self, filter: Filter<'_>, after: Position, limit: usize) -> TaskRead<Box<dyn Page>>;

    /// The version of the newest event in a stream.
    fn stream_version(&self, stream: &StreamName) -> TaskRead<u64>;

    /// The position of the newest event.
    fn position(&self) -> TaskRead<Position>;

    /// The position of the next event after a position.
    fn next_position(&self, after: Position) -> TaskRead<Option<Position>>;

    /// The id of the event at a position.
    fn event_id(&self, position: Position) -> TaskRead<Option<Uuid>>;

    /// The outcome of the command with this idempotency key.
    fn outcome(&self, stream: &StreamName, key: &str) -> TaskRead<Option<Outcome>>;

    /// The snapshot of a stream.
    fn read_snapshot(&self, stream: &StreamName) -> TaskRead<Box<dyn ReadSnapshot>>;
}

/// Some of the events of a read, in their order.
pub trait Page: Send {
    /// Passes the events to `visit`, until it breaks.
    fn visit(&self, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, StoreError>;

    /// The next page, which the store may have asked for already; `None` after the last one.
    fn next(self: Box<Self>) -> Option<TaskRead<Box<dyn Page>>>;
}

/// The snapshot of a stream, or none.
pub trait ReadSnapshot: Send {
    /// Passes the snapshot to `visit`, if there is one.
    fn visit(&self, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError>;
}
