//! Rebuilds that several programs do at once, of one version or of several.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use factum::Position;
use factum::follow::{CaughtUp, FollowError, Progress, Projection, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{Connection, Transaction};
use factum::sqlite::{Sqlite, SqliteOptions};

use super::{First, Fourth, MANY, Second, fill, left_behind, row};
use crate::support::bounded::wait_until;
use crate::support::stores::{LONG, doctor, open_store};
use crate::support::views::{awaited_lease, balances};

/// A program that rebuilds a view, and stands still after its first batch until it may continue.
pub(crate) struct Paused {
    may_continue: Sender<()>,
    stands_still: Receiver<()>,
    program: JoinHandle<Result<CaughtUp, ProjectionError>>,
}

impl Paused {
    pub(crate) fn rebuild<P: Projection<Target = Sqlite> + Send + 'static>(file: &Path, view: P) -> Self {
        let (stands, stands_still) = channel();
        let (may_continue, continues) = channel::<()>();
        let store = open_store(file);
        let mut pause = Some((stands, continues));
        let on_progress = move |_: &Progress| {
            if let Some((stands, continues)) = pause.take() {
                stands.send(()).unwrap();
                continues.recv().unwrap();
            }
            ControlFlow::Continue(())
        };
        let program = thread::spawn(move || {
            SqliteProjection::new(&store, view).unwrap().on_progress(on_progress).catch_up()
        });
        let paused = Self { may_continue, stands_still, program };
        paused.stands_still.recv_timeout(LONG).unwrap();
        paused
    }

    pub(crate) fn finish(self) -> Result<CaughtUp, ProjectionError> {
        self.may_continue.send(()).unwrap();
        self.program.join().unwrap()
    }
}

fn filled(file: &Path) -> SqliteStore {
    let store = open_store(file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    store
}

/// A program of an older version has the lease of the rebuild, and renews it.
#[test]
fn a_newer_version_takes_over_the_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    let older = Paused::rebuild(&file, Second::default());
    let newer = SqliteProjection::new(&store, Fourth::default()).unwrap().follow().start().unwrap();
    newer.wait_for(Position::new(MANY), LONG).unwrap();
    assert_eq!(balances(&store), row("alice", 11_999));
    let error = older.finish().unwrap_err();
    let ProjectionError::Follow(FollowError::OtherVersion { stored: 4, current: 2, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(balances(&store), row("alice", 11_999), "the newer view stays");
    newer.stop().unwrap();
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
    assert_eq!(store.check().unwrap(), []);
}

/// An older version waits for the rebuild of a newer one, which then makes its own rebuild unnecessary.
#[test]
fn an_older_version_does_not_take_over_the_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    let newer = Paused::rebuild(&file, Fourth::default());
    let second = Second::default();
    let older = SqliteProjection::new(&store, second.clone()).unwrap().follow().start().unwrap();
    wait_until(|| {
        assert!(!older.has_ended());
        awaited_lease(&older).is_some()
    });
    assert_eq!(newer.finish().unwrap().position, Position::new(MANY));
    older.wait_for(Position::new(MANY), LONG).unwrap_err();
    let error = older.stop().unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 4, current: 2, .. })),
        "{error}"
    );
    assert_eq!(second.taken.load(Ordering::SeqCst), 0);
    assert_eq!(balances(&store), row("alice", 11_999));
}

/// A process slept for longer than its lease, and another one has rebuilt the view. Both have one version.
#[test]
fn a_rebuild_that_lost_its_lease_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    let asleep = Paused::rebuild(&file, Second::default());
    // So that the sleeper can't renew its lease.
    doctor(&file, "DELETE FROM factum_leases");
    SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
    assert_eq!(balances(&store), row("alice", 1_199_900));
    assert_eq!(asleep.finish().unwrap().events, 0, "there is nothing left to do");
    assert_eq!(balances(&store), row("alice", 1_199_900));
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

/// A newer program makes the view from scratch while an older one rebuilds it.
#[test]
fn a_rebuild_does_not_replace_a_newer_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    let older = Paused::rebuild(&file, Second::default());
    let drop_tables = |transaction: &Transaction<'_>| transaction.execute_batch("DROP TABLE balances");
    SqliteProjection::from_scratch(&store, Fourth::default(), drop_tables).unwrap().catch_up().unwrap();
    let error = older.finish().unwrap_err();
    assert!(
        matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 4, current: 2, .. })),
        "{error}"
    );
    assert_eq!(balances(&store), row("alice", 11_999));
}

/// Another process writes to the rebuild's file while the new view replaces the old one. A wait for that lock
/// would be a wait of all appends.
#[test]
fn the_new_view_replaces_the_old_one_without_a_lock_of_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    filled(&file);
    let store = SqliteOptions::new().busy_timeout(Duration::from_millis(200)).open(&file).unwrap();
    let holder = Arc::new(Mutex::new(None));
    let (held, path) = (holder.clone(), folder.path().to_owned());
    let lock_at_the_end = move |progress: &Progress| {
        if progress.done == progress.total {
            let name = left_behind(&path).into_iter().find(|name| !name.ends_with("-wal")).unwrap();
            let connection = Connection::open(path.join(name)).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            *held.lock().unwrap() = Some(connection);
        }
        ControlFlow::Continue(())
    };
    let mut view = SqliteProjection::new(&store, Second::default()).unwrap().on_progress(lock_at_the_end);
    view.catch_up().unwrap();
    assert!(holder.lock().unwrap().is_some());
    assert_eq!(balances(&store), row("alice", 1_199_900));
}

/// Programs of two versions start at once, in any order. The newer view wins, and its programs never fail.
#[test]
fn of_many_programs_the_newest_version_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = filled(&file);
    let older = || {
        let ended =
            SqliteProjection::new(&open_store(&file), Second::default()).and_then(|mut view| view.catch_up());
        if let Err(error) = ended {
            assert!(
                matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 4, .. })),
                "{error}"
            );
        }
    };
    let newest = || {
        SqliteProjection::new(&open_store(&file), Fourth::default()).unwrap().catch_up().unwrap();
    };
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(older);
            scope.spawn(newest);
        }
    });
    assert_eq!(balances(&store), row("alice", 11_999));
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}
