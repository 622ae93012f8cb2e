//! The events that a subscription returns, and the position that it has seen.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;

use factum::prelude::*;
use factum::store::StoreError;
use factum::{EventKind, Position, Uuid};

use super::{Watched, append, append_many, drain, next};
use crate::support::account::{Account, Deposited, Opened, id, open};
use crate::support::stores::{LONG, stores};

#[test]
fn stored_events_come_first_and_then_appended_ones() {
    for store in stores() {
        append_many(&store, "account", "deposited", 600);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let stopper = subscription.stopper();
        let (sender, receiver) = mpsc::channel();
        let follower = thread::spawn(move || {
            for event in &mut subscription {
                sender.send(event.unwrap().envelope().position.get()).unwrap();
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
        assert_eq!(follower.join().unwrap(), Position::new(620));
    }
}

#[test]
fn appends_of_other_stores_on_the_file_come_too() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    // A second store on the file, which knows as little of the first as another process.
    let other = SqliteStore::open(&file).unwrap();
    let mut subscription = store.subscribe(SubscriptionOptions::new());
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..20 {
                sender.send(next(&mut subscription).envelope().position.get()).unwrap();
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
        assert_eq!((envelope.position.get(), envelope.version), (1, 1));
        assert_eq!((envelope.id, envelope.recorded_at), (recorded.id, recorded.recorded_at));
        assert_eq!(envelope.metadata(), recorded.metadata);
        assert_eq!(
            (event.name(), event.event_version(), event.payload()),
            ("opened", 1, r#"{"owner":"alice"}"#)
        );
        // The event owns its data, and outlives the subscription and the store.
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
            (options().categories([Account::CATEGORY]), vec![1, 2, 5]),
            (options().categories(["account", "card"]), vec![1, 2, 3, 4, 5]),
            (options().names(["opened"]).categories(["card"]), vec![3]),
            (options().names(["opened"]).categories(["card"]).after(Position::new(3)), vec![]),
            (options().names(["unheard-of"]), vec![]),
            (options().names([""; 0]), vec![1, 2, 3, 4, 5]),
        ] {
            for buffer in [1, 2, 256] {
                let options = options.clone().buffer(buffer);
                let mut subscription = store.subscribe(options.clone());
                assert_eq!(drain(&mut subscription), expected, "{options:?}");
                assert_eq!(subscription.seen(), Position::new(5), "{options:?}");
            }
        }
    }
}

#[test]
fn a_subscription_resumes_where_another_ended() {
    for store in stores() {
        append_many(&store, "account", "deposited", 10);
        let mut position = Position::START;
        let mut seen = Vec::new();
        // Each subscription reads ahead of what it returns.
        for _ in 0..4 {
            let mut subscription = store.subscribe(SubscriptionOptions::new().after(position).buffer(5));
            for _ in 0..3 {
                seen.extend(subscription.try_next().map(|event| event.unwrap().envelope().position));
            }
            position = subscription.seen();
            assert_eq!(Some(&position), seen.last());
        }
        assert_eq!(seen, (1..=10).map(Position::new).collect::<Vec<_>>());
    }
}

#[test]
fn filtered_events_count_as_seen() {
    for store in stores() {
        let options = SubscriptionOptions::new().names(["deposited"]);
        let mut subscription = store.subscribe(options.clone());
        assert_eq!((drain(&mut subscription), subscription.seen().get()), (vec![], 0));
        append_many(&store, "account", "opened", 5);
        assert_eq!((drain(&mut subscription), subscription.seen().get()), (vec![], 5));
        append_many(&store, "account", "deposited", 2);
        append_many(&store, "account", "opened", 3);
        assert_eq!(next(&mut subscription).envelope().position, Position::new(6));
        assert_eq!(subscription.seen(), Position::new(6), "there is one more in the buffer");
        assert_eq!(next(&mut subscription).envelope().position, Position::new(7));
        assert_eq!(subscription.seen(), Position::new(10));
        let mut resumed = store.subscribe(options.after(subscription.seen()));
        assert_eq!((drain(&mut resumed), resumed.seen().get()), (vec![], 10));
        append_many(&store, "account", "deposited", 1);
        assert_eq!((drain(&mut resumed), drain(&mut subscription)), (vec![11], vec![11]));
    }
}

#[test]
fn no_position_after_the_end_is_too_large() {
    for store in stores() {
        append(&store, "account", "a", "opened", "{}");
        for after in [2, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
            let mut subscription =
                store.subscribe(SubscriptionOptions::new().after(Position::new(after)).buffer(usize::MAX));
            let result = subscription.try_next();
            assert!(matches!(result, Some(Err(StoreError::PastTheEnd { .. }))), "{result:?}");
            assert_eq!(subscription.seen(), Position::new(after));
        }
    }
}

#[test]
fn a_read_takes_no_more_than_the_buffer_holds() {
    for store in stores() {
        append_many(&store, "account", "deposited", 700);
        for (buffer, held) in [(0, 1), (1, 1), (7, 7), (300, 300)] {
            let watched = Arc::new(Watched::new(store.clone()));
            let mut subscription = watched.subscribe(SubscriptionOptions::new().buffer(buffer));
            assert_eq!(watched.visited.load(Ordering::SeqCst), 0, "nothing before it is asked for");
            for taken in 1..=700 {
                assert_eq!(next(&mut subscription).envelope().position, Position::new(taken));
                let ahead = watched.visited.load(Ordering::SeqCst) - usize::try_from(taken).unwrap();
                assert!(ahead < held, "{ahead} read ahead of {taken}");
            }
            assert!(subscription.try_next().is_none());
            assert_eq!(watched.visited.load(Ordering::SeqCst), 700, "each is read once");
        }
    }
}

#[test]
fn a_read_takes_no_more_bytes_than_the_buffer_holds() {
    let payload = format!("\"{}\"", "x".repeat(100_000));
    for store in stores() {
        for _ in 0..12 {
            append(&store, "account", "a", "deposited", &payload);
        }
        for (bytes, held) in [(0, 1), (1, 1), (250_000, 3), (usize::MAX, 12)] {
            let watched = Arc::new(Watched::new(store.clone()));
            let mut subscription = watched.subscribe(SubscriptionOptions::new().buffer_bytes(bytes));
            for taken in 1..=12 {
                assert_eq!(next(&mut subscription).envelope().position, Position::new(taken));
                let ahead = watched.visited.load(Ordering::SeqCst) - usize::try_from(taken).unwrap();
                assert!(ahead < held, "{ahead} read ahead of {taken}");
            }
            assert!(subscription.try_next().is_none());
            assert_eq!(watched.visited.load(Ordering::SeqCst), 12, "each is read once");
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
                    assert_eq!((envelope.position.get(), all.seen().get()), (position, position));
                    let version = &mut versions[envelope.category.parse::<usize>().unwrap()];
                    *version += 1;
                    assert_eq!(envelope.version, *version);
                }
            });
            // Events outside of the filter, appended at the same time.
            scope.spawn(|| {
                let mut last = Position::START;
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
            assert_eq!(subscription.seen(), Position::new(EACH * WRITERS as u64));
        }
    }
}
