//! A copy that ends before its end, and is run again.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use factum::copy::CopyError;
use factum::prelude::*;
use factum::store::{Append, AppendError, Appended, StoreError, StoredKey};
use factum::testing::delegate;
use tempfile::TempDir;

use crate::support::contents::{Contents, fill};
use crate::support::job::{Job, say};
use crate::support::stores::{open_store, stores};

#[test]
fn a_stopped_copy_resumes() {
    for (from, to) in stores().into_iter().zip(stores()) {
        fill(&from, 0, 100);
        for batches in 1.. {
            let mut left = batches;
            let copy = factum::copy(&from, &to).batch(7).on_progress(move |_| {
                left -= 1;
                if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            match copy.run() {
                Err(CopyError::Stopped { position, .. }) => assert!(position <= from.position().unwrap()),
                done => {
                    done.unwrap();
                    break;
                }
            }
        }
        assert!(Contents::of(&to) == Contents::of(&from));
    }
}

/// A store whose appends fail after so many: an append of events, or one of keys.
struct Failing {
    store: MemoryStore,
    left: AtomicUsize,
}

impl Failing {
    fn count(&self) -> Result<(), StoreError> {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| StoreError::Full)
    }
}

impl EventStore for Failing {
    delegate!(self => self.store; read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before, read_keys);

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        self.count().map_err(|error| AppendError::store(appends[0].stream, error))?;
        self.store.append(appends)
    }

    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        let Some(first) = keys.first() else { return Ok(()) };
        self.count().map_err(|error| AppendError::store(first.stream, error))?;
        self.store.import_keys(keys)
    }
}

#[test]
fn a_copy_that_fails_at_any_append_resumes() {
    let from = MemoryStore::new();
    fill(&from, 0, 60);
    let mut failures = 0;
    loop {
        let to = Failing { store: MemoryStore::new(), left: AtomicUsize::new(failures) };
        let copy = |to: &Failing| factum::copy(&from, to).batch(9).run();
        match copy(&to) {
            Err(CopyError::Append(AppendError::Store { source: StoreError::Full, .. })) => {}
            done => {
                done.unwrap();
                break;
            }
        }
        to.left.store(usize::MAX, Ordering::SeqCst);
        copy(&to).unwrap();
        assert!(Contents::of(&to) == Contents::of(&from), "after {failures} appends");
        failures += 1;
    }
    assert!(failures > 20, "{failures} appends are too few for this test");
}

#[test]
fn a_killed_copy_resumes() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("from.db");
    let from = open_store(&file);
    fill(&from, 0, 4_000);
    let mut unfinished = 0;
    for batches in 1.. {
        let mut job = Job::start("copy", &file);
        let said: Vec<_> = std::iter::from_fn(|| job.hear()).take(batches * batches).collect();
        if said.last().is_some_and(|line| line == "done") {
            job.finish();
            break;
        }
        unfinished += usize::from(!job.kill().contains(&"done".to_owned()));
    }
    assert!(unfinished > 2, "only {unfinished} copies were killed");
    let to = open_store(&folder.path().join("to.db"));
    assert!(Contents::of(&to) == Contents::of(&from));
    assert!(to.check().unwrap().is_empty());
}

/// Copies the store in a file to one beside it, in small batches.
pub(crate) fn copy(file: &Path) {
    let to = SqliteStore::open(file.with_file_name("to.db")).unwrap();
    let copy = factum::copy(SqliteStore::open(file).unwrap(), to).batch(50).on_progress(|progress| {
        say(progress.done);
        ControlFlow::Continue(())
    });
    copy.run().unwrap();
    say("done");
}
