//! Which version of a view serves, and what programs with another one do, on SQLite and on PostgreSQL.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use factum::Position;
use factum::follow::{
    Activity, FollowError, FollowerOptions, InlineView, KeepsTables as _, OnNewerVersion, StoredProjection,
};
use factum::prelude::*;

use crate::support::account::{Account, deposit, open};
use crate::support::kept::{KeptStore, kept_stores, open_kept};
use crate::support::sql_views::{SqlBalances, SqlEuros};
use crate::support::stores::LONG;

/// The only inline view of a store.
fn only(store: &KeptStore) -> InlineView {
    let [view] = &store.inline_views().unwrap()[..] else { panic!("not one view") };
    view.clone()
}

/// While a newer version is rebuilt, a query can ask which one it reads.
#[test]
fn a_query_knows_which_version_serves() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let view = store.sql_view::<SqlEuros>();
        assert_eq!(view.serving().unwrap(), None);
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 100)).unwrap();
        StoredProjection::new(&store, SqlBalances::default()).unwrap().catch_up().unwrap();
        let (asked, seen) = (store.clone(), Arc::new(Mutex::new(Vec::new())));
        let during = Arc::clone(&seen);
        let euros = StoredProjection::new(&store, SqlEuros).unwrap().on_progress(move |_| {
            let found = asked.sql_view::<SqlEuros>().read_serving(|serving, view| {
                let row = view.query_opt("SELECT cents FROM balances WHERE account = $1", &[&"alice"])?;
                Ok((serving, row.map(|row| row.get::<i64>("cents")).transpose()?))
            });
            during.lock().unwrap().push(found.unwrap());
            ControlFlow::Continue(())
        });
        { euros }.catch_up().unwrap();
        let (during, cents) = seen.lock().unwrap()[0];
        assert_eq!((during.version, during.position.get(), during.rebuilding), (1, 2, Some(2)));
        assert_eq!(cents, Some(100));
        let after = view.serving().unwrap().unwrap();
        assert_eq!((after.version, after.position.get(), after.rebuilding), (2, 2, None));
    }
}

#[test]
fn what_a_newer_version_of_a_view_means_is_a_choice() {
    for choice in [OnNewerVersion::StopView, OnNewerVersion::FailAppends] {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = [(); 2].map(|()| open_kept(folder.path()));
        StoredProjection::new(&old, SqlBalances::default()).unwrap().inline_with(choice).unwrap();
        let accounts = old.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        let current = only(&old);
        assert_eq!((current.name, current.position), ("sql-balances", Some(Position::new(2))));
        assert!(current.error.is_none());
        StoredProjection::new(&new, SqlEuros).unwrap().inline().unwrap();
        let appended = accounts.execute(deposit("alice", 1));
        match choice {
            OnNewerVersion::StopView => {
                appended.unwrap();
                let error = only(&old).error.unwrap();
                let is_newer = matches!(&*error, FollowError::OtherVersion { stored: 2, current: 1, .. });
                assert!(is_newer, "{error}");
            }
            _ => {
                let error = factum::with_causes(&appended.unwrap_err());
                assert!(error.ends_with("a newer program has made it"), "{error}");
            }
        }
        // The newer program keeps its view up to date.
        new.repository::<Account>().execute(deposit("alice", 1)).unwrap();
        let events = if choice == OnNewerVersion::StopView { 4 } else { 3 };
        let serving = new.sql_view::<SqlEuros>().serving().unwrap().unwrap();
        assert_eq!((serving.version, serving.position.get()), (2, events));
    }
}

/// A program whose view has failed only reads. Another one gets past the event.
#[test]
fn an_error_that_another_program_has_got_past_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let [reads, without, with] = [(); 3].map(|()| open_kept(folder.path()));
    let view = SqlBalances { refused: Arc::new(1.into()) };
    let running = reads.inline(view, &FollowerOptions::new()).unwrap();
    let accounts = without.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 13)).unwrap();
    running.wait_for(without.position().unwrap(), LONG).unwrap_err();
    let behind = only(&reads);
    assert_eq!((behind.position, behind.error.and_then(|error| error.position())), {
        (Some(Position::new(1)), Some(Position::new(2)))
    });
    assert!(matches!(running.state().activity, Activity::Stopped { error: Some(_), .. }));

    StoredProjection::new(&with, SqlBalances::default()).unwrap().inline().unwrap();
    assert!(only(&reads).error.is_none());
    assert_eq!((running.state().activity, running.state().position.get()), (Activity::Running, 2));
    accounts.execute(deposit("alice", 1)).unwrap();
    running.wait_for(without.position().unwrap(), LONG).unwrap();
}
