//! Rebuilds while readers, writers and other programs run.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use factum::Position;
use factum::prelude::*;
use factum::sqlite::rusqlite::Connection;

use super::{First, MANY, Second, fill, left_behind, row};
use crate::support::account::{Account, deposit};
use crate::support::bounded::{SetOnDrop, wait_until};
use crate::support::stores::{LONG, open_store};
use crate::support::views::balances;

/// During a rebuild, queries read the old view, and appends update it. A caller that waits for the new view
/// does not get the old one.
#[test]
fn the_old_view_serves_while_the_new_one_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (store, old) = (open_store(&file), open_store(&file));
    fill(&store, MANY);
    SqliteProjection::new(&old, First::default()).unwrap().inline().unwrap();
    let (in_the_middle, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let mut pause = Some((in_the_middle.clone(), go_on.clone()));
    let following = SqliteProjection::new(&store, Second::default())
        .unwrap()
        .on_progress(move |_| {
            if let Some((in_the_middle, go_on)) = pause.take() {
                in_the_middle.wait();
                go_on.wait();
            }
            ControlFlow::Continue(())
        })
        .follow()
        .start()
        .unwrap();
    in_the_middle.wait();
    assert_eq!(following.position(), Position::START, "no reader sees it yet");
    following.wait_for(Position::new(1), Duration::from_millis(1)).unwrap_err();
    let accounts = old.repository::<Account>();
    let done = accounts.execute(deposit("alice", 1)).unwrap();
    assert_eq!(balances(&store), row("alice", 12_000), "inline, in the old one");
    go_on.wait();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(balances(&store), row("alice", 1_200_000));
    // The old program appends without its view from now on, and can tell the reason.
    let done = accounts.execute(deposit("alice", 1)).unwrap();
    let [behind] = &old.inline_views().unwrap()[..] else { panic!("one view") };
    let error = behind.error.as_ref().unwrap().to_string();
    assert!(error.ends_with("a newer program has made it"), "{error}");
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(balances(&store), row("alice", 1_200_100));
    following.stop().unwrap();
}

/// Two processes find an old view, and one of them rebuilds it.
#[test]
fn two_programs_rebuild_a_view_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    fill(&open_store(&file), MANY);
    SqliteProjection::new(&open_store(&file), First::default()).unwrap().catch_up().unwrap();
    let taken = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = open_store(&file);
                let mut view = SqliteProjection::new(&store, Second { taken: taken.clone() }).unwrap();
                view.catch_up().unwrap();
                assert_eq!(balances(&store), row("alice", 1_199_900));
            });
        }
    });
    assert_eq!(taken.load(Ordering::SeqCst), MANY);
    assert_eq!(left_behind(folder.path()), Vec::<String>::new());
}

/// Events that are appended throughout the rebuild.
#[test]
fn a_rebuild_catches_up_with_writers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let accounts = store.repository::<Account>();
            let mut cents = 11_999;
            while !stop.load(Ordering::SeqCst) {
                accounts.execute(deposit("alice", 1)).unwrap();
                cents += 1;
            }
            cents
        });
        let stopped = SetOnDrop(&stop);
        let mut view = SqliteProjection::new(&store, Second::default()).unwrap();
        view.catch_up().unwrap();
        for _ in 0..3 {
            view.rebuild().unwrap();
        }
        drop(stopped);
        let cents = writer.join().unwrap();
        view.catch_up().unwrap();
        assert_eq!(balances(&store), row("alice", cents * 100));
    });
}

/// A process died during a rebuild. Others wait for its lease, and no longer.
#[test]
fn a_program_that_dies_over_a_rebuild_loses_the_lease() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, 10);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let until = Timestamp::now().as_micros() + 300_000;
    Connection::open(&file)
        .unwrap()
        .execute("INSERT INTO factum_leases VALUES ('balances (rebuild)', x'00112233', ?1)", [until])
        .unwrap();
    SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
    assert!(Timestamp::now().as_micros() >= until);
    assert_eq!(balances(&store), row("alice", 900));
}

/// Readers never see a view that is empty, or partly old and partly new.
#[test]
fn readers_see_the_old_view_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = Vec::new();
            while !done.load(Ordering::SeqCst) {
                let [(_, cents)] = balances(&store)[..] else { panic!("not one row") };
                if seen.last() != Some(&cents) {
                    seen.push(cents);
                }
            }
            seen
        });
        let is_done = SetOnDrop(&done);
        SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
        wait_until(|| balances(&store) == row("alice", 1_199_900));
        std::thread::sleep(Duration::from_millis(10));
        drop(is_done);
        assert_eq!(reader.join().unwrap(), [11_999, 1_199_900]);
    });
}
