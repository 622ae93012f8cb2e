//! Reactions: what a program does after events, at least once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::follow::{FollowError, ReactionError};
use factum::prelude::*;
use factum::store::{AppendError, StoreError};
use factum::{Position, StreamName};

use crate::support::account::{Account, Deposited, Opened, Refused, Withdrawn, deposit, id, open, withdraw};
use crate::support::kept::{KeptReaction, KeptStore, kept_stores, new_kept, open_kept};
use crate::support::retries::wait_for_retries_of_no_event;
use crate::support::stores::LONG;

/// What has left the program.
#[derive(Debug, Default)]
struct World {
    /// Position, key and attempt of each mail, in the order in which they were sent.
    mails: Mutex<Vec<(u64, String, u32)>>,
    /// How many more deposits of 13 fail.
    refused: AtomicU32,
    panics: AtomicBool,
}

impl World {
    fn positions(&self) -> Vec<u64> {
        self.mails.lock().unwrap().iter().map(|(position, ..)| *position).collect()
    }
}

/// A mail for each deposit and each withdrawal.
#[derive(Debug, Default, Clone, Reaction)]
#[reaction(name = "mails", events(Deposited, Withdrawn), from(Account), partition_by = stream)]
struct Mails {
    world: Arc<World>,
}

#[handlers]
impl Mails {
    #[react]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        delivery: &Delivery,
    ) -> Result<(), BoxError> {
        let take = |left: u32| left.checked_sub(1);
        if event.cents == 13
            && self.world.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok()
        {
            assert!(!self.world.panics.load(Ordering::SeqCst), "the mail server is on fire");
            return Err("no mail server".into());
        }
        assert_eq!(delivery.event_id(), envelope.id);
        let mail = (envelope.position.get(), delivery.idempotency_key(), delivery.attempt());
        self.world.mails.lock().unwrap().push(mail);
        Ok(())
    }

    #[react]
    fn withdrawn(&self, _: &Withdrawn, envelope: &Envelope<'_>) {
        self.world.mails.lock().unwrap().push((envelope.position.get(), String::new(), 0));
    }
}

#[test]
fn a_reaction_sees_each_event_and_remembers_how_far_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        accounts.execute(withdraw("alice", 1)).unwrap();
        let world = Arc::new(World::default());
        let mails = || KeptReaction::new(&store, Mails { world: world.clone() }).unwrap();
        let caught = mails().catch_up().unwrap();
        assert_eq!((caught.events, caught.position.get()), (2, 3));
        assert_eq!(world.positions(), [2, 3]);
        // Another start resumes there.
        assert_eq!(mails().catch_up().unwrap().events, 0);
        accounts.execute(deposit("alice", 5)).unwrap();
        assert_eq!(mails().catch_up().unwrap().events, 1);
        assert_eq!(world.positions(), [2, 3, 4]);
        assert_eq!(mails().position().unwrap(), Position::new(4));
        // A rewind repeats all events. Each has the idempotency key that it had.
        let mut again = mails();
        again.rewind(Position::START).unwrap();
        again.catch_up().unwrap();
        assert_eq!(world.positions(), [2, 3, 4, 2, 3, 4]);
        let sent = world.mails.lock().unwrap();
        assert_eq!(sent[0], sent[3]);
        assert!(sent[0].1.starts_with("mails/"), "{sent:?}");
        assert_ne!(sent[0].1, sent[2].1);
    }
}

#[test]
fn a_reaction_may_begin_with_the_next_event() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        let world = Arc::new(World::default());
        let mails = || KeptReaction::from_now(&store, Mails { world: world.clone() }).unwrap();
        assert_eq!(mails().position().unwrap(), Position::new(2));
        accounts.execute(deposit("alice", 6)).unwrap();
        // The second start is not a beginning: events that were appended between the two are not skipped.
        mails().catch_up().unwrap();
        assert_eq!(world.positions(), [3]);
    }
}

#[test]
fn a_reaction_follows_with_retries_and_dead_letters() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        for panics in [false, true] {
            let accounts = store.repository::<Account>();
            let before = accounts.execute(open("alice")).unwrap().version() + store.position().unwrap().get();
            let first = store.position().unwrap().get();
            for cents in [1, 13, 2] {
                accounts.execute(deposit("alice", cents)).unwrap();
            }
            let world = Arc::new(World { refused: 5.into(), panics: panics.into(), ..World::default() });
            let mails = KeptReaction::new(&store, Mails { world: world.clone() }).unwrap();
            let follow = mails.follow().retry(3, Duration::from_millis(1)).on_failure(OnFailure::DeadLetter);
            let following = follow.start().unwrap();
            following.wait_for(store.position().unwrap(), LONG).unwrap();
            let done = accounts.execute(deposit("alice", 3)).unwrap();
            following.wait_for(done.position().unwrap(), LONG).unwrap();
            let mut mails = following.stop().unwrap();
            assert_eq!(world.positions(), [first + 1, first + 3, first + 4], "{before}");
            let letters = mails.dead_letters().unwrap();
            assert_eq!(letters.len(), 1);
            assert_eq!((letters[0].position.get(), letters[0].attempts), (first + 2, 4));
            let why = if panics { "on fire" } else { "no mail server" };
            assert!(letters[0].error.ends_with(why), "{}", letters[0].error);
            // One more deposit will be refused.
            let retried = mails.retry_dead_letters().unwrap();
            assert_eq!((retried.succeeded, retried.failed), (0, 1));
            let retried = mails.retry_dead_letters().unwrap();
            assert_eq!((retried.succeeded, retried.failed), (1, 0));
            assert_eq!(mails.dead_letters().unwrap(), []);
            let sent = world.mails.lock().unwrap();
            assert_eq!((sent.last().unwrap().0, sent.last().unwrap().2), (first + 2, 6), "the sixth attempt");
        }
    }
}

#[test]
fn an_event_that_keeps_failing_holds_a_reaction_up() {
    let store = new_kept();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for cents in [1, 13, 2] {
        accounts.execute(deposit("alice", cents)).unwrap();
    }
    let world = Arc::new(World { refused: 2.into(), ..World::default() });
    let mut mails = KeptReaction::new(&store, Mails { world: world.clone() }).unwrap();
    for _ in 0..2 {
        let error = mails.catch_up().unwrap_err();
        assert!(
            matches!(&error, ReactionError::Follow(FollowError::Handler { position, .. }) if position.get() == 3),
            "{error}"
        );
        assert_eq!(mails.position().unwrap(), Position::new(2));
    }
    assert_eq!(mails.catch_up().unwrap().events, 2);
    assert_eq!(world.positions(), [2, 3, 4]);
}

/// Sends commands to other aggregates of the store. Each is executed once, however often the event is
/// delivered.
#[derive(Reaction)]
#[reaction(events(Opened), from(Account))]
struct Welcome {
    accounts: Repository<Account, KeptStore>,
}

#[handlers]
impl Welcome {
    #[react]
    fn opened(&self, _: &Opened, key: &str, delivery: &Delivery) -> Result<(), BoxError> {
        if key != "house" {
            let options = delivery.options().retry(10);
            self.accounts.execute_with(deposit("house", 5), &options)?;
        }
        Ok(())
    }
}

#[test]
fn a_reaction_gives_commands_that_are_carried_out_once() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("house")).unwrap();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(open("bob")).unwrap();
        let mut welcome = KeptReaction::new(&store, Welcome { accounts: accounts.clone() }).unwrap();
        for _ in 0..3 {
            welcome.rewind(Position::START).unwrap();
            welcome.catch_up().unwrap();
            assert_eq!(accounts.load(&id("house")).unwrap().state().cents, 10);
        }
        // The resulting events name their cause.
        let caused: Vec<_> =
            accounts.history(&id("house")).unwrap().map(|event| event.unwrap().metadata.causation).collect();
        assert_eq!(caused.iter().flatten().count(), 2, "{caused:?}");
        let opened: Vec<_> = ["alice", "bob"]
            .map(|name| accounts.history(&id(name)).unwrap().next().unwrap().unwrap().id)
            .into_iter()
            .map(Some)
            .collect();
        assert_eq!(caused[1..], opened);
    }
}

#[test]
fn a_reaction_gives_commands_while_others_append() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("house")).unwrap();
        let welcome = KeptReaction::new(&store, Welcome { accounts: accounts.clone() }).unwrap();
        let following = welcome.follow().start().unwrap();
        for name in 0..50 {
            accounts.execute(open(&name.to_string())).unwrap();
        }
        following.wait_for(store.position().unwrap(), LONG).unwrap();
        following.stop().unwrap();
        assert_eq!(accounts.load(&id("house")).unwrap().state().cents, 250);
    }
}

#[test]
fn workers_share_a_reaction_and_keep_the_order_of_each_stream() {
    let folder = tempfile::tempdir().unwrap();
    for store in kept_stores(&folder) {
        let accounts = store.repository::<Account>();
        for name in 0..12 {
            let name = name.to_string();
            accounts.execute(open(&name)).unwrap();
            accounts.execute_batch(&id(&name), (0..5).map(|_| deposit(&name, 1))).unwrap();
        }
        let world = Arc::new(World::default());
        let mails = || KeptReaction::new(&store, Mails { world: world.clone() }).unwrap();
        assert_eq!(mails().workers(4).catch_up().unwrap().events, 60);
        let sent = world.positions();
        for stream in 0..12 {
            let positions = sent.iter().filter(|position| (**position - 1) / 6 == stream);
            assert!(positions.clone().is_sorted() && positions.count() == 5, "{stream}: {sent:?}");
        }
        // Fewer workers resume there.
        accounts.execute(deposit("3", 1)).unwrap();
        assert_eq!(mails().workers(3).catch_up().unwrap().events, 1);
        assert_eq!(mails().catch_up().unwrap().events, 0);
        assert_eq!(mails().position().unwrap(), store.position().unwrap());
    }
}

/// Of two programs, one runs the reaction. When it ends, the other continues.
#[test]
fn of_two_runners_one_reacts() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open_kept(folder.path()), open_kept(folder.path()));
    let accounts = one.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let world = Arc::new(World::default());
    let start = |store| {
        let mails = KeptReaction::new(store, Mails { world: world.clone() }).unwrap();
        mails.follow().lease(Duration::from_mins(10)).start().unwrap()
    };
    let (first, second) = (start(&one), start(&two));
    for round in 2..=40 {
        let done = accounts.execute(deposit("alice", 1)).unwrap();
        first.wait_for(done.position().unwrap(), LONG).unwrap();
        second.wait_for(done.position().unwrap(), LONG).unwrap();
        assert_eq!(world.positions().len(), round - 1);
    }
    first.stop().unwrap();
    let done = accounts.execute(deposit("alice", 1)).unwrap();
    second.wait_for(done.position().unwrap(), LONG).unwrap();
    assert_eq!(world.positions(), (2..=41).collect::<Vec<_>>());
}

/// A handler that takes longer than the lease keeps the lease.
#[test]
fn a_slow_handler_keeps_the_lease() {
    #[derive(Reaction)]
    #[reaction(events(Opened), from(Account))]
    struct Slow {
        begun: Arc<AtomicU32>,
    }

    #[handlers]
    impl Slow {
        #[react]
        fn opened(&self, _: &Opened) {
            self.begun.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(400));
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open_kept(folder.path()), open_kept(folder.path()));
    one.repository::<Account>().execute(open("alice")).unwrap();
    let begun = Arc::new(AtomicU32::new(0));
    let start = |store| {
        let slow = KeptReaction::new(store, Slow { begun: begun.clone() }).unwrap();
        slow.follow().lease(Duration::from_millis(60)).start().unwrap()
    };
    let runners = [start(&one), start(&two)];
    for runner in &runners {
        runner.wait_for(Position::new(1), LONG).unwrap();
    }
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

/// The events are in one store, of any kind, and the progress is in another.
#[test]
fn the_progress_of_a_reaction_may_be_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let progress = open_kept(folder.path());
    let events = MemoryStore::new();
    let accounts = events.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 13)).unwrap();
    let world = Arc::new(World { refused: 1.into(), ..World::default() });
    let mails = || KeptReaction::in_store(&progress, &events, Mails { world: world.clone() }).unwrap();
    let following = mails().follow().on_failure(OnFailure::DeadLetter).start().unwrap();
    let done = accounts.execute(deposit("alice", 5)).unwrap();
    following.wait_for(done.position().unwrap(), LONG).unwrap();
    let mut stopped = following.stop().unwrap();
    assert_eq!(world.positions(), [3]);
    assert_eq!(stopped.retry_dead_letters().unwrap().succeeded, 1);
    assert_eq!(mails().catch_up().unwrap().events, 0);
    assert_eq!(progress.position().unwrap(), Position::START, "no events there");
}

/// A store that is full or busy is not the fault of an event.
#[test]
fn a_store_error_makes_no_dead_letter() {
    #[derive(Reaction)]
    #[reaction(events(Opened), from(Account))]
    struct Unlucky {
        /// Busy this many times, then full and an open outcome in turns.
        busy: AtomicU32,
        calls: AtomicU32,
    }

    #[handlers]
    impl Unlucky {
        #[react]
        fn opened(&self, _: &Opened, key: &str) -> Result<(), ExecuteError<Refused>> {
            let busy = self.busy.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let source = match (busy, self.calls.fetch_add(1, Ordering::SeqCst) % 2) {
                (Ok(_), _) => StoreError::Busy,
                (Err(_), 0) => StoreError::Full,
                (Err(_), _) => StoreError::CommitUnknown("the disk does not answer".into()),
            };
            // The error that a command would return.
            Err(AppendError::store(&StreamName::new("account", key), source).into())
        }
    }

    let store = new_kept();
    store.repository::<Account>().execute(open("alice")).unwrap();
    let unlucky = KeptReaction::new(&store, Unlucky { busy: 3.into(), calls: 0.into() }).unwrap();
    let (changes, retried) = channel();
    let following = unlucky
        .follow()
        .on_failure(OnFailure::DeadLetter)
        .on_change(move |change| drop(changes.send(change.clone())))
        .start()
        .unwrap();
    wait_for_retries_of_no_event(&retried, 2);
    let again = following.stop().unwrap();
    assert_eq!((again.position().unwrap(), again.dead_letters().unwrap()), (Position::START, vec![]));
}

/// The events after the position come again, and so do those that are dead letters.
#[test]
fn a_rewind_takes_later_dead_letters_along() {
    let store = new_kept();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    (0..2).for_each(|_| drop(accounts.execute(deposit("alice", 13)).unwrap()));
    let world = Arc::new(World::default());
    world.refused.store(2, Ordering::SeqCst);
    let mails = KeptReaction::new(&store, Mails { world: world.clone() }).unwrap();
    let follow = mails.follow().on_failure(OnFailure::SequencedDeadLetter).on_change(|_| {});
    let following = follow.start().unwrap();
    following.wait_for(Position::new(3), LONG).unwrap();
    let mut mails = following.stop().unwrap();
    assert_eq!(mails.dead_letters().unwrap().len(), 2, "the second one waits behind the first");
    world.refused.store(0, Ordering::SeqCst);
    mails.rewind(Position::new(2)).unwrap();
    assert_eq!(mails.dead_letters().unwrap().len(), 1);
    mails.rewind(Position::START).unwrap();
    mails.catch_up().unwrap();
    assert_eq!((world.positions(), mails.dead_letters().unwrap()), (vec![2, 3], vec![]));
}
