//! Progress of rebuilds and catch-ups, and how they are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use factum::Position;
use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;

use super::{First, MANY, Reports, Second, fill, row};
use crate::support::stores::sqlite_stores;
use crate::support::views::balances;

#[test]
fn a_rebuild_reports_its_progress_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store, MANY);
        SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
        let (taken, reports) = (Arc::new(AtomicU64::new(0)), Reports::default());
        let second = || SqliteProjection::new(&store, Second { taken: taken.clone() }).unwrap();

        let mut stopped = second().on_progress(reports.until(1));
        let error = stopped.catch_up().unwrap_err();
        let ProjectionError::Follow(FollowError::Stopped { position, goal, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!(goal, Position::new(MANY));
        let position = position.get();
        assert!((1..MANY).contains(&position), "{position}");
        assert_eq!(balances(&store), row("alice", 11_999), "the old one serves");
        assert_eq!(taken.load(Ordering::SeqCst), position);
        let first = reports.take();
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].done, first[0].total), (position, MANY));
        assert!(first[0].rate() > 0.0 && first[0].left().is_some());

        let caught = second().on_progress(reports.until(u64::MAX)).catch_up().unwrap();
        assert_eq!((caught.position.get(), caught.events), (MANY, MANY - position));
        assert_eq!(taken.load(Ordering::SeqCst), MANY, "no event was projected twice");
        assert_eq!(balances(&store), row("alice", 1_199_900));
        let rest = reports.take();
        assert!(rest.iter().all(|progress| progress.total == MANY && progress.done > position), "{rest:?}");
        assert!(rest.is_sorted_by_key(|progress| progress.done));
        assert_eq!(rest.last().unwrap().done, MANY);
        assert_eq!(rest.last().unwrap().left(), Some(Duration::ZERO));
    }
}

#[test]
fn a_catch_up_reports_its_progress_and_can_be_stopped() {
    let store = SqliteStore::in_memory().unwrap();
    fill(&store, MANY);
    let reports = Reports::default();
    let mut view = SqliteProjection::new(&store, First::default()).unwrap().on_progress(reports.until(4_000));
    let error = view.catch_up().unwrap_err();
    assert!(
        matches!(&error, ProjectionError::Follow(FollowError::Stopped { goal, .. }) if goal.get() == MANY),
        "{error}"
    );
    let position = view.position().unwrap().get();
    assert_eq!(balances(&store), row("alice", i64::try_from(position).unwrap() - 1), "it is exact");
    let mut view = view.on_progress(reports.until(u64::MAX));
    assert_eq!(view.catch_up().unwrap().events, MANY - position);
    let reports = reports.take();
    assert_eq!(reports.last().unwrap().done, reports.last().unwrap().total);
    assert_eq!(balances(&store), row("alice", 11_999));
    // Without work there is no report.
    assert_eq!(view.catch_up().unwrap().events, 0);
}
