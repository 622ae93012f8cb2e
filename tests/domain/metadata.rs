//! Metadata: what the store keeps with an event besides its payload.

use factum::prelude::*;
use factum::{ExecuteOptions, Uuid};
use serde_json::json;

use crate::support::account::{Account, deposit, id, open};
use crate::support::stores::stores;

#[test]
fn every_event_has_an_id_of_its_own_and_a_time() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let before = Timestamp::now();
        let first = accounts.execute(open("alice")).unwrap();
        let second = accounts.execute(deposit("alice", 1)).unwrap();
        let after = Timestamp::now();
        let (first, second) = (&first.events()[0], &second.events()[0]);
        assert_eq!((first.id.get_version_num(), second.id.get_version_num()), (7, 7));
        assert!(first.id < second.id, "UUIDs of version 7 are in order of time");
        assert!(before <= first.recorded_at && second.recorded_at <= after);
        let stored: Vec<_> = accounts.history(&id("alice")).unwrap().map(Result::unwrap).collect();
        assert_eq!([&stored[0], &stored[1]], [first, second], "what `execute` answers is what is stored");
    }
}

#[test]
fn metadata_of_the_writer_comes_back() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let options = ExecuteOptions::new().custom(&json!({ "user": "Zoë", "ip": [127, 0, 0, 1] })).unwrap();
        accounts.execute_with(open("alice"), &options).unwrap();
        accounts.execute(deposit("alice", 1)).unwrap();
        let stored: Vec<_> = accounts.history(&id("alice")).unwrap().map(Result::unwrap).collect();
        let user = stored[0].metadata.custom::<serde_json::Value>().unwrap().unwrap()["user"].clone();
        assert_eq!(user, "Zoë");
        assert!(stored[0].metadata.custom::<u8>().is_err());
        assert_eq!(stored[1].metadata, factum::Metadata::default());
    }
}

#[test]
fn correlation_and_causation_flow_from_the_event_reacted_to() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        // The first event of a chain. Events that it causes carry its id.
        let first = accounts.execute(open("alice")).unwrap();
        let first = &first.events()[0];
        assert_eq!((first.metadata.correlation, first.metadata.causation), (None, None));

        let reaction = ExecuteOptions::new().caused_by(first);
        let second = accounts.execute_with(open("bob"), &reaction).unwrap();
        let second = &second.events()[0];
        assert_eq!(second.metadata.causation, Some(first.id));
        assert_eq!(second.metadata.correlation, Some(first.id));

        let reaction = ExecuteOptions::new().caused_by(second);
        let third = accounts.execute_with(deposit("bob", 1), &reaction).unwrap();
        let third = &third.events()[0];
        assert_eq!(third.metadata.causation, Some(second.id));
        assert_eq!(third.metadata.correlation, Some(first.id), "one chain, one correlation");

        // A chain that began outside of the store.
        let request = Uuid::now_v7();
        let outside = ExecuteOptions::new().correlation(request).causation(request);
        let event = accounts.execute_with(open("carol"), &outside).unwrap();
        let reaction = ExecuteOptions::new().caused_by(&event.events()[0]);
        let next = accounts.execute_with(deposit("carol", 1), &reaction).unwrap();
        assert_eq!(next.events()[0].metadata.correlation, Some(request));
    }
}

#[test]
fn custom_metadata_are_carried_along_causes_if_asked() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let alice = ExecuteOptions::new().custom("alice").unwrap();
        let first = accounts.execute_with(open("a"), &alice).unwrap();
        let first = &first.events()[0];
        let custom = |options: &ExecuteOptions<'_>, name: &str| {
            let done = accounts.execute_with(open(name), options).unwrap();
            assert_eq!(done.events()[0].metadata.causation, Some(first.id));
            done.events()[0].metadata.custom::<String>().unwrap()
        };
        let caused = || ExecuteOptions::new().caused_by(first);
        assert_eq!(custom(&caused(), "b"), None);
        assert_eq!(custom(&caused().carrying_custom(), "c").as_deref(), Some("alice"));
        assert_eq!(
            custom(&ExecuteOptions::new().carrying_custom().caused_by(first), "d").as_deref(),
            Some("alice")
        );
        let own = caused().carrying_custom().custom("bob").unwrap();
        assert_eq!(custom(&own, "e").as_deref(), Some("bob"));
        // With retries, in a batch, and from event to event.
        let retried = accounts.execute_with(open("f"), &caused().carrying_custom().retry(3)).unwrap();
        let retried = &retried.events()[0];
        assert_eq!(retried.metadata.custom_json(), Some(r#""alice""#));
        let next = ExecuteOptions::new().caused_by(retried).carrying_custom();
        let batch = [(open("g"), next), (open("g"), ExecuteOptions::new())];
        let done = accounts.execute_batch_with(&id("g"), batch).unwrap();
        assert_eq!(done.events()[0].metadata.custom_json(), Some(r#""alice""#));
        // A cause without custom metadata has none to carry.
        let plain = accounts.execute(open("h")).unwrap();
        let none = ExecuteOptions::new().caused_by(&plain.events()[0]).carrying_custom();
        let done = accounts.execute_with(open("i"), &none).unwrap();
        assert_eq!(done.events()[0].metadata.custom_json(), None);
    }
}
