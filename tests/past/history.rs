//! The history of an aggregate: its events, in order.

use factum::LoadError;
use factum::prelude::*;

use crate::support::account::{Account, AccountEvent, Deposited, deposit, id, open};
use crate::support::stores::stores;

#[test]
fn a_history_longer_than_any_page_comes_whole_and_in_order() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts.execute(open("bob")).unwrap();
        accounts.execute_batch(&id("alice"), (1..=1000).map(|cents| deposit("alice", cents))).unwrap();
        let history = accounts.history(&id("alice")).unwrap();
        let mut count = 0;
        for (event, version) in history.zip(1..) {
            let event = event.unwrap();
            assert_eq!((event.version, event.stream.key()), (version, "alice"));
            if let AccountEvent::Deposited(Deposited { cents }) = event.event {
                assert_eq!(cents.unsigned_abs(), version - 1);
            }
            count += 1;
        }
        assert_eq!(count, 1001);
        assert!(matches!(accounts.history(&id("carol")).unwrap_err(), LoadError::NotFound { .. }));
    }
}

#[test]
fn a_history_is_read_as_it_is_asked_for() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let mut history = accounts.history(&id("alice")).unwrap();
        // Appended after the call to `history`, before the events are read.
        accounts.execute(deposit("alice", 1)).unwrap();
        assert_eq!(history.by_ref().map(|event| event.unwrap().version).collect::<Vec<_>>(), [1, 2]);
        assert!(history.next().is_none());
    }
}
