//! The reads of a store, written once for threads that block and for tasks that wait.

use std::ops::ControlFlow;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::domain::stream_name::StreamName;
use crate::repository::waits::Waits;
use crate::store::append::Outcome;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::read::{ReplayedEvent, StoredEvent};
use crate::store::snapshot::StoredSnapshot;
use crate::store::task_reads::{Page, TaskRead};

/// See [`EventStore::read_stream`].
#[inline]
pub(crate) async fn read_stream<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    after: u64,
    limit: usize,
    mut visit: impl FnMut(&StoredEvent<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let Some(reads) = W::reads(store) else {
        W::thread().await;
        return store.read_stream(stream, after, limit, &mut visit);
    };
    pages(reads.read_stream(stream, after, limit, true), visit).await
}

/// Passes the events of pages to `visit`, until it breaks.
pub(crate) async fn pages(
    first: TaskRead<Box<dyn Page>>,
    mut visit: impl FnMut(&StoredEvent<'_>) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let mut next = Some(first);
    while let Some(read) = next.take() {
        let page = read.await?;
        if page.visit(&mut visit)?.is_continue() {
            next = page.next();
        }
    }
    Ok(())
}

/// See [`EventStore::replay`].
#[inline]
pub(crate) async fn replay<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    after: u64,
    limit: usize,
    mut visit: impl FnMut(&ReplayedEvent<'_>) -> ControlFlow<()>,
) -> Result<Option<Uuid>, StoreError> {
    let Some(reads) = W::reads(store) else {
        W::thread().await;
        return store.replay(stream, after, limit, &mut visit);
    };
    let mut last = None;
    let replayed = |event: &StoredEvent<'_>| {
        last = Some(event.envelope.id);
        visit(&event.into())
    };
    pages(reads.read_stream(stream, after, limit, false), replayed).await?;
    Ok(last)
}

/// See [`EventStore::stream_version`].
#[inline]
pub(crate) async fn stream_version<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
) -> Result<u64, StoreError> {
    match W::reads(store) {
        Some(reads) => reads.stream_version(stream).await,
        None => {
            W::thread().await;
            store.stream_version(stream)
        }
    }
}

/// See [`EventStore::outcome`].
#[inline]
pub(crate) async fn outcome<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    key: &str,
) -> Result<Option<Outcome>, StoreError> {
    match W::reads(store) {
        Some(reads) => reads.outcome(stream, key).await,
        None => {
            W::thread().await;
            store.outcome(stream, key)
        }
    }
}

/// See [`EventStore::read_snapshot`].
#[inline]
pub(crate) async fn read_snapshot<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    stream: &StreamName,
    mut visit: impl FnMut(&StoredSnapshot<'_>),
) -> Result<(), StoreError> {
    match W::reads(store) {
        Some(reads) => reads.read_snapshot(stream).await?.visit(&mut visit),
        None => {
            W::thread().await;
            store.read_snapshot(stream, &mut visit)
        }
    }
}

/// See [`EventStore::position`].
pub(crate) async fn position<W: Waits, S: EventStore + ?Sized>(store: &S) -> Result<Position, StoreError> {
    match W::reads(store) {
        Some(reads) => reads.position().await,
        None => {
            W::thread().await;
            store.position()
        }
    }
}

/// See [`EventStore::next_position`].
pub(crate) async fn next_position<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    after: Position,
) -> Result<Option<Position>, StoreError> {
    match W::reads(store) {
        Some(reads) => reads.next_position(after).await,
        None => {
            W::thread().await;
            store.next_position(after)
        }
    }
}

/// See [`EventStore::event_id`].
pub(crate) async fn event_id<W: Waits, S: EventStore + ?Sized>(
    store: &S,
    position: Position,
) -> Result<Option<Uuid>, StoreError> {
    match W::reads(store) {
        Some(reads) => reads.event_id(position).await,
        None => {
            W::thread().await;
            store.event_id(position)
        }
    }
}
