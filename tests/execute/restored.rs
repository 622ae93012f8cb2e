//! Another program puts an older copy in the place of the open file's content: no state of before is believed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use factum::Position;
use factum::prelude::*;
use factum::store::{Append, AppendError, Appended, Chain, QueuedAppend};
use factum::testing::delegate;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::support::stores::{open_store, restore};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct Added {
    n: u64,
}

#[derive(Debug, Clone, Command)]
struct Add {
    #[command(id)]
    sum: String,
    n: u64,
}

/// Adds as much as there is.
#[derive(Debug, Clone, Command)]
struct Double(String);

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize, Aggregate)]
#[aggregate(id = String, commands(Add, Double), events(Added), snapshot(every = 3))]
struct Sum {
    all: Vec<u64>,
}

#[handlers]
impl Sum {
    #[execute]
    fn add(&self, command: Add) -> Added {
        Added { n: command.n }
    }

    #[execute]
    fn double(&self, _: Double) -> Added {
        Added { n: self.all.iter().sum() }
    }

    #[apply]
    fn added(&mut self, event: &Added) {
        self.all.push(event.n);
    }
}

fn a() -> String {
    "a".to_owned()
}

fn add(sums: &Repository<Sum, SqliteStore>, all: &[u64]) {
    for &n in all {
        sums.execute(Add { sum: a(), n }).unwrap();
    }
}

/// A store whose file has an older content than its hot states and its queued snapshots.
struct Restored {
    sums: Repository<Sum, SqliteStore>,
    file: PathBuf,
    folder: TempDir,
}

/// Three events, the first of which is in the copy that is restored. Then another program adds `others`.
fn restored(others: &[u64]) -> Restored {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("sums.db"), folder.path().join("copy.db"));
    let sums = open_store(&file).repository::<Sum>();
    add(&sums, &[1]);
    sums.store().backup(&copy).unwrap();
    add(&sums, &[2, 3]);
    assert_eq!(sums.statistics().snapshots_taken, 1);
    restore(&copy, &file);
    add(&open_store(&file).repository::<Sum>(), others);
    Restored { sums, file, folder }
}

/// What other programs append: fewer events than were lost, as many, more, and those that were lost once more.
const OTHERS: [&[u64]; 5] = [&[], &[20], &[20, 30], &[20, 30, 40], &[2, 3]];

#[test]
fn loads_see_the_stream_as_it_is() {
    for others in OTHERS {
        let wanted = [&[1], others].concat();
        let Restored { sums, folder: _folder, .. } = restored(others);
        let loaded = sums.load(&a()).unwrap();
        assert_eq!((&loaded.state().all, loaded.version()), (&wanted, wanted.len() as u64), "{others:?}");
        assert_eq!((sums.statistics().hits, sums.statistics().misses), (2, 2), "{others:?}");
        // From the queued snapshot, and without any cached state.
        let Restored { sums, folder: _folder, .. } = restored(others);
        let fresh = sums.store().repository::<Sum>();
        assert_eq!(fresh.load(&a()).unwrap().state().all, wanted, "{others:?}");
        assert_eq!((fresh.statistics().snapshots_used, fresh.statistics().snapshots_ignored), (0, 1));
        let version = wanted.len() as u64;
        let fresh = sums.store().repository::<Sum>();
        assert_eq!(fresh.load_at(&a(), version).unwrap().state().all, wanted, "{others:?}");
    }
}

#[test]
fn commands_see_the_stream_as_it_is() {
    for others in OTHERS {
        let double = || Double(a());
        let before = [&[1], others].concat();
        let sum: u64 = before.iter().sum();
        let wanted = [&before[..], &[sum]].concat();

        let Restored { sums, file, folder: _folder } = restored(others);
        let done = sums.execute(double()).unwrap();
        assert_eq!((&done.state().all, done.version()), (&wanted, wanted.len() as u64), "{others:?}");
        assert_eq!(sums.load(&a()).unwrap().state().all, wanted);
        assert_eq!(open_store(&file).repository::<Sum>().load(&a()).unwrap().state().all, wanted);

        let Restored { sums, folder: _folder, .. } = restored(others);
        let done = sums.execute_batch(&a(), [double()]).unwrap();
        assert_eq!(done.state().all, wanted, "{others:?}");

        let Restored { sums, file, folder: _folder } = restored(others);
        let mut work = sums.store().unit_of_work();
        assert_eq!(work.execute(&sums, double()).unwrap().state().all, wanted, "{others:?}");
        work.commit().unwrap();
        assert_eq!(sums.load(&a()).unwrap().state().all, wanted);
        assert_eq!(open_store(&file).repository::<Sum>().load(&a()).unwrap().state().all, wanted);

        // A snapshot of the restored stream takes the place of the one of before.
        let Restored { sums, file, folder: _folder } = restored(others);
        sums.take_snapshot(&a()).unwrap();
        drop(sums);
        let fresh = open_store(&file).repository::<Sum>();
        assert_eq!(fresh.load(&a()).unwrap().state().all, before);
        assert_eq!(fresh.statistics().snapshots_used, 1);
    }
}

/// A snapshot of before is written into the restored file, and is not believed by any program.
#[test]
fn a_queued_snapshot_that_is_written_afterwards_is_not_believed() {
    for others in OTHERS {
        let Restored { sums, file, folder: _folder } = restored(others);
        let wanted = [&[1], others].concat();
        sums.store().repository::<Sum>().execute(Add { sum: "b".to_owned(), n: 1 }).unwrap();
        drop(sums);
        let fresh = open_store(&file).repository::<Sum>();
        assert_eq!(fresh.load(&a()).unwrap().state().all, wanted, "{others:?}");
        assert_eq!((fresh.statistics().snapshots_used, fresh.statistics().snapshots_ignored), (0, 1));
    }
}

/// The state of a stream that is gone is gone too.
#[test]
fn an_aggregate_that_is_gone_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("sums.db"), folder.path().join("copy.db"));
    let sums = open_store(&file).repository::<Sum>();
    sums.store().backup(&copy).unwrap();
    add(&sums, &[1, 2, 3, 4]);
    restore(&copy, &file);
    assert!(matches!(sums.load(&a()), Err(factum::LoadError::NotFound { .. })));
    assert_eq!(sums.execute(Double(a())).unwrap().state().all, [0]);
}

/// The store remembers the newest position. The aggregate's own last event is still there.
#[test]
fn lost_events_of_others_leave_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("sums.db"), folder.path().join("copy.db"));
    let sums = open_store(&file).repository::<Sum>();
    add(&sums, &[1]);
    sums.store().backup(&copy).unwrap();
    for n in 2..5 {
        sums.execute(Add { sum: "b".to_owned(), n }).unwrap();
    }
    restore(&copy, &file);
    add(&sums, &[5, 6]);
    assert_eq!(sums.store().position().unwrap(), Position::new(3));
    assert_eq!(sums.store().check().unwrap(), []);
}

type Work = Box<dyn FnOnce() + Send>;

/// A store that does something when the next append comes.
#[derive(Clone)]
struct Late {
    store: SqliteStore,
    before_append: Arc<Mutex<Option<Work>>>,
}

impl Late {
    fn interrupt(&self) {
        let work = self.before_append.lock().unwrap().take();
        if let Some(work) = work {
            work();
        }
    }
}

impl EventStore for Late {
    delegate!(
        self => self.store; read_stream, read_all, replay, ends_with, stream_version, position, wait_for, outcome, forget_keys_before
    );

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        self.interrupt();
        self.store.append(appends)
    }

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        self.interrupt();
        self.store.queue(appends, chains)
    }
}

/// The older copy comes after the state was loaded, and has grown to its version when the append comes.
#[test]
fn a_stream_that_is_restored_between_a_load_and_the_append_is_a_conflict() {
    for retries in [0, 1] {
        let folder = tempfile::tempdir().unwrap();
        let (file, copy) = (folder.path().join("sums.db"), folder.path().join("copy.db"));
        let sums = open_store(&file).repository::<Sum>();
        add(&sums, &[1]);
        sums.store().backup(&copy).unwrap();
        add(&sums, &[2, 3]);
        let restored = move || {
            restore(&copy, &file);
            add(&open_store(&file).repository::<Sum>(), &[20, 30]);
        };
        let before_append = Arc::new(Mutex::new(Some(Box::new(restored) as Work)));
        let late = Late { store: sums.store().clone(), before_append };
        let done = late.repository::<Sum>().execute_with(Double(a()), &ExecuteOptions::new().retry(retries));
        let wanted: &[u64] = match retries {
            0 => {
                assert!(matches!(done, Err(ExecuteError::Conflict(_))), "{done:?}");
                &[1, 20, 30]
            }
            _ => &[1, 20, 30, 51],
        };
        assert_eq!(sums.load(&a()).unwrap().state().all, wanted);
    }
}
