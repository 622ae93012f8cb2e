//! Targets that a copy refuses.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use factum::Position;
use factum::copy::{Change, CopyError};
use factum::prelude::*;
use factum::store::{Append, AppendError, Appended, ExpectedVersion, Filter, NewKey, StoreError, Visit};
use factum::testing::delegate;

use crate::support::contents::{Contents, fill};
use crate::support::events::{append, stream};
use crate::support::stores::stores;

#[test]
fn a_target_with_other_events_stays_as_it_is() {
    for (from, to) in stores().into_iter().zip(stores()) {
        fill(&from, 0, 20);
        fill(&to, 0, 5);
        let before = Contents::of(&to);
        let error = factum::copy(&from, &to).run().unwrap_err();
        assert!(matches!(error, CopyError::OtherEvents { position, part: "id", .. } if position.get() == 1));
        assert!(Contents::of(&to) == before);
    }
}

#[test]
fn a_target_of_another_function_is_refused() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    fill(&from, 0, 20);
    factum::copy(&from, &to).run().unwrap();
    let before = Contents::of(&to);
    let copy = factum::copy(&from, &to).changing(|event| {
        if event.position().get() == 9 {
            event.payload = "{}".to_owned();
        }
        Ok(Change::Keep)
    });
    let error = copy.run().unwrap_err();
    assert!(
        matches!(error, CopyError::OtherEvents { position, part: "payload", .. } if position.get() == 9),
        "{error:?}"
    );
    assert!(Contents::of(&to) == before);
}

#[test]
fn a_target_that_goes_on_is_refused() {
    for (from, to) in stores().into_iter().zip(stores()) {
        fill(&from, 0, 20);
        factum::copy(&from, &to).run().unwrap();
        append(&to, &stream("other"), ExpectedVersion::Any, &["1"]).unwrap();
        let error = factum::copy(&from, &to).run().unwrap_err();
        assert!(
            matches!(error, CopyError::MoreEvents { end, newest, .. } if newest.get() == end.get() + 1),
            "{error:?}"
        );
        // Events of the source do not come behind the other one.
        fill(&from, 1, 20);
        let error = factum::copy(&from, &to).run().unwrap_err();
        assert!(matches!(error, CopyError::OtherEvents { .. }), "{error:?}");
    }
}

/// A program that appends to the target beside the copy, to a stream of the copy or to another one.
#[test]
fn another_writer_is_noticed() {
    for to_stream in ["hot", "other"] {
        for (from, to) in stores().into_iter().zip(stores()) {
            fill(&from, 0, 100);
            let (writer, mut batches) = (to.clone(), 0);
            let copy = factum::copy(&from, &to).batch(10).on_progress(move |_| {
                batches += 1;
                if batches == 3 {
                    let of = factum::StreamName::new(to_stream, "a/b");
                    append(&writer, &of, ExpectedVersion::Any, &["1"]).unwrap();
                }
                ControlFlow::Continue(())
            });
            let error = copy.run().unwrap_err();
            assert!(
                matches!(error, CopyError::OtherEvents { .. } | CopyError::OtherWriter { .. }),
                "{error:?}"
            );
        }
    }
}

/// A store in which another program appends just before an append of the copy.
struct Shared {
    store: MemoryStore,
    left: AtomicUsize,
    other: &'static str,
}

impl EventStore for Shared {
    delegate!(self => self.store; read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before, read_keys,
        import_keys);

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let of = factum::StreamName::new(self.other, "a/b");
            append(&self.store, &of, ExpectedVersion::Any, &["1"]).unwrap();
        }
        self.store.append(appends)
    }
}

#[test]
fn another_writer_in_the_moment_of_an_append_is_noticed() {
    for (other, is_refused) in [("hot", true), ("other", false)] {
        let from = MemoryStore::new();
        fill(&from, 0, 100);
        let to = Shared { store: MemoryStore::new(), left: AtomicUsize::new(4), other };
        let error = factum::copy(&from, &to).run().unwrap_err();
        let CopyError::OtherWriter { refusal, .. } = &error else { panic!("{error:?}") };
        assert_eq!(refusal.is_some(), is_refused, "{error:?}");
    }
}

#[test]
fn two_runs_at_once_leave_a_right_target() {
    for (from, to) in stores().into_iter().zip(stores()) {
        fill(&from, 0, 600);
        let runs = thread::scope(|scope| {
            let run = || scope.spawn(|| factum::copy(&from, &to).batch(10).run());
            [run(), run()].map(|run| run.join().unwrap())
        });
        for error in runs.into_iter().filter_map(Result::err) {
            assert!(matches!(error, CopyError::OtherWriter { .. }), "{error:?}");
        }
        factum::copy(&from, &to).run().unwrap();
        assert!(Contents::of(&to) == Contents::of(&from));
    }
}

#[test]
fn another_outcome_of_a_key_is_refused() {
    for (from, to) in stores().into_iter().zip(stores()) {
        let of = stream("a");
        let now = Timestamp::now();
        for (store, at) in [(&from, now), (&to, Timestamp::from_micros(7))] {
            let keys = [NewKey::new("k", 0..0, at)];
            store.append(&[Append::new(&of, ExpectedVersion::Any, &[]).with_keys(&keys)]).unwrap();
        }
        let error = factum::copy(&from, &to).run().unwrap_err();
        assert!(matches!(&error, CopyError::OtherKey { stream, key, .. } if *stream == of && key == "k"));
    }
}

/// A store that has lost its last event: the position is still known.
struct Lossy(MemoryStore, AtomicUsize);

impl EventStore for Lossy {
    delegate!(self => self.0; append, read_stream, stream_version, position, wait_for, outcome, forget_keys_before, read_keys,
        import_keys);

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let lost = self.1.load(Ordering::SeqCst) as u64;
        self.0.read_all(filter, after, limit, &mut |event| {
            if event.envelope.position.get() == lost { ControlFlow::Continue(()) } else { visit(event) }
        })
    }
}

#[test]
fn a_lost_event_is_found_when_the_stores_are_compared() {
    let from = MemoryStore::new();
    fill(&from, 0, 100);
    let end = from.position().unwrap().get();
    for lost in [1, 17, end] {
        let to = Lossy(MemoryStore::new(), AtomicUsize::new(usize::try_from(lost).unwrap()));
        let error = factum::copy(&from, &to).batch(200).run().unwrap_err();
        assert!(matches!(error, CopyError::Missing { position, .. } if position.get() == lost), "{error:?}");
    }
}
