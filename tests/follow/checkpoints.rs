//! Checkpoints name the store and the last event: no follower continues after events that it has not seen.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use factum::follow::{FollowError, ProjectionError, ReactionError, SubscriptionOptions};
use factum::memory::MemoryShards;
use factum::prelude::*;
use factum::store::StoreError;
use factum::testing::delegate;
use factum::{ExecuteOptions, Position};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::account::{Account, Deposited, deposit, open};
use crate::support::stores::{LONG, open_store, stores};
use crate::support::views::{Balances, row};

/// The events of a bank in one file, and views in another.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn events(&self) -> SqliteStore {
        open_store(&self.path("events.db"))
    }

    fn views(&self) -> SqliteStore {
        open_store(&self.path("views.db"))
    }

    /// Opens the account if it is not open, and appends deposits.
    fn deposit(&self, cents: i64, times: i64) {
        let accounts = self.events().repository::<Account>();
        accounts.execute(open("a")).unwrap();
        (0..times).for_each(|_| drop(accounts.execute(deposit("a", cents)).unwrap()));
    }

    /// Opens the account, deposits 5 times 1, takes a backup, lets `work` run after 5 further deposits of 1,
    /// then restores the backup, and deposits `later` times 100.
    fn restore_around(&self, later: i64, work: impl FnOnce()) {
        self.deposit(1, 5);
        self.events().backup(self.path("backup.db")).unwrap();
        self.deposit(1, 5);
        work();
        fs::remove_file(self.path("events.db")).unwrap();
        fs::rename(self.path("backup.db"), self.path("events.db")).unwrap();
        self.deposit(100, later);
    }
}

fn follow_error(error: ProjectionError) -> FollowError {
    match error {
        ProjectionError::Follow(error) => error,
        other => panic!("wanted a follower's error, found {other}"),
    }
}

#[test]
fn a_view_of_events_that_were_restored_is_an_error_and_can_be_rebuilt() {
    // With 2 later deposits, the store ends before the view's position; with 5, at it; with 10, beyond it.
    for (workers, later) in [(1, 2), (1, 5), (1, 10), (3, 5), (3, 10)] {
        let files = Files::new();
        files.restore_around(later, || {
            let view = SqliteProjection::in_store(&files.views(), &files.events(), Balances::default());
            view.unwrap().workers(workers).catch_up().unwrap();
        });
        let (views, events) = (files.views(), files.events());
        let mut view =
            SqliteProjection::in_store(&views, &events, Balances::default()).unwrap().workers(workers);
        let error = follow_error(view.catch_up().unwrap_err());
        assert!(error.to_string().contains("call `rebuild`") || error.to_string().contains("Call `rebuild`"));
        match error {
            FollowError::AheadOfStore { seen, newest, .. } => {
                assert_eq!((later, seen, newest), (2, Position::new(11), Position::new(8)));
            }
            FollowError::OtherEvents { position, .. } => {
                assert!(later > 2);
                assert_eq!(position, Position::new(11));
            }
            other => panic!("{other}"),
        }
        assert_eq!(Balances::rows(&views), row("a", 10, 11), "nothing was projected");
        view.rebuild().unwrap();
        assert_eq!(Balances::rows(&views), row("a", 5 + 100 * later, 6 + later.unsigned_abs()));
    }
}

#[test]
fn a_background_view_of_events_that_were_restored_stops_with_the_error() {
    let files = Files::new();
    files.restore_around(10, || {
        let view = SqliteProjection::in_store(&files.views(), &files.events(), Balances::default());
        view.unwrap().catch_up().unwrap();
    });
    let view = SqliteProjection::in_store(&files.views(), &files.events(), Balances::default()).unwrap();
    let runner = view.follow().start().unwrap();
    runner.wait_for(Position::new(12), LONG).unwrap_err();
    let error = follow_error(runner.stop().unwrap_err());
    assert!(matches!(error, FollowError::OtherEvents { .. }), "{error}");
}

#[test]
fn a_view_of_another_store_is_an_error() {
    let files = Files::new();
    files.deposit_in("one.db", 1);
    files.deposit_in("other.db", 7);
    let views = files.views();
    let [one, other] = ["one.db", "other.db"].map(|name| open_store(&files.path(name)));
    SqliteProjection::in_store(&views, &one, Balances::default()).unwrap().catch_up().unwrap();
    let mut view = SqliteProjection::in_store(&views, &other, Balances::default()).unwrap();
    let error = follow_error(view.catch_up().unwrap_err());
    let ids = [&one, &other].map(|store| store.store_id().unwrap().unwrap());
    assert!(
        matches!(error, FollowError::OtherStore { seen, found, .. } if [seen, found] == ids),
        "{error} is not about {ids:?}"
    );
    assert_eq!(Balances::rows(&views), row("a", 1, 2));
    // The store of the events that it has seen is still right.
    SqliteProjection::in_store(&views, &one, Balances::default()).unwrap().catch_up().unwrap();
    view.rebuild().unwrap();
    assert_eq!(Balances::rows(&views), row("a", 7, 2));
}

impl Files {
    fn deposit_in(&self, name: &str, cents: i64) {
        let accounts = open_store(&self.path(name)).repository::<Account>();
        accounts.execute(open("a")).unwrap();
        accounts.execute(deposit("a", cents)).unwrap();
    }
}

/// Counts deposits.
#[derive(Debug, Default, Clone, Reaction)]
#[reaction(name = "counts", events(Deposited), from(Account))]
struct Counts {
    cents: Arc<AtomicU64>,
}

#[handlers]
impl Counts {
    #[react]
    fn deposited(&self, event: &Deposited) -> Result<(), BoxError> {
        self.cents.fetch_add(event.cents.unsigned_abs(), Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn a_reaction_to_events_that_were_restored_is_an_error_until_it_is_rewound() {
    let files = Files::new();
    files.restore_around(10, || {
        SqliteReaction::in_store(&files.views(), &files.events(), Counts::default())
            .unwrap()
            .catch_up()
            .unwrap();
    });
    let counts = Counts::default();
    let mut reaction = SqliteReaction::in_store(&files.views(), &files.events(), counts.clone()).unwrap();
    let error = reaction.catch_up().unwrap_err();
    assert!(
        matches!(&error, ReactionError::Follow(FollowError::OtherEvents { .. }))
            && error.to_string().contains("`rewind`"),
        "{error}"
    );
    assert_eq!(counts.cents.load(Ordering::SeqCst), 0, "nothing was handed over");
    reaction.rewind(Position::new(6)).unwrap();
    reaction.catch_up().unwrap();
    assert_eq!(counts.cents.load(Ordering::SeqCst), 1_000);
}

/// The file of a rebuild may have events that the store has lost, as after a power cut at `Normal`.
#[test]
fn a_rebuild_that_has_seen_lost_events_begins_again() {
    let files = Files::new();
    files.restore_around(20, || {
        // The rebuild fails at the last event.
        files.deposit(13, 1);
        let balances = Balances::default();
        balances.faults.refused.store(1, Ordering::SeqCst);
        let mut view = SqliteProjection::in_store(&files.views(), &files.events(), balances).unwrap();
        let error = follow_error(view.rebuild().unwrap_err());
        assert_eq!(error.position(), Some(Position::new(12)), "{error}");
    });
    let is_rebuild = |path: &Path| path.to_string_lossy().contains("-rebuild-");
    assert!(fs::read_dir(files.folder.path()).unwrap().any(|entry| is_rebuild(&entry.unwrap().path())));
    let views = files.views();
    let mut view = SqliteProjection::in_store(&views, &files.events(), Balances::default()).unwrap();
    view.rebuild().unwrap();
    assert_eq!(Balances::rows(&views), row("a", 5 + 2_000, 26));
}

#[test]
fn a_checkpoint_of_an_older_factum_is_believed_once() {
    let files = Files::new();
    files.deposit(1, 3);
    SqliteProjection::in_store(&files.views(), &files.events(), Balances::default())
        .unwrap()
        .catch_up()
        .unwrap();
    let forget = "UPDATE factum_checkpoints SET store = NULL, event = NULL";
    Connection::open(files.path("views.db")).unwrap().execute(forget, ()).unwrap();
    files.deposit(1, 1);
    let views = files.views();
    SqliteProjection::in_store(&views, &files.events(), Balances::default()).unwrap().catch_up().unwrap();
    assert_eq!(Balances::rows(&views), row("a", 4, 5));
    let known: bool = views
        .query(|views| {
            views.query_row(
                "SELECT store IS NOT NULL AND event IS NOT NULL FROM factum_checkpoints",
                (),
                |row| row.get(0),
            )
        })
        .unwrap();
    assert!(known);
}

/// A program of an earlier factum that still runs moves a partition, and does not know its event.
#[test]
fn a_partition_that_an_older_program_has_moved_is_believed() {
    let files = Files::new();
    files.deposit(1, 3);
    let store = files.events();
    let view = || SqliteProjection::new(&store, Balances::default()).unwrap().workers(2);
    view().catch_up().unwrap();
    files.deposit(1, 2);
    let moved = "UPDATE factum_parts SET position = position + 1";
    Connection::open(files.path("events.db")).unwrap().execute(moved, ()).unwrap();
    assert_eq!(view().catch_up().unwrap().position, Position::new(6));
}

#[test]
fn a_reader_in_memory_of_events_that_were_replaced_gets_an_error() {
    let files = Files::new();
    files.deposit(1, 5);
    files.events().backup(files.path("backup.db")).unwrap();
    files.deposit(1, 5);
    let events = files.events();
    let mut view = MemoryProjection::new(&events, Sum::default());
    let mut shards = MemoryShards::new(&events, Sum::default(), 2);
    let mut subscription = events.subscribe(SubscriptionOptions::new());
    assert_eq!(std::iter::from_fn(|| subscription.try_next()).map(Result::unwrap).count(), 11);
    view.catch_up().unwrap();
    shards.catch_up().unwrap();
    restore_in_place(&files.path("backup.db"), &files.path("events.db"));
    files.deposit(100, 10);
    for error in [view.catch_up().unwrap_err(), shards.catch_up().unwrap_err()] {
        assert!(matches!(follow_error(error), FollowError::OtherEvents { .. }));
    }
    assert_eq!(view.view().cents, 10);
    for _ in 0..2 {
        let error = subscription.try_next().unwrap().unwrap_err();
        assert!(
            matches!(error, StoreError::OtherEvents { position, .. } if position == Position::new(11)),
            "{error}"
        );
    }
}

/// Replaces the content of a file that another program may have open.
fn restore_in_place(from: &Path, to: &Path) {
    let (from, mut to) = (Connection::open(from).unwrap(), Connection::open(to).unwrap());
    let backup = rusqlite::backup::Backup::new(&from, &mut to).unwrap();
    backup.run_to_completion(1_000, std::time::Duration::from_millis(1), None).unwrap();
}

#[derive(Debug, Default, Clone, Projection)]
#[projection(events(Deposited), from(Account), partition_by = stream)]
struct Sum {
    cents: i64,
}

#[handlers]
impl Sum {
    #[project]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }
}

/// A store in which another program appends and catches the view up, right after the newest position was
/// read.
#[derive(Clone)]
struct Busy {
    store: SqliteStore,
    views: SqliteStore,
    appends_next: Arc<AtomicBool>,
}

impl EventStore for Busy {
    delegate!(self => self.store; append, read_stream, read_all, replay, stream_version, wait_for, outcome,
        forget_keys_before, store_id,
    );

    fn position(&self) -> Result<Position, StoreError> {
        let newest = self.store.position();
        if self.appends_next.swap(false, Ordering::SeqCst) {
            self.store.repository::<Account>().execute(deposit("a", 1)).unwrap();
            let view = SqliteProjection::in_store(&self.views, &self.store, Balances::default());
            view.unwrap().catch_up().unwrap();
        }
        newest
    }
}

/// The view is ahead of the position that the run has read, and not ahead of the store.
#[test]
fn an_append_between_two_reads_is_no_lost_event() {
    for is_rebuild in [false, true] {
        let files = Files::new();
        files.deposit(1, 3);
        let (store, views) = (files.events(), files.views());
        SqliteProjection::in_store(&views, &store, Balances::default()).unwrap().catch_up().unwrap();
        let busy = Busy { store, views: views.clone(), appends_next: Arc::new(AtomicBool::new(false)) };
        let mut view = SqliteProjection::in_store(&views, &busy, Balances::default()).unwrap();
        busy.appends_next.store(true, Ordering::SeqCst);
        if is_rebuild {
            view.rebuild().unwrap()
        } else {
            view.catch_up().unwrap()
        };
        assert!(!busy.appends_next.load(Ordering::SeqCst));
        view.catch_up().unwrap();
        assert_eq!(Balances::rows(&views), row("a", 4, 5));
    }
}

#[test]
fn nothing_begins_after_the_end_of_a_store() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("a")).unwrap();
        (0..4).for_each(|_| drop(accounts.execute(deposit("a", 1)).unwrap()));
        let mut subscription = store.subscribe(SubscriptionOptions::new().after(Position::new(10)));
        for _ in 0..2 {
            let error = subscription.next().unwrap().unwrap_err();
            assert!(
                matches!(error, StoreError::PastTheEnd { position, newest, .. }
                    if (position, newest) == (Position::new(10), Position::new(5))),
                "{error}"
            );
        }
        // The end itself is no error.
        let mut subscription = store.subscribe(SubscriptionOptions::new().after(Position::new(5)));
        assert!(subscription.try_next().is_none());
    }
    let store = SqliteStore::in_memory().unwrap();
    let mut reaction = SqliteReaction::new(&store, Counts::default()).unwrap();
    let error = reaction.rewind(Position::new(1)).unwrap_err();
    assert!(
        matches!(
            &error,
            ReactionError::Follow(FollowError::Store { source: StoreError::PastTheEnd { .. }, .. })
        ),
        "{error}"
    );
}

#[test]
fn a_time_leads_to_a_position() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        assert_eq!(store.position_at(Timestamp::now()).unwrap(), Position::START);
        // Positions 1 to 9 at the seconds 0, 0, 10, 10, 10, 20, ..
        let second = |second: i64| Timestamp::from_micros(second * 1_000_000);
        accounts.execute_with(open("a"), &ExecuteOptions::new().recorded_at(second(0))).unwrap();
        for time in [0, 10, 10, 10, 20, 30, 30, 40] {
            let options = ExecuteOptions::new().recorded_at(second(time));
            accounts.execute_with(deposit("a", 1), &options).unwrap();
        }
        let wanted = [(-5, 0), (0, 0), (1, 2), (10, 2), (11, 5), (20, 5), (30, 6), (40, 8), (41, 9), (99, 9)];
        for (time, position) in wanted {
            assert_eq!(store.position_at(second(time)).unwrap().get(), position, "second {time}");
        }
    }
}

#[test]
fn a_reaction_begins_at_a_time() {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    let opened = Timestamp::from_micros(0);
    accounts.execute_with(open("a"), &ExecuteOptions::new().recorded_at(opened)).unwrap();
    for (second, cents) in [(1, 1), (2, 10), (3, 100)] {
        let options = ExecuteOptions::new().recorded_at(Timestamp::from_micros(second * 1_000_000));
        accounts.execute_with(deposit("a", cents), &options).unwrap();
    }
    let counts = Counts::default();
    let from = Timestamp::from_micros(2_000_000);
    SqliteReaction::from_time(&store, from, counts.clone()).unwrap().catch_up().unwrap();
    // The second time, the stored position counts.
    SqliteReaction::from_time(&store, from, counts.clone()).unwrap().catch_up().unwrap();
    assert_eq!(counts.cents.load(Ordering::SeqCst), 110);
}

/// A name belongs to one follower.
#[test]
fn a_view_of_its_name_is_not_taken_for_a_reaction() {
    #[derive(Projection)]
    #[projection(name = "counts", events(Deposited), from(Account), into = Sqlite)]
    struct View;

    #[handlers]
    impl View {
        #[project]
        fn opened(&self, _: &Deposited) {}
    }

    let store = SqliteStore::in_memory().unwrap();
    drop(SqliteProjection::new(&store, View).unwrap());
    let error = SqliteReaction::new(&store, Counts::default()).unwrap_err();
    assert!(matches!(error, ReactionError::NameTaken { reaction: "counts", .. }), "{error}");
}
