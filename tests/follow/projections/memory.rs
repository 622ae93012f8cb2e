//! Projections into memory.

use factum::prelude::*;

use super::{Card, IssueCard, Owners, Totals, caught_up};
use crate::support::account::{Account, deposit, id, open, withdraw};
use crate::support::chain::chain;
use crate::support::events::append_event;
use crate::support::stores::stores;

#[test]
fn a_view_in_memory_is_made_from_events_of_several_aggregates() {
    for store in stores() {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        cards.execute(IssueCard { card: 7, owner: "Alice".into() }).unwrap();
        let mut totals = MemoryProjection::new(&store, Totals::default());
        assert_eq!(caught_up(&totals.catch_up().unwrap()), (4, 4));
        assert_eq!(caught_up(&totals.catch_up().unwrap()), (0, 4));
        accounts.execute(deposit("alice", 6)).unwrap();
        accounts.execute(withdraw("alice", 1)).unwrap();
        assert_eq!(caught_up(&totals.catch_up().unwrap()), (2, 6));
        assert_eq!((totals.view().deposited, totals.position().get()), (11, 6));
        assert_eq!(totals.into_view().cards, [(7, "Alice".to_owned())]);
    }
}

#[test]
fn a_handler_that_fails_names_its_event_and_is_tried_again() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        accounts
            .execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 13), deposit("alice", 2)])
            .unwrap();
        let mut totals = MemoryProjection::new(&store, Totals { refuse: Some(13), ..Totals::default() });
        for _ in 0..2 {
            let error = totals.catch_up().unwrap_err();
            assert_eq!(
                chain(&error),
                "`totals` failed at position 3 (account/alice, version 3): 13 is refused"
            );
            assert_eq!((totals.view().deposited, totals.position().get()), (1, 2));
        }
    }
}

#[test]
fn a_view_in_memory_keeps_to_its_aggregates_and_knows_old_names() {
    for store in stores() {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        cards.execute(IssueCard { card: 7, owner: "Alice".into() }).unwrap();
        accounts.execute(open("alice")).unwrap();
        append_event(&store, Account::CATEGORY, "alice", "paid-in", 1, r#"{"cents": 5}"#);
        let mut owners = MemoryProjection::new(&store, Owners::default());
        owners.catch_up().unwrap();
        assert_eq!(owners.view(), &Owners { owners: vec!["alice".into()], cents: 5 });
    }
}
