//! When a view is rebuilt: after a change of its version, or on demand.

use std::sync::atomic::Ordering;

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};

use super::{First, Fourth, MANY, Reports, Second, Third, fill, left_behind, row};
use crate::support::account::{Account, Opened, deposit};
use crate::support::stores::{LONG, sqlite_stores};
use crate::support::views::balances;

#[test]
fn a_changed_version_rebuilds_the_view() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", 11_999));

        let mut second = SqliteProjection::new(&store, Second::default()).unwrap();
        assert!(second.needs_rebuild().unwrap());
        assert_eq!(balances(&store), row("alice", 11_999), "the old one serves");
        let caught = second.catch_up().unwrap();
        assert_eq!((caught.events, caught.position.get()), (MANY, MANY));
        assert_eq!(balances(&store), row("alice", 1_199_900));
        assert_eq!(second.position().unwrap(), Position::new(MANY));
        // It then continues as any other view.
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        assert_eq!(second.catch_up().unwrap().events, 1);
        assert_eq!(balances(&store), row("alice", 1_200_000));
        assert_eq!(left_behind(folder.path()), Vec::<String>::new());
        assert_eq!(store.check().unwrap(), []);

        // A program that still runs the first version writes nothing into the second one's view.
        let error = SqliteProjection::new(&store, First::default()).unwrap_err();
        assert!(
            matches!(error, ProjectionError::Follow(FollowError::OtherVersion { stored: 2, current: 1, .. })),
            "{error}"
        );
        assert!(error.to_string().ends_with("a newer program has made it"), "{error}");
    }
}

#[test]
fn a_view_is_rebuilt_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, 10);
        let mut view = SqliteProjection::new(&store, First::default()).unwrap();
        view.catch_up().unwrap();
        // The view gets a wrong row.
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        damage(&store);
        view.catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", -999));
        assert_eq!(view.rebuild().unwrap().position, Position::new(11));
        assert_eq!(balances(&store), row("alice", 10));
        assert_eq!(view.rebuild().unwrap().position, Position::new(11));
        assert_eq!(balances(&store), row("alice", 10));
    }
}

/// Writes a wrong row into the view of either store, by a projection that may write.
fn damage(store: &SqliteStore) {
    #[derive(Projection)]
    #[projection(name = "damage", events(Opened), from(Account), into = Sqlite)]
    struct Damage;

    #[handlers]
    impl Damage {
        #[project]
        fn opened(&self, _: &Opened, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
            transaction.execute("UPDATE balances SET cents = -1000", ()).map(drop)
        }
    }

    SqliteProjection::new(store, Damage).unwrap().catch_up().unwrap();
}

#[test]
fn an_inline_view_of_another_version_is_rebuilt_first() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, 10);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        SqliteProjection::new(&store, Second::default()).unwrap().inline().unwrap();
        assert_eq!(balances(&store), row("alice", 900));
        store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        assert_eq!(balances(&store), row("alice", 1_000));
    }
}

/// The new version refuses an event: the old view stays, unless the event becomes a dead letter.
#[test]
fn a_rebuild_that_fails_leaves_the_old_view() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, 10);
        let accounts = store.repository::<Account>();
        let refused = accounts.execute(deposit("alice", 13)).unwrap().position().unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let mut third = SqliteProjection::new(&store, Third::default()).unwrap();
        for _ in 0..2 {
            let error = third.catch_up().unwrap_err();
            assert_eq!(error.position(), Some(refused), "{error}");
            assert_eq!(balances(&store), row("alice", 23));
            assert!(third.needs_rebuild().unwrap());
        }
        let following = third.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
        following.wait_for(store.position().unwrap(), LONG).unwrap();
        let third = following.stop().unwrap();
        assert_eq!(balances(&store), row("alice", 10));
        let letters = third.dead_letters().unwrap();
        assert_eq!(letters.iter().map(|letter| letter.position).collect::<Vec<_>>(), [refused]);

        // The new version handles the events that became dead letters in an earlier one.
        SqliteProjection::new(&store, Fourth::default()).unwrap().catch_up().unwrap();
        assert_eq!(SqliteProjection::new(&store, Fourth::default()).unwrap().dead_letters().unwrap(), []);
        assert_eq!(balances(&store), row("alice", 23));
    }
}

/// A rebuild that was begun for one version does not continue for another.
#[test]
fn a_stopped_rebuild_of_an_earlier_version_counts_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let second = SqliteProjection::new(&store, Second::default()).unwrap();
        second.on_progress(Reports::default().until(1)).catch_up().unwrap_err();
        let fourth = Fourth::default();
        SqliteProjection::new(&store, fourth.clone()).unwrap().catch_up().unwrap();
        assert_eq!(fourth.taken.load(Ordering::SeqCst), MANY);
        assert_eq!(balances(&store), row("alice", 11_999));
    }
}
