//! Reads of tasks, if the store has them: they return what reads of threads return.

use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use super::law::{Law, MANY, Seen, break_if, facts, stream};
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::store::append::{Append, ExpectedVersion, NewKey};
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;
use crate::store::read::Filter;
use crate::store::snapshot::{OwnedSnapshot, StoredSnapshot};
use crate::store::task_reads::{Page, TaskRead};

/// A task reads what a thread reads, page by page, and is woken when it is there.
pub fn tasks_read_what_threads_read<S: EventStore>(store: &S) {
    let law = Law::new("tasks_read_what_threads_read", store);
    let Some(reads) = store.task_reads() else { return };
    let (a, b, missing) = (stream("a"), stream("b"), stream("missing"));
    let keys = [NewKey::new("key", 0..1, Timestamp::from_micros(7))];
    let (many, few) = (facts(MANY), facts(3));
    law.append_any(&a, &many);
    let few: Vec<_> = few.iter().map(super::law::Fact::as_new).collect();
    law.succeeds(store.append(&[Append::new(&b, ExpectedVersion::Any, &few).with_keys(&keys)]), "an append");

    for stream in [&a, &b, &missing] {
        let version = wait(&law, reads.stream_version(stream), "a version");
        law.equal(version, law.version(stream), format_args!("the version of {stream}"));
        for key in ["key", "other"] {
            let found = wait(&law, reads.outcome(stream, key), "an outcome");
            let wanted = law.succeeds(store.outcome(stream, key), "an outcome");
            law.equal(found, wanted, format_args!("the outcome of {key:?} in {stream}"));
        }
        for (after, limit) in [(0, usize::MAX), (0, 0), (1, 1), (2, MANY), (u64::MAX, 9)] {
            let of = format_args!("{limit} events of {stream} after version {after}");
            let wanted = law.stream(stream, after, limit);
            let found = pages(&law, reads.read_stream(stream, after, limit, true), usize::MAX);
            law.same(&found, &wanted, of);
            let found = pages(&law, reads.read_stream(stream, after, limit, false), usize::MAX);
            let ids =
                |seen: &[Seen]| seen.iter().map(|seen| (seen.version, seen.fact.id)).collect::<Vec<_>>();
            law.holds(ids(&found) == ids(&wanted), format_args!("{of}: without metadata, they are others"));
        }
    }

    let newest = wait(&law, reads.position(), "the position");
    law.equal(newest.get(), law.position(), "the position");
    for position in [0, 1, newest.get() - 1, newest.get(), u64::MAX].map(Position::new) {
        let of = format_args!("position {position}");
        let next = wait(&law, reads.next_position(position), of);
        law.equal(next, law.succeeds(store.next_position(position), of), of);
        let id = wait(&law, reads.event_id(position), of);
        law.equal(id, law.succeeds(store.event_id(position), of), of);
    }
    let half = Partition::all(2).next().unwrap_or(Partition::WHOLE);
    let filters = [
        Filter::new(),
        Filter::new().names(&["counted"]).until(Position::new(2_000)),
        Filter::new().names(&["other"]),
        Filter::new().categories(&["conformance"]),
        Filter::new().partition(half),
    ];
    for filter in filters {
        for (after, limit) in [(0, usize::MAX), (MANY as u64, usize::MAX), (5, 700)] {
            let of = format_args!("{limit} events after position {after}");
            let found = pages(&law, reads.read_all(filter, Position::new(after), limit), usize::MAX);
            law.same(&found, &law.all(filter, after, limit), of);
        }
    }
    let broken_off = pages(&law, reads.read_all(Filter::new(), Position::START, MANY), 400);
    law.same(&broken_off, &law.all(Filter::new(), 0, 400), "the events of a read that is broken off");

    let snapshot = StoredSnapshot::new(2, Position::new(2), Timestamp::from_micros(1), 3, 4, b"state");
    law.succeeds(store.save_snapshot(&a, &snapshot), "saving a snapshot");
    for stream in [&a, &missing] {
        let (mut found, mut wanted) = (None, None);
        let read = wait(&law, reads.read_snapshot(stream), "a snapshot");
        law.succeeds(read.visit(&mut |snapshot| found = Some(OwnedSnapshot::copy(snapshot))), "a snapshot");
        let read = store.read_snapshot(stream, &mut |snapshot| wanted = Some(OwnedSnapshot::copy(snapshot)));
        law.succeeds(read, "a snapshot");
        let lend =
            |snapshot: &Option<OwnedSnapshot>| snapshot.as_ref().map(|one| format!("{:?}", one.lend()));
        law.equal(lend(&found), lend(&wanted), format_args!("the snapshot of {stream}"));
    }
}

/// The first events of a read, up to this number.
#[track_caller]
fn pages<S: EventStore>(law: &Law<'_, S>, first: TaskRead<Box<dyn Page>>, most: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut next = Some(first);
    while let Some(read) = next.take() {
        let page = wait(law, read, "a page");
        let visited = page.visit(&mut |event| {
            seen.push(Seen::new(event));
            break_if(seen.len() >= most)
        });
        if law.succeeds(visited, "a visit") == ControlFlow::Continue(()) {
            next = page.next();
        }
    }
    seen
}

/// What a task would get.
#[track_caller]
fn wait<T, S: EventStore>(law: &Law<'_, S>, read: TaskRead<T>, what: impl std::fmt::Display) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut read = pin!(read);
    loop {
        match read.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return law.succeeds(result, what),
            Poll::Pending => thread::park(),
        }
    }
}
