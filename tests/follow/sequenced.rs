//! Dead letters of followers that run, and events that wait behind a dead letter of their stream.

use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::Position;
use factum::follow::{Activity, FollowError, FollowerChange, ProjectionError, RunningFollower};
use factum::prelude::*;
use factum::sqlite::rusqlite::Transaction;

use crate::support::account::{Account, Deposited, deposit, id, open};
use crate::support::stores::{LONG, doctor, open_store, sqlite_stores};

/// The positions at which handlers fail, and those that they have handled.
#[derive(Debug, Clone, Default)]
struct World {
    failing: Arc<Mutex<HashSet<u64>>>,
    handled: Arc<Mutex<Vec<u64>>>,
}

impl World {
    fn failing(positions: &[u64]) -> Self {
        let world = Self::default();
        world.fail(positions);
        world
    }

    fn fail(&self, positions: &[u64]) {
        *self.failing.lock().unwrap() = positions.iter().copied().collect();
    }

    fn check(&self, position: Position) -> Result<(), BoxError> {
        if self.failing.lock().unwrap().contains(&position.get()) {
            return Err("not now".into());
        }
        Ok(())
    }

    fn handled(&self) -> Vec<u64> {
        self.handled.lock().unwrap().clone()
    }
}

/// A view that lists the positions in the order in which it has seen them.
#[derive(Clone, Projection)]
#[projection(
    name = "list",
    from(Account),
    events(Deposited),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE list (number INTEGER PRIMARY KEY, position INTEGER NOT NULL)",
)]
struct List(World);

#[handlers]
impl List {
    #[project]
    fn deposited(
        &self,
        _: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let position = envelope.position.get().cast_signed();
        transaction.execute("INSERT INTO list (position) VALUES (?1)", [position])?;
        self.0.check(envelope.position)
    }
}

/// A reaction that fails as `List` does.
#[derive(Clone, Reaction)]
#[reaction(name = "calls", from(Account), events(Deposited), partition_by = stream)]
struct Calls(World);

#[handlers]
impl Calls {
    #[react]
    fn deposited(&self, _: &Deposited, envelope: &Envelope<'_>) -> Result<(), BoxError> {
        self.0.check(envelope.position)?;
        self.0.handled.lock().unwrap().push(envelope.position.get());
        Ok(())
    }
}

fn listed(store: &SqliteStore) -> Vec<u64> {
    let sql = "SELECT position FROM list ORDER BY number";
    store.query(|view| view.prepare(sql)?.query_map((), |row| row.get(0))?.collect()).unwrap()
}

/// Positions 3, 4, 5, 6 are deposits of alice and bob in turn; 7 is one of alice.
fn fill(store: &SqliteStore) {
    let accounts = store.repository::<Account>();
    for name in ["alice", "bob"] {
        accounts.execute(open(name)).unwrap();
    }
    for name in ["alice", "bob", "alice", "bob", "alice"] {
        accounts.execute(deposit(name, 1)).unwrap();
    }
}

type RunningList = RunningFollower<SqliteProjection<List>>;

fn start(store: &SqliteStore, world: &World, workers: u32, on_failure: OnFailure) -> RunningList {
    let view = SqliteProjection::new(store, List(world.clone())).unwrap().workers(workers);
    let running = view.follow().on_failure(on_failure).on_change(|_| {}).start().unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    running
}

/// Position of each letter, and that of the letter before it in its stream.
fn letters(running: &RunningList) -> Vec<(u64, Option<u64>)> {
    let letters = running.dead_letters().unwrap();
    letters.iter().map(|letter| (letter.position.get(), letter.behind.map(Position::get))).collect()
}

#[test]
fn letters_are_dealt_with_while_the_view_runs() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let world = World::failing(&[3, 5, 6]);
        let running = start(&store, &world, 1, OnFailure::DeadLetter);
        assert_eq!(letters(&running), [(3, None), (5, None), (6, None)]);
        assert_eq!(running.dead_letters_after(Position::new(3), 1).unwrap()[0].position, Position::new(5));
        assert_eq!(running.dead_letters().unwrap()[0].payload, None);
        let letter = running.dead_letter(Position::new(5)).unwrap().unwrap();
        assert_eq!((letter.payload.as_deref(), letter.version), (Some(r#"{"cents":1}"#), 3));
        assert_eq!(running.dead_letter(Position::new(4)).unwrap(), None);

        world.fail(&[6]);
        let retried = running.retry_dead_letter(Position::new(5)).unwrap();
        assert_eq!((retried.succeeded, retried.failed), (1, 0));
        let retried = running.retry_dead_letters().unwrap();
        assert_eq!((retried.succeeded, retried.failed), (1, 1));
        assert_eq!((letters(&running), listed(&store)), (vec![(6, None)], vec![4, 7, 5, 3]));
        running.discard_dead_letter(Position::new(6), "bob was told on the phone").unwrap();
        assert_eq!(letters(&running), []);
        let discarded = running.discarded_dead_letters(Position::START, 10).unwrap();
        assert_eq!((discarded.len(), discarded[0].position, discarded[0].attempts), (1, Position::new(6), 2));
        assert_eq!(discarded[0].reason, "bob was told on the phone");
        assert!(discarded[0].error.ends_with("not now"), "{}", discarded[0].error);

        for error in [
            running.retry_dead_letter(Position::new(6)).unwrap_err(),
            running.discard_dead_letter(Position::new(6), "again").unwrap_err(),
        ] {
            assert!(matches!(error, ProjectionError::Follow(FollowError::NoDeadLetter { .. })), "{error}");
        }
        let mut view = running.stop().unwrap();
        assert_eq!(view.discarded_dead_letters(Position::START, 10).unwrap(), discarded);
        view.discard_dead_letter(Position::new(6), "again").unwrap_err();
    }
}

#[test]
fn letters_of_a_reaction_are_dealt_with_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let world = World::failing(&[3, 5]);
        let reaction = SqliteReaction::new(&store, Calls(world.clone())).unwrap();
        let follow = reaction.follow().on_failure(OnFailure::DeadLetter).on_change(|_| {});
        let running = follow.start().unwrap();
        running.wait_for(store.position().unwrap(), LONG).unwrap();
        assert_eq!(running.dead_letters().unwrap().len(), 2);
        running.discard_dead_letter(Position::new(3), "no").unwrap();
        world.fail(&[]);
        assert_eq!(running.retry_dead_letters().unwrap().succeeded, 1);
        assert_eq!(world.handled(), [4, 6, 7, 5]);
        let reaction = running.stop().unwrap();
        assert_eq!(reaction.dead_letters().unwrap(), []);
        assert_eq!(reaction.discarded_dead_letters(Position::START, 10).unwrap().len(), 1);
    }
}

/// A runner that waits for a retry answers meanwhile. One that has ended does not leave its caller waiting.
#[test]
fn every_request_gets_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let world = World::failing(&[3]);
        let view = SqliteProjection::new(&store, List(world)).unwrap();
        let (said, heard) = channel();
        let said = Mutex::new(said);
        let hook = move |change: &FollowerChange| drop(said.lock().unwrap().send(change.clone()));
        let running = view.follow().retry(1, Duration::from_mins(10)).on_change(hook).start().unwrap();
        while !matches!(running.state().activity, Activity::Retrying { .. }) {
            heard.recv_timeout(LONG).unwrap();
        }
        assert_eq!(running.retry_dead_letters().unwrap().succeeded, 0);
        running.stop().unwrap();

        let view = SqliteProjection::new(&store, List(World::failing(&[3]))).unwrap();
        let running = view.follow().on_change(|_| {}).start().unwrap();
        running.wait_for(Position::new(3), LONG).unwrap_err();
        let error = running.retry_dead_letters().unwrap_err();
        assert!(matches!(error, ProjectionError::Follow(FollowError::RunnerEnded { .. })), "{error}");
    }
}

#[test]
fn later_events_wait_behind_a_dead_letter_of_their_stream() {
    let folder = tempfile::tempdir().unwrap();
    for workers in [1, 3] {
        let file = folder.path().join(format!("{workers}.db"));
        for store in [open_store(&file), SqliteStore::in_memory().unwrap()] {
            fill(&store);
            let world = World::failing(&[3]);
            let running = start(&store, &world, workers, OnFailure::SequencedDeadLetter);
            assert_eq!(letters(&running), [(3, None), (5, Some(3)), (7, Some(3))]);
            assert_eq!(listed(&store), [4, 6]);
            let waiting = running.dead_letter(Position::new(5)).unwrap().unwrap();
            assert_eq!(waiting.attempts, 0);
            let error = running.retry_dead_letter(Position::new(7)).unwrap_err();
            assert!(matches!(error, ProjectionError::Follow(FollowError::WaitsBehind { .. })), "{error}");
            // The letter that fails keeps the others behind it.
            let retried = running.retry_dead_letters().unwrap();
            assert_eq!((retried.succeeded, retried.failed), (0, 1));
            // Every run respects the order, whatever its settings are.
            running.stop().unwrap();
            store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
            let mut view = SqliteProjection::new(&store, List(world.clone())).unwrap().workers(workers);
            view.catch_up().unwrap();
            assert_eq!((view.dead_letters().unwrap().len(), listed(&store)), (4, vec![4, 6]));

            let running = start(&store, &world, workers, OnFailure::Stop);
            store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
            running.wait_for(store.position().unwrap(), LONG).unwrap();
            // One that has waited fails in its turn, and becomes the one that the others wait for.
            world.fail(&[7]);
            let retried = running.retry_dead_letter(Position::new(3)).unwrap();
            assert_eq!((retried.succeeded, retried.failed), (2, 1));
            assert_eq!(letters(&running), [(7, None), (8, Some(7)), (9, Some(7))]);
            let retried = running.discard_dead_letter(Position::new(7), "never").unwrap();
            assert_eq!((retried.succeeded, retried.failed), (2, 0));
            assert_eq!((letters(&running), listed(&store)), (vec![], vec![4, 6, 3, 5, 8, 9]));
            // Without letters, later events are handled at once.
            let done = store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
            running.wait_for(done.position().unwrap(), LONG).unwrap();
            assert_eq!(listed(&store), [4, 6, 3, 5, 8, 9, 10]);
        }
    }
}

#[test]
fn deliveries_wait_behind_a_dead_letter_of_their_stream() {
    let folder = tempfile::tempdir().unwrap();
    for workers in [1, 3] {
        let file = folder.path().join(format!("{workers}.db"));
        for store in [open_store(&file), SqliteStore::in_memory().unwrap()] {
            fill(&store);
            let world = World::failing(&[3]);
            let reaction = SqliteReaction::new(&store, Calls(world.clone())).unwrap().workers(workers);
            let follow = reaction.follow().on_failure(OnFailure::SequencedDeadLetter).on_change(|_| {});
            let running = follow.start().unwrap();
            running.wait_for(store.position().unwrap(), LONG).unwrap();
            assert_eq!((running.dead_letters().unwrap().len(), world.handled()), (3, vec![4, 6]));
            store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
            running.wait_for(store.position().unwrap(), LONG).unwrap();
            assert_eq!((running.dead_letters().unwrap().len(), world.handled()), (4, vec![4, 6]));
            world.fail(&[]);
            assert_eq!(running.retry_dead_letters().unwrap().succeeded, 4);
            assert_eq!(world.handled(), [4, 6, 3, 5, 7, 8]);
            let done = store.repository::<Account>().execute(deposit("alice", 1)).unwrap();
            running.wait_for(done.position().unwrap(), LONG).unwrap();
            assert_eq!(world.handled(), [4, 6, 3, 5, 7, 8, 9]);
        }
    }
}

/// A process has ended between the retry of a letter and those behind it. The next run goes on with them.
#[test]
fn letters_that_wait_no_longer_are_found_by_the_next_run() {
    for is_discarded in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bank.db");
        let store = open_store(&file);
        fill(&store);
        let world = World::failing(&[3]);
        drop(start(&store, &world, 1, OnFailure::SequencedDeadLetter));
        doctor(&file, "DELETE FROM factum_dead_letters WHERE position = 3");
        world.fail(if is_discarded { &[] } else { &[7] });
        let mut view = SqliteProjection::new(&store, List(world)).unwrap();
        view.catch_up().unwrap();
        let left = usize::from(!is_discarded);
        assert_eq!(view.dead_letters().unwrap().len(), left);
        assert_eq!(listed(&store), if is_discarded { vec![4, 6, 5, 7] } else { vec![4, 6, 5] });
    }
}

/// Inline views and rebuilds keep the order too.
#[test]
fn an_inline_view_lets_events_wait() {
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let world = World::failing(&[3]);
        drop(start(&store, &world, 1, OnFailure::SequencedDeadLetter));
        SqliteProjection::new(&store, List(world.clone())).unwrap().inline().unwrap();
        let accounts = store.repository::<Account>();
        accounts.execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 2)]).unwrap();
        accounts.execute(deposit("bob", 1)).unwrap();
        assert_eq!(listed(&store), [4, 6, 10]);
        world.fail(&[]);
        let mut view = SqliteProjection::new(&store, List(world)).unwrap();
        assert_eq!(view.retry_dead_letters().unwrap().succeeded, 5);
        assert_eq!(listed(&store), [4, 6, 10, 3, 5, 7, 8, 9]);
        accounts.execute(deposit("alice", 3)).unwrap();
        assert_eq!(listed(&store), [4, 6, 10, 3, 5, 7, 8, 9, 11]);
        assert_eq!(view.rebuild().unwrap().position, Position::new(11));
        assert_eq!(listed(&store), [3, 4, 5, 6, 7, 8, 9, 10, 11]);
    }
}

/// A handler that wants its own runner to do something would wait for itself.
#[test]
fn a_handler_can_not_wait_for_its_own_letters() {
    type Slot = Arc<Mutex<Option<RunningFollower<SqliteReaction<Impatient>>>>>;

    #[derive(Reaction)]
    #[reaction(name = "impatient", from(Account), events(Deposited))]
    struct Impatient(Slot, std::sync::mpsc::Sender<String>);

    #[handlers]
    impl Impatient {
        #[react]
        fn deposited(&self, _: &Deposited) {
            let slot = self.0.lock().unwrap();
            let running = slot.as_ref().unwrap();
            running.dead_letters().unwrap();
            running.wait_for(Position::new(u64::MAX), Duration::MAX).unwrap_err();
            let error = running.retry_dead_letters().unwrap_err();
            self.1.send(error.to_string()).unwrap();
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let (said, heard) = channel();
    let slot = Slot::default();
    let running =
        SqliteReaction::new(&store, Impatient(slot.clone(), said)).unwrap().follow().start().unwrap();
    *slot.lock().unwrap() = Some(running);
    fill(&store);
    let error = heard.recv_timeout(LONG).unwrap();
    assert!(error.starts_with("a handler of `impatient` can't wait for its own runner"), "{error}");
    let running = slot.lock().unwrap().take();
    drop(running);
}
