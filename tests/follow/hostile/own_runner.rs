//! Handlers that stop or drop the runner that runs them.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};

use factum::follow::{Follower, ReactionError, RunningFollower};
use factum::prelude::*;

use crate::support::account::{Account, Opened, open};
use crate::support::bounded::wait_until;
use crate::support::stores::{LONG, open_store, sqlite_stores};

/// What a handler does with a handle.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Stop,
    Drop,
}

/// A handle that a handler ends, with the result of `stop`, as text.
type Slot<F> = Arc<Mutex<Option<RunningFollower<F>>>>;

/// Waits for the handle, which the test puts there after the start.
fn take<F: Follower>(slot: &Slot<F>) -> RunningFollower<F> {
    wait_until(|| slot.lock().unwrap().is_some());
    slot.lock().unwrap().take().unwrap()
}

fn end<F: Follower>(slot: &Slot<F>, ending: Ending, ended: &Sender<String>) {
    let running = take(slot);
    let text = match ending {
        Ending::Stop => running.stop().map(drop).unwrap_err().to_string(),
        Ending::Drop => {
            drop(running);
            "dropped".to_owned()
        }
    };
    ended.send(text).unwrap();
}

fn check(ended: &Receiver<String>, ending: Ending, follower: &str) {
    let text = ended.recv_timeout(LONG).unwrap();
    match ending {
        Ending::Stop => {
            assert!(
                text.starts_with(&format!("a handler of `{follower}` can't wait for its own runner")),
                "{text}"
            );
        }
        Ending::Drop => assert_eq!(text, "dropped"),
    }
}

#[derive(Clone, Projection)]
#[projection(name = "ending", from(Account), events(Opened), into = Sqlite, partition_by = stream)]
struct EndingView {
    slot: Slot<SqliteProjection<EndingView>>,
    ending: Ending,
    ended: Sender<String>,
}

#[handlers]
impl EndingView {
    #[project]
    fn opened(&self, _: &Opened) {
        end(&self.slot, self.ending, &self.ended);
    }
}

#[derive(Clone, Reaction)]
#[reaction(name = "ending", from(Account), events(Opened), partition_by = stream)]
struct EndingReaction {
    slot: Slot<SqliteReaction<EndingReaction>>,
    ending: Ending,
    ended: Sender<String>,
}

#[handlers]
impl EndingReaction {
    #[react]
    fn opened(&self, _: &Opened) {
        end(&self.slot, self.ending, &self.ended);
    }
}

#[test]
fn a_projection_can_end_its_own_runner() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        for (ending, workers) in [(Ending::Stop, 1), (Ending::Stop, 3), (Ending::Drop, 1), (Ending::Drop, 3)]
        {
            let (slot, (ended, result)) = (Slot::default(), channel());
            let view = EndingView { slot: slot.clone(), ending, ended };
            let view = SqliteProjection::new(&store, view).unwrap().workers(workers);
            *slot.lock().unwrap() = Some(view.follow().start().unwrap());
            store.repository::<Account>().execute(open(&format!("{ending:?} {workers}"))).unwrap();
            check(&result, ending, "ending");
            // The runner ends after its step, and its thread drops the handlers. The event counts.
            result.recv_timeout(LONG).unwrap_err();
            let (slot, (ended, _)) = (Slot::default(), channel());
            let view = SqliteProjection::new(&store, EndingView { slot, ending, ended }).unwrap();
            if workers == 1 {
                assert_eq!(view.position().unwrap(), store.position().unwrap());
            }
        }
    }
}

#[test]
fn a_reaction_can_end_its_own_runner() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        for (ending, workers) in [(Ending::Stop, 1), (Ending::Stop, 3), (Ending::Drop, 1), (Ending::Drop, 3)]
        {
            let (slot, (ended, result)) = (Slot::default(), channel());
            let reaction = EndingReaction { slot: slot.clone(), ending, ended };
            let reaction = SqliteReaction::new(&store, reaction).unwrap().workers(workers);
            *slot.lock().unwrap() = Some(reaction.follow().start().unwrap());
            store.repository::<Account>().execute(open(&format!("{ending:?} {workers}"))).unwrap();
            check(&result, ending, "ending");
            result.recv_timeout(LONG).unwrap_err();
        }
    }
}

/// The runner's thread drops the handlers after the run. They may own the last handle.
#[test]
fn handlers_may_own_their_runner() {
    let store = SqliteStore::in_memory().unwrap();
    let (slot, (ended, result)) = (Slot::default(), channel());
    let view = EndingView { slot: slot.clone(), ending: Ending::Stop, ended };
    let running = SqliteProjection::new(&store, view).unwrap().follow().start().unwrap();
    *slot.lock().unwrap() = Some(running);
    drop(slot);
    store.repository::<Account>().execute(open("alice")).unwrap();
    check(&result, Ending::Stop, "ending");
    result.recv_timeout(LONG).unwrap_err();
}

/// Two reactions whose handlers stop each other. One of them gets the error, so that both end.
#[test]
fn two_runners_can_stop_each_other() {
    #[derive(Reaction)]
    #[reaction(name = "first", from(Account), events(Opened))]
    struct First(Slot<SqliteReaction<Second>>, Arc<Barrier>, Sender<Option<String>>);

    #[handlers]
    impl First {
        #[react]
        fn opened(&self, _: &Opened) {
            self.1.wait();
            let error: Option<ReactionError> = take(&self.0).stop().map(drop).err();
            self.2.send(error.map(|error| error.to_string())).unwrap();
        }
    }

    #[derive(Reaction)]
    #[reaction(name = "second", from(Account), events(Opened))]
    struct Second(Slot<SqliteReaction<First>>, Arc<Barrier>, Sender<Option<String>>);

    #[handlers]
    impl Second {
        #[react]
        fn opened(&self, _: &Opened) {
            self.1.wait();
            let error: Option<ReactionError> = take(&self.0).stop().map(drop).err();
            self.2.send(error.map(|error| error.to_string())).unwrap();
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bank.db"));
    let (first, second) = (Slot::default(), Slot::default());
    let (both, (ended, result)) = (Arc::new(Barrier::new(2)), channel());
    let one = SqliteReaction::new(&store, First(Arc::clone(&second), both.clone(), ended.clone())).unwrap();
    let two = SqliteReaction::new(&store, Second(Arc::clone(&first), both, ended)).unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    let (one, two) = (one.follow().start().unwrap(), two.follow().start().unwrap());
    *second.lock().unwrap() = Some(two);
    *first.lock().unwrap() = Some(one);
    let errors: Vec<String> = (0..2).filter_map(|_| result.recv_timeout(LONG).unwrap()).collect();
    assert!(errors.len() <= 1 && errors.iter().all(|error| error.contains("its own runner")), "{errors:?}");
}
