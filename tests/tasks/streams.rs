use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::{future, thread};

use factum::follow::{SubscribedEvent, SubscriptionOptions};
use factum::prelude::*;
use factum::store::StoreError;
use factum::tasks::{AsyncStoreExt as _, EventStream};
use factum::testing::delegate;
use factum::{EventKind, Position};
use futures_core::Stream;
use tempfile::TempDir;

use crate::account::{Account, Opened, deposit, id, open};
use crate::blocking::ends;
use crate::{open_file, runtime, stores};

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

async fn positions(stream: &mut EventStream, count: usize) -> Vec<u64> {
    let mut positions = Vec::new();
    for _ in 0..count {
        let event = next(stream).await.unwrap().unwrap();
        positions.push(event.envelope().position.get());
    }
    positions
}

/// First the stored events, then new ones, each once and in order, for any number of readers.
#[test]
fn a_stream_has_all_events_in_order() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let runtime = runtime();
        let readers: Vec<_> = (0..50)
            .map(|_| {
                let mut stream = store.stream(SubscriptionOptions::new().buffer(7));
                runtime.spawn(async move { positions(&mut stream, 301).await })
            })
            .collect();
        let deposit_all = || {
            for _ in 0..100 {
                accounts.execute(deposit("alice", 1)).unwrap();
            }
        };
        thread::scope(|scope| (0..3).for_each(|_| drop(scope.spawn(deposit_all))));
        for reader in readers {
            assert_eq!(runtime.block_on(reader).unwrap(), (1..=301).collect::<Vec<_>>());
        }
    }
}

/// Another process appends: its events come too.
#[test]
fn appends_through_another_connection_wake_a_stream() {
    let folder = TempDir::new().unwrap();
    let (here, elsewhere) = (open_file(&folder), open_file(&folder));
    let runtime = runtime();
    let mut stream = here.stream(SubscriptionOptions::new());
    let reader = runtime.spawn(async move { positions(&mut stream, 1).await });
    elsewhere.repository::<Account>().execute(open("alice")).unwrap();
    assert_eq!(runtime.block_on(reader).unwrap(), [1]);
}

/// A stream resumes where another one has ended, and begins where it is told to.
#[test]
fn a_stream_resumes() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for _ in 0..9 {
            accounts.execute(deposit("alice", 1)).unwrap();
        }
        runtime().block_on(async {
            let mut stream = store.stream(SubscriptionOptions::new());
            assert_eq!(positions(&mut stream, 4).await, [1, 2, 3, 4]);
            let mut stream = store.stream(SubscriptionOptions::new().after(stream.seen()));
            assert_eq!(positions(&mut stream, 6).await, [5, 6, 7, 8, 9, 10]);
        });
    }
}

/// A store that counts its watchers, and how much was read.
#[derive(Clone)]
struct Counting {
    store: MemoryStore,
    watchers: Arc<AtomicUsize>,
    watches: bool,
    fails: Arc<AtomicUsize>,
}

impl EventStore for Counting {
    delegate!(self => self.store; append, read_stream, stream_version, position, wait_for, outcome, forget_keys_before);

    fn read_all(
        &self,
        filter: factum::store::Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut factum::store::Visit<'_>,
    ) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) > 0 {
            self.fails.fetch_sub(1, Ordering::SeqCst);
            return Err(StoreError::Busy);
        }
        self.store.read_all(filter, after, limit, visit)
    }

    fn watch(&self, waker: &std::task::Waker) -> Result<bool, StoreError> {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        if self.watches { self.store.watch(waker) } else { Ok(false) }
    }

    fn unwatch(&self, waker: &std::task::Waker) {
        self.watchers.fetch_sub(1, Ordering::SeqCst);
        self.store.unwatch(waker);
    }
}

impl Counting {
    fn new(watches: bool) -> Self {
        Self { store: MemoryStore::new(), watchers: Arc::default(), watches, fails: Arc::default() }
    }
}

/// What a stream has begun ends with it.
#[test]
fn a_dropped_stream_watches_no_more() {
    let store = Counting::new(true);
    let runtime = runtime();
    runtime.block_on(async {
        let mut streams: Vec<_> = (0..3).map(|_| store.stream(SubscriptionOptions::new())).collect();
        for stream in &mut streams {
            let polled =
                future::poll_fn(|context| Poll::Ready(Pin::new(&mut *stream).poll_next(context))).await;
            assert!(polled.is_pending());
        }
        assert_eq!(store.watchers.load(Ordering::SeqCst), 3);
    });
    assert_eq!(store.watchers.load(Ordering::SeqCst), 0);
}

/// A store without a way to wake is read now and then.
#[test]
fn a_store_that_wakes_nothing_is_read_again() {
    let store = Counting::new(false);
    let runtime = runtime();
    let mut stream = store.stream(SubscriptionOptions::new());
    let reader = runtime.spawn(async move { positions(&mut stream, 2).await });
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!(runtime.block_on(reader).unwrap(), [1, 2]);
}

/// An error does not end a stream, and loses no event.
#[test]
fn an_error_does_not_end_a_stream() {
    let store = Counting::new(true);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    store.fails.store(2, Ordering::SeqCst);
    runtime().block_on(async {
        let mut stream = store.stream(SubscriptionOptions::new());
        let mut errors = 0;
        let event: SubscribedEvent = loop {
            match next(&mut stream).await.unwrap() {
                Ok(event) => break event,
                Err(StoreError::Busy) => errors += 1,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!((errors, event.name()), (2, "opened"));
    });
}

/// The history of one aggregate, over several pages.
#[test]
fn a_history_is_a_stream() {
    let (stores, _folder) = stores();
    for store in stores {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for _ in 0..300 {
            accounts.execute(deposit("alice", 1)).unwrap();
        }
        runtime().block_on(async {
            let mut history = accounts.history_async(&id("alice")).await.unwrap();
            let mut versions = Vec::new();
            while let Some(event) = next(&mut history).await {
                versions.push(event.unwrap().version);
            }
            assert_eq!(versions, (1..=301).collect::<Vec<_>>());
            assert!(accounts.history_async(&id("bob")).await.is_err());
        });
    }
}

/// A stream with a filter reads on where a read comes to its limit and no event has passed.
#[test]
fn a_stream_skips_any_number_of_events() {
    ends(|| {
        let store = MemoryStore::new();
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        for _ in 0..5 {
            accounts.execute_batch(&id("alice"), (0..9_000).map(|_| deposit("alice", 1))).unwrap();
        }
        accounts.execute(open("bob")).unwrap();
        let options = SubscriptionOptions::new().names(EventKind::of::<Opened>().names());
        let mut stream = store.stream(options.clone());
        assert_eq!(runtime().block_on(positions(&mut stream, 2)), [1, 45_002]);
        let mut subscription = store.subscribe(options.after(Position::new(1)));
        assert_eq!(subscription.try_next().unwrap().unwrap().envelope().position, Position::new(45_002));
    });
}
