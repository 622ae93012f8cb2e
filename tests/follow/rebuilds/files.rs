//! The file that a rebuild writes.

use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::store::StoreError;

use super::{First, MANY, Reports, Second, fill, left_behind, row};
use crate::support::account::{Account, Deposited, Opened};
use crate::support::stores::open_store;
use crate::support::views::balances;

/// Another file in the place of the new view is not used as one.
#[test]
fn another_file_of_that_name_is_not_taken_for_the_new_view() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let second = SqliteProjection::new(&store, Second::default()).unwrap();
    second.on_progress(Reports::default().until(1)).catch_up().unwrap_err();
    let begun: Vec<_> = left_behind(folder.path());
    let begun = begun.iter().find(|name| !name.ends_with("-wal") && !name.ends_with("-shm")).unwrap();
    for content in [&b""[..], b"no database"] {
        for name in left_behind(folder.path()) {
            std::fs::remove_file(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join(begun), content).unwrap();
        let mut second = SqliteProjection::new(&store, Second::default()).unwrap();
        if content.is_empty() {
            // Stopped again, for the next round.
            second.on_progress(Reports::default().until(1)).catch_up().unwrap_err();
        } else {
            second.catch_up().unwrap();
        }
    }
    assert_eq!(balances(&store), row("alice", 1_199_900));
}

/// The view is in another file than the events.
#[test]
fn a_view_in_another_file_is_rebuilt_there() {
    let folder = tempfile::tempdir().unwrap();
    let (events, views) =
        (open_store(&folder.path().join("bank.db")), open_store(&folder.path().join("views.db")));
    fill(&events, MANY);
    SqliteProjection::in_store(&views, &events, First::default()).unwrap().catch_up().unwrap();
    assert_eq!(balances(&views), row("alice", 11_999));
    let reports = Reports::default();
    let second = || SqliteProjection::in_store(&views, &events, Second::default()).unwrap();
    second().on_progress(reports.until(1)).catch_up().unwrap_err();
    assert!(left_behind(folder.path()).iter().all(|name| name.starts_with("views.db-rebuild-balances-")));
    second().catch_up().unwrap();
    assert_eq!(balances(&views), row("alice", 1_199_900));
    assert_eq!((views.position().unwrap().get(), left_behind(folder.path())), (0, vec![]));
    let error = second().inline().unwrap_err();
    assert!(matches!(error, ProjectionError::OtherFile { .. }), "{error}");
}

/// A path where no file can be created.
#[test]
fn a_rebuild_without_a_place_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let store = open_store(&file);
    fill(&store, MANY);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    let second = || SqliteProjection::new(&store, Second::default()).unwrap();
    second().on_progress(Reports::default().until(1)).catch_up().unwrap_err();
    for name in left_behind(folder.path()) {
        let path = folder.path().join(&name);
        std::fs::remove_file(&path).unwrap();
        if !name.ends_with("-wal") && !name.ends_with("-shm") {
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("full"), "").unwrap();
        }
    }
    let error = second().catch_up().unwrap_err();
    let ProjectionError::RebuildFile { path, .. } = &error else { panic!("{error}") };
    assert!(path.starts_with(folder.path()), "{error}");
    assert_eq!(balances(&store), row("alice", 11_999));
    assert!(!matches!(error, ProjectionError::Follow(FollowError::Store { source: StoreError::Busy, .. })));
}

/// The temporary file of a store in memory is removed, whether the rebuild is done or not.
#[test]
fn a_store_in_memory_leaves_nothing_behind() {
    #[derive(Projection)]
    #[projection(name = "left-behind-by-memory", events(Opened, Deposited), from(Account), into = Sqlite)]
    struct View;

    #[handlers]
    impl View {
        #[project]
        fn opened(&self, _: &Opened) {}

        #[project]
        fn deposited(&self, _: &Deposited) {}
    }

    // Other programs use the folder too: only files with this rebuild's name count.
    let name = "left-behind-by-memory";
    let left = || left_behind(&std::env::temp_dir()).into_iter().filter(|file| file.contains(name)).count();
    let store = SqliteStore::in_memory().unwrap();
    fill(&store, MANY);
    let view = SqliteProjection::new(&store, View).unwrap();
    view.on_progress(Reports::default().until(1)).rebuild().unwrap_err();
    assert!(left() > 0);
    drop(store);
    assert_eq!(left(), 0);
}

/// A folder whose name is not UTF-8.
#[cfg(target_os = "linux")]
#[test]
fn a_rebuild_works_in_any_folder() {
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"o\xffdd %41?mode=ro"));
    std::fs::create_dir(&odd).unwrap();
    let store = open_store(&odd.join("bank.db"));
    fill(&store, 10);
    SqliteProjection::new(&store, First::default()).unwrap().catch_up().unwrap();
    SqliteProjection::new(&store, Second::default()).unwrap().catch_up().unwrap();
    assert_eq!(balances(&store), row("alice", 900));
    assert_eq!(left_behind(&odd), Vec::<String>::new());
}
