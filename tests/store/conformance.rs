//! The conformance suite: every store keeps the laws.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::task::Waker;
use std::time::Duration;

use factum::memory::MemoryStore;
use factum::sqlite::{Durability, SqliteOptions, SqliteStore};
use factum::store::{
    Append, AppendError, Appended, Chain, Conflict, EventStore, ExpectedVersion, Filter, Outcome, Page,
    QueueError, QueuedAppend, ReadSnapshot, StoreError, StoredKey, TaskRead, TaskReads, Visit, VisitKey,
    VisitReplayed, VisitSnapshot,
};
use factum::testing::conformance;
use factum::{Position, StreamName, Timestamp, Uuid};
use tempfile::TempDir;

use factum::testing::delegate;

use crate::support::stores::open_store;

#[test]
fn memory_keeps_the_laws() {
    conformance::check_all(MemoryStore::new);
}

#[test]
fn sqlite_on_a_file_keeps_the_laws() {
    check_files(&SqliteOptions::new());
}

#[test]
fn sqlite_with_normal_durability_keeps_the_laws() {
    check_files(&SqliteOptions::new().durability(Durability::Normal));
}

#[test]
fn sqlite_in_memory_keeps_the_laws() {
    conformance::check_all(|| SqliteStore::in_memory().unwrap());
}

fn check_files(options: &SqliteOptions) {
    let folder = TempDir::new().unwrap();
    let files = Cell::new(0);
    conformance::check_all(|| {
        files.set(files.get() + 1);
        options.open(folder.path().join(format!("{}.db", files.get()))).unwrap()
    });
}

#[test]
fn two_programs_on_a_file_keep_the_laws() {
    let folder = TempDir::new().unwrap();
    let mut files = 0;
    conformance::check_two_programs(|| {
        files += 1;
        let path = folder.path().join(format!("{files}.db"));
        [(); 2].map(|()| open_store(&path))
    });
}

/// A store with one fault is caught, by the law that the fault breaks.
#[test]
fn broken_stores_are_caught() {
    for (fault, law) in [
        (Fault::ExpectsNothing, "expected_versions_are_held_to"),
        (Fault::AppendsOneByOne, "append_to_several_streams_is_atomic"),
        (Fault::IgnoresChains, "queued_appends_rest_on_each_other"),
        (Fault::QueuesOnlySomething, "queue_is_there_for_nothing_too"),
        (Fault::IgnoresLastEvents, "queued_append_compares_the_last_event"),
        (Fault::NeverStopsWaking, "watching_wakers_are_woken"),
        (Fault::FiltersNothing, "filter_selects"),
        (Fault::StopsAfterAPage, "long_reads_are_complete"),
        (Fault::CountsFromZero, "stream_is_read_from_any_version"),
        (Fault::WaitsForNothing, "wait_ends_with_an_append"),
        (Fault::KnowsNoKeys, "key_is_kept_with_its_outcome"),
        (Fault::ForgetsAllKeys, "keys_are_forgotten_by_time"),
        (Fault::ListsOnePage, "keys_are_listed_with_their_outcomes"),
        (Fault::ImportsOneByOne, "imported_keys_are_known"),
        (Fault::ReplaysTooMuch, "replay_is_a_read_of_the_stream"),
        (Fault::EndsAnywhere, "stream_ends_with_its_newest_event_only"),
        (Fault::MixesSnapshotsUp, "snapshot_comes_back_or_not_at_all"),
        (Fault::TellsTasksOldVersions, "tasks_read_what_threads_read"),
    ] {
        let store = || Broken { store: MemoryStore::new(), fault };
        let panic = std::panic::catch_unwind(|| conformance::check_all(store)).expect_err("not caught");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(&format!("law `{law}`")), "{fault:?} was caught as: {message}");
    }
}

#[test]
fn stores_that_break_with_two_programs_are_caught() {
    for (fault, law) in [
        (Fault::ShowsLaterFirst, "positions_follow_the_commits_of_all_programs"),
        (Fault::ChecksBeforeItsTurn, "checks_see_the_commits_of_all_programs"),
    ] {
        let open = || {
            let store = Broken { store: MemoryStore::new(), fault };
            [store.clone(), store]
        };
        let panic =
            std::panic::catch_unwind(|| conformance::check_two_programs(open)).expect_err("not caught");
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(&format!("law `{law}`")), "{fault:?} was caught as: {message}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    ExpectsNothing,
    AppendsOneByOne,
    IgnoresChains,
    QueuesOnlySomething,
    IgnoresLastEvents,
    NeverStopsWaking,
    FiltersNothing,
    StopsAfterAPage,
    CountsFromZero,
    WaitsForNothing,
    KnowsNoKeys,
    ForgetsAllKeys,
    ListsOnePage,
    ImportsOneByOne,
    ReplaysTooMuch,
    EndsAnywhere,
    MixesSnapshotsUp,
    TellsTasksOldVersions,
    ShowsLaterFirst,
    ChecksBeforeItsTurn,
}

/// A good store with one fault.
#[derive(Debug, Clone)]
struct Broken {
    store: MemoryStore,
    fault: Fault,
}

impl Broken {
    fn page(&self, limit: usize) -> usize {
        if self.fault == Fault::StopsAfterAPage { limit.min(1000) } else { limit }
    }
}

impl EventStore for Broken {
    delegate!(self => self.store; stream_version, position, watch, save_snapshot, drop_snapshots);

    fn read_keys(&self, visit: &mut VisitKey<'_>) -> Result<(), StoreError> {
        let mut seen = 0;
        self.store.read_keys(&mut |key| {
            seen += 1;
            let is_over = self.fault == Fault::ListsOnePage && seen > 1_024;
            if is_over { ControlFlow::Break(()) } else { visit(key) }
        })
    }

    fn import_keys(&self, keys: &[StoredKey<'_>]) -> Result<(), AppendError> {
        match self.fault {
            Fault::ImportsOneByOne => keys.iter().try_for_each(|key| self.store.import_keys(&[*key])),
            _ => self.store.import_keys(keys),
        }
    }

    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        match self.fault {
            Fault::ExpectsNothing => {
                let any = appends.iter().map(|append| {
                    Append::new(append.stream, ExpectedVersion::Any, append.events).with_keys(append.keys)
                });
                self.store.append(&any.collect::<Vec<_>>())
            }
            Fault::AppendsOneByOne if appends.len() > 1 => {
                factum::store::check_appends(appends)?;
                let mut parts = appends.iter().map(|append| self.store.append(&[*append]));
                let mut whole = parts.next().expect("more than one")?;
                for part in parts {
                    whole.versions.extend(part?.versions);
                }
                Ok(whole)
            }
            Fault::ChecksBeforeItsTurn => {
                for append in appends {
                    let actual = self.store.stream_version(append.stream).expect("a version");
                    if !append.expected.matches(actual) {
                        return Err(Conflict::new(append.stream.clone(), append.expected, actual).into());
                    }
                }
                std::thread::sleep(Duration::from_millis(1));
                let any = appends.iter().map(|append| {
                    Append::new(append.stream, ExpectedVersion::Any, append.events).with_keys(append.keys)
                });
                self.store.append(&any.collect::<Vec<_>>())
            }
            _ => self.store.append(appends),
        }
    }

    fn queue<'a>(&'a self, appends: &'a [Append<'a>], chains: &'a [Chain]) -> Option<QueuedAppend<'a>> {
        let ignores_chains = match self.fault {
            Fault::IgnoresChains => true,
            Fault::IgnoresLastEvents => false,
            Fault::QueuesOnlySomething if !appends.is_empty() => false,
            _ => return None,
        };
        Some(QueuedAppend::new(move || {
            if !ignores_chains && chains.iter().any(Chain::is_broken) {
                return Err(QueueError::Void);
            }
            let answer = self.store.append(appends).map_err(QueueError::from);
            if answer.is_err() {
                chains.iter().for_each(Chain::fail);
            }
            answer
        }))
    }

    fn unwatch(&self, waker: &Waker) {
        if self.fault != Fault::NeverStopsWaking {
            self.store.unwatch(waker);
        }
    }

    fn read_stream(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let after = if self.fault == Fault::CountsFromZero { after.saturating_sub(1) } else { after };
        self.store.read_stream(stream, after, self.page(limit), visit)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: Position,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        let filter = if self.fault == Fault::FiltersNothing { Filter::default() } else { filter };
        let newest = self.store.position()?;
        self.store.read_all(filter, after, self.page(limit), &mut |event| {
            let is_hidden = self.fault == Fault::ShowsLaterFirst && event.envelope.position.next() == newest;
            if is_hidden { ControlFlow::Continue(()) } else { visit(event) }
        })
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<Position, StoreError> {
        match self.fault {
            Fault::WaitsForNothing => self.store.position(),
            _ => self.store.wait_for(position, timeout),
        }
    }

    fn outcome(&self, stream: &StreamName, key: &str) -> Result<Option<Outcome>, StoreError> {
        match self.fault {
            Fault::KnowsNoKeys => Ok(None),
            _ => self.store.outcome(stream, key),
        }
    }

    fn forget_keys_before(&self, time: Timestamp) -> Result<u64, StoreError> {
        match self.fault {
            Fault::ForgetsAllKeys => self.store.forget_keys_before(Timestamp::from_micros(i64::MAX)),
            _ => self.store.forget_keys_before(time),
        }
    }

    fn replay(
        &self,
        stream: &StreamName,
        after: u64,
        limit: usize,
        visit: &mut VisitReplayed<'_>,
    ) -> Result<Option<Uuid>, StoreError> {
        let limit = if self.fault == Fault::ReplaysTooMuch { limit.saturating_add(1) } else { limit };
        self.store.replay(stream, after, limit, visit)
    }

    fn task_reads(&self) -> Option<&dyn TaskReads> {
        (self.fault == Fault::TellsTasksOldVersions).then_some(self)
    }

    fn ends_with(&self, stream: &StreamName, version: u64, id: Uuid) -> bool {
        self.fault == Fault::EndsAnywhere || self.store.ends_with(stream, version, id)
    }

    fn read_snapshot(&self, stream: &StreamName, visit: &mut VisitSnapshot<'_>) -> Result<(), StoreError> {
        let stream = match self.fault {
            Fault::MixesSnapshotsUp => &StreamName::new(stream.category(), "snapshot-a"),
            _ => stream,
        };
        self.store.read_snapshot(stream, visit)
    }
}

/// The law compares versions first.
impl TaskReads for Broken {
    fn stream_version(&self, _: &StreamName) -> TaskRead<u64> {
        Box::pin(async { Ok(0) })
    }

    fn read_stream(&self, _: &StreamName, _: u64, _: usize, _: bool) -> TaskRead<Box<dyn Page>> {
        unreachable!()
    }

    fn read_all(&self, _: Filter<'_>, _: Position, _: usize) -> TaskRead<Box<dyn Page>> {
        unreachable!()
    }

    fn position(&self) -> TaskRead<Position> {
        unreachable!()
    }

    fn next_position(&self, _: Position) -> TaskRead<Option<Position>> {
        unreachable!()
    }

    fn event_id(&self, _: Position) -> TaskRead<Option<Uuid>> {
        unreachable!()
    }

    fn outcome(&self, _: &StreamName, _: &str) -> TaskRead<Option<Outcome>> {
        unreachable!()
    }

    fn read_snapshot(&self, _: &StreamName) -> TaskRead<Box<dyn ReadSnapshot>> {
        unreachable!()
    }
}
