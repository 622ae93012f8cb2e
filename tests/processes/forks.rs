//! A process forks while it has a store open: the store belongs to the process that opened it.

use std::path::Path;
use std::time::Duration;

use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::store::ExpectedVersion::Any;
use factum::store::{AppendError, Filter, StoreError, StoredSnapshot};
use factum::{Position, Timestamp};
use fork::{Fork, fork, waitpid};
use tempfile::TempDir;

use crate::support::account::{Account, deposit, open};
use crate::support::events::{append, read, read_all, stream};
use crate::support::job::{Job, say};
use crate::support::stores::open_store;
use crate::support::views::Balances;

#[test]
fn a_forked_process_neither_uses_nor_changes_the_store() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("bank.db");
    let said = Job::start("fork", &file).finish();
    assert_eq!(said, ["the child has ended with 0"]);
    let store = open_store(&file);
    assert_eq!(read(&store, &stream("a")).unwrap(), ["1", "2"]);
    assert_eq!(read_all(&store).unwrap().len(), 3);
    assert_eq!(store.check().unwrap(), []);
}

/// A fork copies the handle of a runner, and not its thread.
#[test]
fn a_forked_process_does_not_wait_for_the_runner() {
    let folder = TempDir::new().unwrap();
    let said = Job::start("fork-runner", &folder.path().join("bank.db")).finish();
    assert_eq!(said, ["the child has ended with 0"]);
}

/// Forks with two views running.
pub(crate) fn fork_with_a_runner(file: &Path) {
    let (stopped, dropped) = (open_store(file), open_store(&file.with_extension("other")));
    let view = |store| SqliteProjection::new(store, Balances::default()).unwrap().follow().start().unwrap();
    let (stopped, dropped) = (view(&stopped), view(&dropped));
    match fork().unwrap() {
        Fork::Child => {
            let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let requested = stopped.retry_dead_letters().unwrap_err();
                drop(dropped);
                [requested, stopped.stop().map(drop).unwrap_err()]
            }));
            let is_told = |errors: [ProjectionError; 2]| {
                let is_forked = |error| matches!(error, ProjectionError::Follow(FollowError::Forked { .. }));
                errors.into_iter().all(is_forked)
            };
            std::process::exit(i32::from(!ended.is_ok_and(is_told)));
        }
        Fork::Parent(child) => {
            say(format!("the child has ended with {}", waitpid(child).unwrap()));
            stopped.stop().unwrap();
            dropped.stop().unwrap();
        }
    }
}

/// Forks with a store open.
pub(crate) fn fork_with_a_store(file: &Path) {
    let store = open_store(file);
    append(&store, &stream("a"), Any, &["1"]).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("a")).unwrap();
    // Waits in memory until the next append, or until the store is closed.
    let snapshot = StoredSnapshot::new(1, Position::new(1), Timestamp::now(), 1, 1, b"state");
    store.save_snapshot(&stream("a"), &snapshot).unwrap();
    match fork().unwrap() {
        Fork::Child => {
            // Not an unwinding: the rest of the program is the other process's.
            let used = std::panic::catch_unwind(|| use_in_a_fork(&store, &accounts, file));
            drop((accounts, store));
            let passed = used.is_ok() && snapshots_in(file) == 0;
            std::process::exit(i32::from(!passed));
        }
        Fork::Parent(child) => {
            say(format!("the child has ended with {}", waitpid(child).unwrap()));
            append(&store, &stream("a"), Any, &["2"]).unwrap();
        }
    }
}

fn use_in_a_fork(store: &SqliteStore, accounts: &Repository<Account, SqliteStore>, file: &Path) {
    let opener = std::os::unix::process::parent_id();
    match append(store, &stream("a"), Any, &["3"]) {
        Err(AppendError::Store { source: StoreError::Forked { opened_by, used_by, .. }, .. }) => {
            assert_eq!((opened_by, used_by), (opener, std::process::id()));
        }
        other => panic!("{other:?}"),
    }
    assert!(accounts.execute(deposit("a", 1)).is_err());
    is_forked(&read_all(store));
    is_forked(&read(store, &stream("a")));
    is_forked(&store.position());
    is_forked(&store.stream_version(&stream("a")));
    is_forked(&store.wait_for(Position::new(9), Duration::ZERO));
    is_forked(&store.outcome(&stream("a"), "key"));
    is_forked(&store.read_snapshot(&stream("a"), &mut |_| {}));
    is_forked(&store.drop_snapshots(None));
    is_forked(&store.check());
    is_forked(&store.checkpoint_wal());
    is_forked(&store.vacuum());
    assert!(store.query(|connection| connection.query_row("SELECT 1", (), |_| Ok(()))).is_err());
    assert!(store.backup(file.with_extension("copy")).is_err());
    let stop = &mut |_: &factum::store::StoredEvent<'_>| std::ops::ControlFlow::Break(());
    is_forked(&store.read_all(Filter::new(), Position::START, 1, stop));
}

fn snapshots_in(file: &Path) -> i64 {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.query_row("SELECT count(*) FROM factum_snapshots", (), |row| row.get(0)).unwrap()
}

fn is_forked<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Forked { .. })), "{result:?}");
}
