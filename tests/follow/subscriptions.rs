//! All events of a store, as they come.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use factum::prelude::*;
use factum::{
    Append, AppendError, Appended, DecodeError, Decoded, EventKind, ExecuteOptions, ExpectedVersion, Filter,
    Metadata, NewEvent, Outcome, ReadError, Stopper, StoreError, StreamId, SubscribedEvent, Subscription,
    SubscriptionOptions, Uuid, Visit,
};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, AccountEvent, Closed, Deposited, Opened, deposit, id, open, stores};

/// No test waits so long unless it fails.
const LONG: Duration = Duration::from_mins(1);

type Dynamic = Subscription<Arc<dyn EventStore>>;

/// Appends an event, as any program would.
fn append(store: &dyn EventStore, category: &str, key: &str, name: &str, payload: &str) {
    append_at(store, category, key, name, 1, payload);
}

fn append_at(store: &dyn EventStore, category: &str, key: &str, name: &str, schema: u32, payload: &str) {
    let event = NewEvent {
        name,
        schema,
        id: Uuid::now_v7(),
        recorded_at: Timestamp::now(),
        metadata: &Metadata::default(),
        payload,
    };
    store.append(&[Append::new(&StreamId::new(category, key), ExpectedVersion::Any, &[event])]).unwrap();
}

/// Appends `count` events of one name.
fn append_many(store: &dyn EventStore, category: &str, name: &str, count: usize) {
    let metadata = Metadata::default();
    let new = |_| NewEvent {
        name,
        schema: 1,
        id: Uuid::now_v7(),
        recorded_at: Timestamp::now(),
        metadata: &metadata,
        payload: "{}",
    };
    let events: Vec<_> = (0..count).map(new).collect();
    store.append(&[Append::new(&StreamId::new(category, "a"), ExpectedVersion::Any, &events)]).unwrap();
}

fn next(subscription: &mut Subscription<impl EventStore>) -> SubscribedEvent {
    subscription.next_within(LONG).expect("an event, not a hang").unwrap()
}

/// The positions of all events that are there now.
fn drain(subscription: &mut Dynamic) -> Vec<u64> {
    std::iter::from_fn(|| subscription.try_next()).map(|event| event.unwrap().envelope().position).collect()
}

#[test]
fn what_is_there_comes_first_and_then_what_is_appended() {
    for store in stores() {
        append_many(&store, "account", "deposited", 600);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let stopper = subscription.stopper();
        let (sender, receiver) = mpsc::channel();
        let follower = thread::spawn(move || {
            for event in &mut subscription {
                sender.send(event.unwrap().envelope().position).unwrap();
            }
            subscription.seen()
        });
        for position in 1..=600 {
            assert_eq!(receiver.recv_timeout(LONG), Ok(position));
        }
        for position in 601..=620 {
            append(&store, "account", "a", "deposited", "{}");
            assert_eq!(receiver.recv_timeout(LONG), Ok(position));
        }
        stopper.stop();
        let nothing_more = receiver.recv_timeout(LONG);
        assert_eq!(nothing_more, Err(mpsc::RecvTimeoutError::Disconnected), "and nothing twice");
        assert_eq!(follower.join().unwrap(), 620);
    }
}

#[test]
fn what_others_append_to_the_file_comes_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    // Knows of the first no more than another process does.
    let other = SqliteStore::open(&file).unwrap();
    let mut subscription = store.subscribe(SubscriptionOptions::new());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..20 {
                sender.send(next(&mut subscription).envelope().position).unwrap();
            }
        });
        for position in 1..=20 {
            append(&other, "account", "a", "deposited", "{}");
            assert_eq!(receiver.recv_timeout(LONG), Ok(position));
        }
    });
}

#[test]
fn an_event_comes_whole() {
    for store in stores() {
        let options = ExecuteOptions::new()
            .correlation(Uuid::from_u128(1))
            .causation(Uuid::from_u128(2))
            .custom(&serde_json::json!({"by": "alice"}))
            .unwrap();
        let done = store.repository::<Account>().execute_with(open("alice"), &options).unwrap();
        let recorded = &done.events()[0];
        let event = next(&mut store.subscribe(SubscriptionOptions::new()));
        let envelope = event.envelope();
        assert_eq!(envelope.stream(), recorded.stream);
        assert_eq!(envelope.aggregate_id(), Ok(id("alice")));
        assert_eq!((envelope.position, envelope.version), (1, 1));
        assert_eq!((envelope.id, envelope.recorded_at), (recorded.id, recorded.recorded_at));
        assert_eq!(envelope.metadata(), recorded.metadata);
        assert_eq!((event.name(), event.schema(), event.payload()), ("opened", 1, r#"{"owner":"alice"}"#));
        // It is its own, and outlives the subscription and the store.
        drop((store, done));
        assert_eq!(event.clone().decode_event().unwrap(), Some(Opened { owner: "alice".into() }));
    }
}

#[test]
fn a_filter_lets_names_and_categories_pass() {
    for store in stores() {
        append(&store, "account", "a", "opened", "{}");
        append(&store, "account", "a", "paid-in", "{}");
        append(&store, "card", "a", "opened", "{}");
        append(&store, "card", "account", "issued", "{}");
        append(&store, "account", "a", "deposited", "{}");
        let options = SubscriptionOptions::new;
        let deposits = EventKind::of::<Deposited>().names();
        for (options, expected) in [
            (options(), vec![1, 2, 3, 4, 5]),
            (options().names(["opened"]), vec![1, 3]),
            (options().names(deposits), vec![2, 5]),
            (options().names(["opened"]).names(vec!["issued".to_owned()]), vec![1, 3, 4]),
            (options().categories([Account::NAME]), vec![1, 2, 5]),
            (options().categories(["account", "card"]), vec![1, 2, 3, 4, 5]),
            (options().names(["opened"]).categories(["card"]), vec![3]),
            (options().names(["opened"]).categories(["card"]).after(3), vec![]),
            (options().names(["unheard-of"]), vec![]),
            (options().names([""; 0]), vec![1, 2, 3, 4, 5]),
        ] {
            for buffer in [1, 2, 256] {
                let options = options.clone().buffer(buffer);
                let mut subscription = store.subscribe(options.clone());
                assert_eq!(drain(&mut subscription), expected, "{options:?}");
                assert_eq!(subscription.seen(), 5, "{options:?}");
            }
        }
    }
}

#[test]
fn another_subscription_goes_on_where_one_was() {
    for store in stores() {
        append_many(&store, "account", "deposited", 10);
        let mut position = 0;
        let mut seen = Vec::new();
        // Each reads ahead more than it hands out.
        for _ in 0..4 {
            let mut subscription = store.subscribe(SubscriptionOptions::new().after(position).buffer(5));
            for _ in 0..3 {
                seen.extend(subscription.try_next().map(|event| event.unwrap().envelope().position));
            }
            position = subscription.seen();
            assert_eq!(Some(&position), seen.last());
        }
        assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    }
}

#[test]
fn what_does_not_pass_counts_as_seen() {
    for store in stores() {
        let options = SubscriptionOptions::new().names(["deposited"]);
        let mut subscription = store.subscribe(options.clone());
        assert_eq!((drain(&mut subscription), subscription.seen()), (vec![], 0));
        append_many(&store, "account", "opened", 5);
        assert_eq!((drain(&mut subscription), subscription.seen()), (vec![], 5));
        append_many(&store, "account", "deposited", 2);
        append_many(&store, "account", "opened", 3);
        assert_eq!(next(&mut subscription).envelope().position, 6);
        assert_eq!(subscription.seen(), 6, "there is one more in the buffer");
        assert_eq!(next(&mut subscription).envelope().position, 7);
        assert_eq!(subscription.seen(), 10);
        let mut resumed = store.subscribe(options.after(subscription.seen()));
        assert_eq!((drain(&mut resumed), resumed.seen()), (vec![], 10));
        append_many(&store, "account", "deposited", 1);
        assert_eq!((drain(&mut resumed), drain(&mut subscription)), (vec![11], vec![11]));
    }
}

#[test]
fn a_wait_has_an_end() {
    for store in stores() {
        let watched = Arc::new(Watched::new(store.clone()));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        assert!(subscription.try_next().is_none());
        assert!(subscription.next_within(Duration::from_millis(1)).is_none());
        // Longer than the store is asked to wait at a time.
        let before = watched.waits.load(Ordering::SeqCst);
        assert!(subscription.next_within(Duration::from_millis(120)).is_none());
        let waits = watched.waits.load(Ordering::SeqCst) - before;
        assert!(waits <= 5, "the store waits, not the subscription by asking {waits} times");
        assert!(!subscription.stopper().is_stopped(), "only the time is up");
        append(&store, "account", "a", "opened", "{}");
        let event = subscription.next_within(Duration::MAX).unwrap().unwrap();
        assert_eq!(event.envelope().position, 1);
    }
}

#[test]
fn the_end_of_all_positions_is_not_reached() {
    for store in stores() {
        append(&store, "account", "a", "opened", "{}");
        for after in [2, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
            let mut subscription =
                store.subscribe(SubscriptionOptions::new().after(after).buffer(usize::MAX));
            assert!(subscription.try_next().is_none());
            assert_eq!(subscription.seen(), after);
        }
    }
}

#[test]
fn a_stop_wakes_who_waits() {
    fn is_shared<T: Clone + Send + Sync>() {}
    is_shared::<Stopper>();

    for store in stores() {
        append_many(&store, "account", "deposited", 1);
        let store = Arc::new(Watched::new(store));
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let stopper = subscription.stopper();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            assert_eq!(next(&mut subscription).envelope().position, 1);
            sender.send(subscription.next().is_none()).unwrap();
            sender.send(subscription.next().is_none()).unwrap();
            sender.send(subscription.seen() == 1).unwrap();
        });
        store.until_somebody_waits_beyond(1);
        stopper.clone().stop();
        for _ in 0..3 {
            assert_eq!(receiver.recv_timeout(LONG), Ok(true));
        }
    }
}

#[test]
fn who_is_stopped_hands_out_nothing_more() {
    for store in stores() {
        append_many(&store, "account", "deposited", 5);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        assert_eq!(next(&mut subscription).envelope().position, 1);
        subscription.stopper().stop();
        assert!(subscription.stopper().is_stopped());
        for _ in 0..2 {
            assert!(subscription.next().is_none());
            assert!(subscription.try_next().is_none());
            assert!(subscription.next_within(LONG).is_none());
        }
        assert_eq!(subscription.seen(), 1, "so that another goes on with what was in the buffer");
    }
}

#[test]
fn no_more_is_read_than_the_buffer_holds() {
    for store in stores() {
        append_many(&store, "account", "deposited", 700);
        for (buffer, held) in [(0, 1), (1, 1), (7, 7), (300, 300)] {
            let watched = Arc::new(Watched::new(store.clone()));
            let mut subscription = watched.subscribe(SubscriptionOptions::new().buffer(buffer));
            assert_eq!(watched.visited.load(Ordering::SeqCst), 0, "nothing before it is asked for");
            for taken in 1..=700 {
                assert_eq!(next(&mut subscription).envelope().position, taken);
                let ahead = watched.visited.load(Ordering::SeqCst) - usize::try_from(taken).unwrap();
                assert!(ahead < held, "{ahead} read ahead of {taken}");
            }
            assert!(subscription.try_next().is_none());
            assert_eq!(watched.visited.load(Ordering::SeqCst), 700, "each is read once");
        }
    }
}

#[test]
fn each_event_of_many_writers_comes_once_and_in_order() {
    const WRITERS: usize = 4;
    const EACH: u64 = 250;
    for store in stores() {
        let mut all = store.subscribe(SubscriptionOptions::new().buffer(16));
        let mut some =
            store.subscribe(SubscriptionOptions::new().names(["withdrawn"]).categories(["1", "3"]));
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let name = if number % 5 == 0 { "withdrawn" } else { "deposited" };
                        append(store, &writer.to_string(), "a", name, "{}");
                    }
                });
            }
            scope.spawn(|| {
                let mut versions = [0; WRITERS];
                for position in 1..=EACH * WRITERS as u64 {
                    let event = next(&mut all);
                    let envelope = event.envelope();
                    assert_eq!((envelope.position, all.seen()), (position, position));
                    let version = &mut versions[envelope.category.parse::<usize>().unwrap()];
                    *version += 1;
                    assert_eq!(envelope.version, *version);
                }
            });
            // Positions that do not pass race with those that do.
            scope.spawn(|| {
                let mut last = 0;
                let mut versions = [1; WRITERS];
                for _ in 0..2 * EACH / 5 {
                    let event = next(&mut some);
                    let envelope = event.envelope();
                    assert!(envelope.position > last && some.seen() >= envelope.position);
                    last = envelope.position;
                    let version = &mut versions[envelope.category.parse::<usize>().unwrap()];
                    assert_eq!((event.name(), envelope.version), ("withdrawn", *version));
                    *version += 5;
                }
            });
        });
        for mut subscription in [all, some] {
            assert!(subscription.try_next().is_none());
            assert_eq!(subscription.seen(), EACH * WRITERS as u64);
        }
    }
}

#[test]
fn an_append_beside_a_read_is_not_lost() {
    for store in stores() {
        append_many(&store, "account", "opened", 3);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new().names(["deposited"]));
        // After the store was asked for its position, and read; what was asked then is too old to count these.
        watched.append_after_read.store(true, Ordering::SeqCst);
        assert!(subscription.try_next().is_none());
        assert_eq!((subscription.seen(), watched.position().unwrap()), (3, 4));
        assert_eq!(next(&mut subscription).envelope().position, 4);

        // After the store was asked, and before it is read: read at once, and not once more.
        append_many(&watched, "account", "opened", 1);
        watched.append_before_read.store(true, Ordering::SeqCst);
        assert_eq!(next(&mut subscription).envelope().position, 6);
        assert_eq!((subscription.seen(), watched.position().unwrap()), (6, 6));
        assert!(subscription.try_next().is_none());
    }
}

#[test]
fn an_error_is_handed_out_and_the_read_tried_again() {
    for store in stores() {
        append_many(&store, "account", "deposited", 5);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        // In the middle of a read.
        watched.fail_read_after(Some(2));
        for position in [1, 2] {
            assert_eq!(next(&mut subscription).envelope().position, position);
        }
        assert_eq!(subscription.seen(), 2);
        let error = subscription.next_within(LONG).unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error}");
        assert_eq!(subscription.seen(), 2);
        assert_eq!(next(&mut subscription).envelope().position, 3);
        for position in [4, 5] {
            assert_eq!(next(&mut subscription).envelope().position, position);
        }
        // At its beginning, and while waiting: however it is asked.
        append_many(&watched, "account", "deposited", 1);
        watched.fail_read_after(Some(0));
        assert!(subscription.try_next().unwrap().is_err());
        watched.fail_wait.store(true, Ordering::SeqCst);
        assert!(subscription.next_within(LONG).unwrap().is_err());
        assert_eq!(subscription.seen(), 5);
        assert_eq!(next(&mut subscription).envelope().position, 6);
        assert!(subscription.try_next().is_none());
        assert_eq!(subscription.seen(), 6);
    }
}

#[test]
fn an_error_does_not_keep_from_stopping() {
    for store in stores() {
        append_many(&store, "account", "deposited", 2);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        watched.fail_read_after(Some(1));
        next(&mut subscription);
        subscription.stopper().stop();
        assert!(subscription.next().is_none(), "not even the error that waits");
    }
}

#[test]
fn an_event_is_read_as_one_of_an_aggregate() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        append(&store, "account", "alice", "paid-in", r#"{"cents": 7}"#);
        append(&store, "account", "alice", "account-frozen", "{}");
        append_at(&store, "account", "alice", "deposited", 4, r#"{"cents": 1}"#);
        append(&store, "account", "alice", "deposited", r#"{"cents": "many"}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new().categories([Account::NAME]));

        let expected: [AccountEvent; 3] = [
            Opened { owner: "alice".into() }.into(),
            Deposited { cents: 5 }.into(),
            // Under its old name.
            Deposited { cents: 7 }.into(),
        ];
        for typed in expected {
            assert_eq!(next(&mut subscription).decode().unwrap(), Decoded::One(typed));
        }

        let mut refused = |message: &str| {
            let event = next(&mut subscription);
            let error = event.decode::<AccountEvent>().unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            let ReadError::Decode { stream, version, position, name, schema, source, .. } = error else {
                panic!("{error}")
            };
            let envelope = event.envelope();
            assert_eq!(stream.to_string(), "account/alice");
            assert_eq!((version, position), (envelope.version, envelope.position));
            assert_eq!((name.as_str(), schema), (event.name(), event.schema()));
            *source
        };
        let frozen =
            refused("can't read account/alice at version 4 (position 4): no event of the aggregate is");
        assert!(matches!(frozen, DecodeError::UnknownName { .. }), "{frozen}");
        let newer =
            refused("can't read account/alice at version 5 (position 5): version 4 of `deposited` is");
        assert!(matches!(newer, DecodeError::NewerVersion { version: 4, known: 1, .. }), "{newer}");
        let misfit =
            refused("can't read account/alice at version 6 (position 6): the payload of `deposited`");
        assert!(matches!(misfit, DecodeError::Payload { .. }), "{misfit}");
    }
}

#[test]
fn an_event_is_read_as_one_of_a_type() {
    for store in stores() {
        append(&store, "account", "alice", "deposited", r#"{"cents": 5}"#);
        append(&store, "account", "alice", "paid-in", r#"{"cents": 7}"#);
        append(&store, "account", "alice", "closed", "null");
        append(&store, "account", "alice", "account-frozen", "{}");
        append_at(&store, "account", "alice", "deposited", 2, r#"{"cents": 1}"#);
        append(&store, "account", "alice", "paid-in", "no JSON");
        append(&store, "transfers", "t", "transfer", r#"{"sum": 20}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        for expected in [Some(5), Some(7), None, None] {
            let event = next(&mut subscription);
            let deposited = event.decode_event::<Deposited>().unwrap();
            assert_eq!(deposited.map(|deposited| deposited.cents), expected);
            assert_eq!(event.decode_event::<Closed>().unwrap().is_some(), event.name() == "closed");
        }
        for message in [
            "can't read account/alice at version 5 (position 5): version 2 of `deposited` is newer than version 1",
            "can't read account/alice at version 6 (position 6): the payload of `deposited` version 1 does not fit",
        ] {
            let event = next(&mut subscription);
            assert_eq!(event.decode_event::<Opened>().unwrap(), None, "no error of another event");
            let error = event.decode_event::<Deposited>().unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
        // An old version, under an old name, of an event that the aggregate has retired.
        let transfer = next(&mut subscription).decode_event::<TransferMade>().unwrap();
        assert_eq!(transfer, Some(TransferMade { cents: 20 }));
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Taken {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
struct Given {
    cents: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(version = 2, aliases("transfer"))]
struct TransferMade {
    #[event(renamed(since = 2, from = "sum"))]
    cents: u64,
}

#[derive(Debug, Command)]
struct Take {
    #[command(id)]
    transfers: String,
    cents: u64,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(
    id = String,
    commands(Take),
    events(Taken, Given),
    retired(TransferMade, "old-noise"),
    event(derive(PartialEq)),
)]
struct Transfers;

#[handlers]
impl Transfers {
    #[execute]
    fn take(&self, command: Take) -> Taken {
        Taken { cents: command.cents }
    }

    #[apply]
    fn taken(&mut self, _: &Taken) {}

    #[apply]
    fn given(&mut self, _: &Given) {}

    #[upcast]
    fn split(event: TransferMade) -> Result<(Taken, Given), String> {
        let cents = event.cents;
        if cents == 0 { Err("nothing made".into()) } else { Ok((Taken { cents }, Given { cents })) }
    }
}

#[test]
fn a_retired_event_is_read_as_what_it_has_become() {
    for store in stores() {
        append(&store, "transfers", "t", "transfer", r#"{"sum": 20}"#);
        append(&store, "transfers", "t", "old-noise", "whatever it was");
        append_at(&store, "transfers", "t", "transfer-made", 2, r#"{"cents": 0}"#);
        append(&store, "transfers", "t", "taken", r#"{"cents": 1}"#);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let both = vec![Taken { cents: 20 }.into(), Given { cents: 20 }.into()];
        let decoded = |event: SubscribedEvent| event.decode::<TransfersEvent>();
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::Several(both));
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::Several(vec![]));
        let error = decoded(next(&mut subscription)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't read transfers/t at version 3 (position 3): `transfer-made` version 2 can't be read as version 2: \
             nothing made"
        );
        assert_eq!(decoded(next(&mut subscription)).unwrap(), Decoded::One(Taken { cents: 1 }.into()));
    }
}

/// A store that is watched, fails when told to, and is appended to by others at the worst moments.
struct Watched {
    store: Arc<dyn EventStore>,
    /// How many events reads have handed out.
    visited: AtomicUsize,
    /// After how many events the next read fails.
    read_fails: Mutex<Option<usize>>,
    fail_wait: AtomicBool,
    append_before_read: AtomicBool,
    append_after_read: AtomicBool,
    /// How often somebody began to wait.
    waits: AtomicUsize,
    /// What for, the last time.
    waited_for: Mutex<u64>,
    waiting: Condvar,
}

impl Watched {
    fn new(store: Arc<dyn EventStore>) -> Self {
        Self {
            store,
            visited: AtomicUsize::new(0),
            read_fails: Mutex::new(None),
            fail_wait: AtomicBool::new(false),
            append_before_read: AtomicBool::new(false),
            append_after_read: AtomicBool::new(false),
            waits: AtomicUsize::new(0),
            waited_for: Mutex::new(0),
            waiting: Condvar::new(),
        }
    }

    fn fail_read_after(&self, events: Option<usize>) {
        *self.read_fails.lock().unwrap() = events;
    }

    fn until_somebody_waits_beyond(&self, position: u64) {
        let waited = self.waited_for.lock().unwrap();
        let waited = self.waiting.wait_timeout_while(waited, LONG, |waited_for| *waited_for <= position);
        assert!(!waited.unwrap().1.timed_out(), "nobody waits");
    }

    fn append_if(&self, told: &AtomicBool) {
        if told.swap(false, Ordering::SeqCst) {
            append(&self.store, "account", "a", "deposited", "{}");
        }
    }
}

impl EventStore for Watched {
    fn append(&self, appends: &[Append<'_>]) -> Result<Appended, AppendError> {
        self.store.append(appends)
    }

    fn read_stream(
        &self,
        stream: &StreamId,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.store.read_stream(stream, after, limit, visit)
    }

    fn read_all(
        &self,
        filter: Filter<'_>,
        after: u64,
        limit: usize,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.append_if(&self.append_before_read);
        let fails = self.read_fails.lock().unwrap().take();
        self.store.read_all(filter, after, fails.unwrap_or(limit), &mut |event| {
            self.visited.fetch_add(1, Ordering::SeqCst);
            visit(event)
        })?;
        self.append_if(&self.append_after_read);
        if fails.is_some() { Err(StoreError::Busy) } else { Ok(()) }
    }

    fn stream_version(&self, stream: &StreamId) -> Result<u64, StoreError> {
        self.store.stream_version(stream)
    }

    fn position(&self) -> Result<u64, StoreError> {
        self.store.position()
    }

    fn wait_for(&self, position: u64, timeout: Duration) -> Result<u64, StoreError> {
        if self.fail_wait.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Busy);
        }
        *self.waited_for.lock().unwrap() = position;
        self.waits.fetch_add(1, Ordering::SeqCst);
        self.waiting.notify_all();
        self.store.wait_for(position, timeout)
    }

    fn outcome(&self, stream: &StreamId, key: &str) -> Result<Option<Outcome>, StoreError> {
        self.store.outcome(stream, key)
    }

    fn forget_keys(&self, time: Timestamp) -> Result<u64, StoreError> {
        self.store.forget_keys(time)
    }
}
