//! Subscriptions that wait, are stopped, or fail.

use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use factum::Position;
use factum::follow::Stopper;
use factum::prelude::*;
use factum::store::StoreError;

use super::{Watched, append, append_many, next};
use crate::support::stores::{LONG, stores};

#[test]
fn a_wait_has_an_end() {
    for store in stores() {
        let watched = Arc::new(Watched::new(store.clone()));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        assert!(subscription.try_next().is_none());
        assert!(subscription.next_within(Duration::from_millis(1)).is_none());
        // Longer than one wait of the store.
        let before = watched.waits.load(Ordering::SeqCst);
        assert!(subscription.next_within(Duration::from_millis(120)).is_none());
        let waits = watched.waits.load(Ordering::SeqCst) - before;
        assert!(waits <= 5, "the subscription polls the store: {waits} waits");
        assert!(!subscription.stopper().is_stopped(), "only the time-out ended the wait");
        append(&store, "account", "a", "opened", "{}");
        let event = subscription.next_within(Duration::MAX).unwrap().unwrap();
        assert_eq!(event.envelope().position, Position::new(1));
    }
}

#[test]
fn a_stop_wakes_a_waiting_subscription() {
    fn is_shared<T: Clone + Send + Sync>() {}
    is_shared::<Stopper>();

    for store in stores() {
        append_many(&store, "account", "deposited", 1);
        let store = Arc::new(Watched::new(store));
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        let stopper = subscription.stopper();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            assert_eq!(next(&mut subscription).envelope().position, Position::new(1));
            sender.send(subscription.next().is_none()).unwrap();
            sender.send(subscription.next().is_none()).unwrap();
            sender.send(subscription.seen() == Position::new(1)).unwrap();
        });
        store.until_a_wait_beyond(1);
        stopper.clone().stop();
        for _ in 0..3 {
            assert_eq!(receiver.recv_timeout(LONG), Ok(true));
        }
    }
}

#[test]
fn a_stopped_subscription_returns_no_more_events() {
    for store in stores() {
        append_many(&store, "account", "deposited", 5);
        let mut subscription = store.subscribe(SubscriptionOptions::new());
        assert_eq!(next(&mut subscription).envelope().position, Position::new(1));
        subscription.stopper().stop();
        assert!(subscription.stopper().is_stopped());
        for _ in 0..2 {
            assert!(subscription.next().is_none());
            assert!(subscription.try_next().is_none());
            assert!(subscription.next_within(LONG).is_none());
        }
        assert_eq!(
            subscription.seen(),
            Position::new(1),
            "so that another subscription starts with the buffered events"
        );
    }
}

#[test]
fn an_append_beside_a_read_is_not_lost() {
    for store in stores() {
        append_many(&store, "account", "opened", 3);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new().names(["deposited"]));
        // Appended after the store returned its position and was read. The position is too old to count
        // these.
        watched.append_after_read.store(true, Ordering::SeqCst);
        assert!(subscription.next_within(Duration::ZERO).is_none());
        assert_eq!((subscription.seen().get(), watched.position().unwrap().get()), (3, 4));
        assert_eq!(next(&mut subscription).envelope().position, Position::new(4));

        // Appended after the position was asked for and before the read: read at once, and only once.
        append_many(&watched, "account", "opened", 1);
        watched.append_before_read.store(true, Ordering::SeqCst);
        assert_eq!(next(&mut subscription).envelope().position, Position::new(6));
        assert_eq!((subscription.seen().get(), watched.position().unwrap().get()), (6, 6));
        assert!(subscription.try_next().is_none());
    }
}

#[test]
fn an_error_is_returned_and_the_read_repeated() {
    for store in stores() {
        append_many(&store, "account", "deposited", 5);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        // A failure in the middle of a read.
        watched.fail_read_after(Some(2));
        for position in [1, 2] {
            assert_eq!(next(&mut subscription).envelope().position, Position::new(position));
        }
        assert_eq!(subscription.seen(), Position::new(2));
        let error = subscription.next_within(LONG).unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Busy), "{error}");
        assert_eq!(subscription.seen(), Position::new(2));
        assert_eq!(next(&mut subscription).envelope().position, Position::new(3));
        for position in [4, 5] {
            assert_eq!(next(&mut subscription).envelope().position, Position::new(position));
        }
        // A failure at the beginning of a read, and one during a wait, with each way to ask.
        append_many(&watched, "account", "deposited", 1);
        watched.fail_read_after(Some(0));
        assert!(subscription.try_next().unwrap().is_err());
        watched.fail_wait.store(true, Ordering::SeqCst);
        assert!(subscription.next_within(LONG).unwrap().is_err());
        assert_eq!(subscription.seen(), Position::new(5));
        assert_eq!(next(&mut subscription).envelope().position, Position::new(6));
        assert!(subscription.try_next().is_none());
        assert_eq!(subscription.seen(), Position::new(6));
    }
}

#[test]
fn an_error_does_not_prevent_a_stop() {
    for store in stores() {
        append_many(&store, "account", "deposited", 2);
        let watched = Arc::new(Watched::new(store));
        let mut subscription = watched.subscribe(SubscriptionOptions::new());
        watched.fail_read_after(Some(1));
        next(&mut subscription);
        subscription.stopper().stop();
        assert!(subscription.next().is_none(), "not even the pending error");
    }
}
