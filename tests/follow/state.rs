//! What a running follower says of itself: its state, and the changes that its hook hears of.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use factum::Position;
use factum::follow::{Activity, Follower, FollowerChange, FollowerState, RunningFollower};
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;

use crate::support::account::{Account, Opened, deposit, id, open};
use crate::support::stores::{LONG, doctor, open_store, sqlite_stores};
use crate::support::views::{Balances, Faults};

/// Waits until the follower is in a state.
fn until<F: Follower>(running: &RunningFollower<F>, is: impl Fn(&FollowerState) -> bool) -> FollowerState {
    let begun = Instant::now();
    loop {
        let state = running.state();
        if is(&state) {
            return state;
        }
        assert!(begun.elapsed() < LONG, "{state:?}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A hook that sends each change.
fn changes() -> (impl Fn(&FollowerChange) + Send + Sync + 'static, Receiver<FollowerChange>) {
    let (said, heard) = channel();
    let said = Mutex::new(said);
    (move |change: &FollowerChange| drop(said.lock().unwrap().send(change.clone())), heard)
}

#[test]
fn a_stop_drops_what_the_hook_has_captured() {
    for _ in 0..100 {
        let captured = Arc::new(());
        let also_captured = Arc::clone(&captured);
        let follower =
            SqliteProjection::new(&SqliteStore::in_memory().unwrap(), Balances::default()).unwrap();
        let running = follower.follow().on_change(move |_| drop(Arc::clone(&also_captured))).start().unwrap();
        running.stop().unwrap();
        assert_eq!(Arc::strong_count(&captured), 1);
    }
}

#[test]
fn a_runner_says_how_far_it_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [1, 13, 2].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: 2.into(), ..Faults::default() });
        let view = SqliteProjection::new(&store, Balances { faults: faults.clone() }).unwrap();
        let (hook, heard) = changes();
        let follow = view.follow().retry(1, Duration::from_mins(10)).on_change(hook);
        let running = follow.start().unwrap();
        let state = until(&running, |state| matches!(state.activity, Activity::Retrying { .. }));
        let Activity::Retrying { position, error, attempts, next, .. } = &state.activity else { panic!() };
        assert_eq!(
            (state.follower, state.position, *position),
            ("balances", Position::new(2), Some(Position::new(3)))
        );
        assert_eq!((state.lag.unwrap().events, *attempts), (2, 1));
        assert!(error.ends_with("13 is refused"), "{error}");
        assert!(*next > Timestamp::now());
        running.stop().unwrap();
        let heard: Vec<_> = heard.iter().collect();
        assert!(
            matches!(
                heard.as_slice(),
                [
                    FollowerChange::LeaseTaken { .. },
                    FollowerChange::Retrying { attempts: 1, .. },
                    FollowerChange::Stopped { error: None, .. }
                ]
            ),
            "{heard:?}"
        );

        faults.refused.store(0, Ordering::SeqCst);
        let running = SqliteProjection::new(&store, Balances::default()).unwrap().follow().start().unwrap();
        running.wait_for(Position::new(4), LONG).unwrap();
        let state = until(&running, |state| state.activity == Activity::Running);
        let lag = state.lag.unwrap();
        assert_eq!((state.position, lag.events, lag.time), (Position::new(4), 0, Duration::ZERO));
    }
}

#[test]
fn a_runner_that_ends_says_why() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [13, 13].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
        let view = SqliteProjection::new(&store, Balances { faults }).unwrap();
        let (hook, heard) = changes();
        let running = view.follow().on_change(hook).start().unwrap();
        let state = until(&running, |state| matches!(state.activity, Activity::Stopped { .. }));
        let Activity::Stopped { error: Some(reason), .. } = state.activity else { panic!() };
        assert!(reason.starts_with("`balances` failed at position 2"), "{reason}");
        assert!(reason.ends_with("13 is refused"), "{reason}");
        assert_eq!((state.position, state.lag.unwrap().events), (Position::new(1), 2));
        assert_eq!(factum::with_causes(&running.stop().unwrap_err()), reason);
        let last = heard.iter().last().unwrap();
        assert_eq!(last.to_string(), format!("`balances` has ended: {reason}"));
    }
}

#[test]
fn a_hook_hears_of_each_dead_letter() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute_batch(&id("alice"), [13, 5, 13].map(|cents| deposit("alice", cents))).unwrap();
        let faults = Arc::new(Faults { refused: u32::MAX.into(), ..Faults::default() });
        let view = SqliteProjection::new(&store, Balances { faults }).unwrap();
        let (hook, heard) = changes();
        // A hook that panics has no effect.
        let hook = move |change: &FollowerChange| {
            hook(change);
            panic!("in the hook");
        };
        let follow = view.follow().retry(1, Duration::ZERO).on_failure(OnFailure::DeadLetter).on_change(hook);
        let running = follow.start().unwrap();
        running.wait_for(Position::new(4), LONG).unwrap();
        running.stop().unwrap();
        let letters: Vec<_> = heard
            .iter()
            .filter_map(|change| match change {
                FollowerChange::DeadLetter { position, attempts, .. } => Some((position.get(), attempts)),
                _ => None,
            })
            .collect();
        assert_eq!(letters, [(2, 2), (4, 2)]);
    }
}

#[test]
fn a_runner_says_whose_lease_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.db");
    let (ours, theirs) = (open_store(&file), open_store(&file));
    let start = |store: &SqliteStore| {
        let (hook, heard) = changes();
        let view = SqliteProjection::new(store, Balances::default()).unwrap();
        (view.follow().on_change(hook).start().unwrap(), heard)
    };
    let (first, first_heard) = start(&ours);
    let taken = first_heard.recv_timeout(LONG).unwrap();
    assert_eq!((taken.follower(), matches!(taken, FollowerChange::LeaseTaken { .. })), ("balances", true));
    let (second, second_heard) = start(&theirs);
    let state = until(&second, |state| matches!(state.activity, Activity::WaitingForLease { .. }));
    let Activity::WaitingForLease { holder, .. } = state.activity else { panic!() };
    assert!(holder.until > Timestamp::now());
    // Another runner takes the lease.
    doctor(&file, "UPDATE factum_leases SET holder = x'00112233'");
    ours.repository::<Account>().execute(open("alice")).unwrap();
    let lost = first_heard.recv_timeout(LONG).unwrap();
    assert!(matches!(lost, FollowerChange::LeaseLost { .. }), "{lost:?}");
    until(&first, |state| matches!(state.activity, Activity::WaitingForLease { .. }));
    doctor(&file, "DELETE FROM factum_leases");
    second.wait_for(Position::new(1), LONG).unwrap();
    first.stop().unwrap();
    second.stop().unwrap();
    drop(second_heard);
}

/// A view whose second version waits for the test at its first event.
#[derive(Projection)]
#[projection(name = "slow", version = 2, from(Account), events(Opened), into = Sqlite, init = "CREATE TABLE slow (a)")]
struct Slow(Sender<()>, Mutex<Receiver<()>>);

#[handlers]
impl Slow {
    #[project]
    fn opened(&self, _: &Opened, _: &Transaction<'_>) {
        let _ = self.0.send(());
        let _ = self.1.lock().unwrap().recv();
    }
}

#[derive(Projection)]
#[projection(name = "slow", from(Account), events(Opened), into = Sqlite, init = "CREATE TABLE slow (a)")]
struct Before;

#[handlers]
impl Before {
    #[project]
    fn opened(&self, _: &Opened) {}
}

#[test]
fn a_runner_says_how_far_a_rebuild_is() {
    let folder = tempfile::tempdir().unwrap();
    // In memory, the handler would hold the only connection.
    let store = open_store(&folder.path().join("bank.db"));
    for name in ["alice", "bob", "carol"] {
        store.repository::<Account>().execute(open(name)).unwrap();
    }
    SqliteProjection::new(&store, Before).unwrap().catch_up().unwrap();
    let ((begun, has_begun), (go_on, may_go_on)) = (channel(), channel());
    let view = SqliteProjection::new(&store, Slow(begun, Mutex::new(may_go_on))).unwrap();
    let (hook, heard) = changes();
    let running = view.follow().on_change(hook).start().unwrap();
    has_begun.recv_timeout(LONG).unwrap();
    let state = running.state();
    assert_eq!(state.lag, None);
    let Activity::Rebuilding { done, total, serving, .. } = state.activity else { panic!("{state:?}") };
    assert_eq!((done, total, serving), (0, 3, 1));
    drop(go_on);
    running.wait_for(Position::new(3), LONG).unwrap();
    until(&running, |state| state.activity == Activity::Running);
    running.stop().unwrap();
    let said = heard.iter().filter(|change| !matches!(change, FollowerChange::LeaseTaken { .. }));
    let heard: Vec<String> = said.map(|change| change.to_string()).collect();
    assert_eq!(
        heard,
        [
            "`slow` rebuilds its view from version 1 to 2",
            "`slow` has rebuilt its view, which is at version 2",
            "`slow` was stopped"
        ]
    );
}
