//! Aggregates as they were at a version or a time, and whether they exist.

use factum::prelude::*;
use factum::{ExecuteOptions, LoadError};

use crate::support::account::{Account, deposit, id, open};
use crate::support::stores::stores;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

#[test]
fn an_aggregate_is_loaded_as_it_was_at_a_version_or_a_time() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute_with(open("alice"), &ExecuteOptions::new().recorded_at(at(10))).unwrap();
        let deposits = [(1, 20), (2, 30), (4, 30), (8, 40)]
            .map(|(cents, time)| (deposit("alice", cents), ExecuteOptions::new().recorded_at(at(time))));
        accounts.execute_batch_with(&id("alice"), deposits).unwrap();
        let alice = id("alice");
        let cents_at_version = |version: u64| accounts.load_at(&alice, version).unwrap().state().cents;
        assert_eq!([1, 2, 3, 4, 5].map(cents_at_version), [0, 1, 3, 7, 15]);
        let cents_at_time = |time| accounts.load_at(&alice, at(time)).unwrap().state().cents;
        assert_eq!([10, 19, 20, 29, 30, 39, 40, 99].map(cents_at_time), [0, 0, 1, 1, 7, 7, 15, 15]);
        assert_eq!(accounts.load_at(&alice, 2).unwrap().version(), 2);

        let error = accounts.load_at(&alice, 6).unwrap_err();
        assert!(matches!(error, LoadError::NotYet { asked: 6, actual: 5, .. }), "{error}");
        for error in [accounts.load_at(&alice, at(9)).unwrap_err(), accounts.load_at(&alice, 0).unwrap_err()]
        {
            assert!(matches!(error, LoadError::Before { .. }), "{error}");
        }
        for error in [
            accounts.load(&id("bob")).unwrap_err(),
            accounts.load_at(&id("bob"), 1).unwrap_err(),
            accounts.load_at(&id("bob"), at(99)).unwrap_err(),
        ] {
            assert!(matches!(error, LoadError::NotFound { .. }), "{error}");
        }
        assert_eq!(accounts.load(&id("bob")).unwrap_err().to_string(), "account/bob does not exist");
    }
}

/// Times before 1970 are times as any other.
#[test]
fn events_of_before_1970_are_found_by_their_time() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let alice = id("alice");
        let once =
            |seconds| ExecuteOptions::new().recorded_at(at(seconds)).idempotency_key(seconds.to_string());
        accounts.execute_with(open("alice"), &once(-62_135_596_800)).unwrap();
        accounts.execute_with(deposit("alice", 1), &once(-20)).unwrap();
        accounts.execute_with(deposit("alice", 2), &once(-10)).unwrap();
        accounts.execute_with(deposit("alice", 4), &once(10)).unwrap();
        for accounts in [&accounts, &store.repository::<Account>()] {
            let cents_at = |time| accounts.load_at(&alice, at(time)).unwrap().state().cents;
            assert_eq!([-21, -20, -11, -10, 0, 9, 10].map(cents_at), [0, 1, 1, 3, 3, 3, 7]);
            let error = accounts.load_at(&alice, at(-62_135_596_801)).unwrap_err();
            assert_eq!(error.to_string(), "account/alice did not exist yet at 0000-12-31T23:59:59.000000Z");
            let error = accounts.load_at(&alice, Timestamp::from_micros(i64::MIN)).unwrap_err();
            assert!(matches!(error, LoadError::Before { .. }), "{error}");
        }
        let times: Vec<_> =
            accounts.history(&alice).unwrap().map(|event| event.unwrap().recorded_at).collect();
        assert_eq!(times, [-62_135_596_800, -20, -10, 10].map(at));
        assert_eq!(times[1].to_string(), "1969-12-31T23:59:40.000000Z");
        assert!(accounts.execute_with(deposit("alice", 2), &once(-10)).unwrap().is_repeated());
        assert_eq!(store.forget_keys_before(at(-1)).unwrap(), 0, "keys have the time of the command");
    }
}

#[test]
fn an_aggregate_exists_once_something_has_happened_to_it() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        assert!(!accounts.exists(&id("alice")).unwrap());
        accounts.execute(deposit("alice", 1)).unwrap_err();
        assert!(!accounts.exists(&id("alice")).unwrap());
        accounts.execute(open("alice")).unwrap();
        assert!(accounts.exists(&id("alice")).unwrap());
        assert!(!accounts.exists(&id("alic")).unwrap() && !accounts.exists(&id("alice/")).unwrap());
    }
}
