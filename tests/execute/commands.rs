//! `Repository::execute`: commands in, events out.

use factum::Position;
use factum::prelude::*;

use crate::support::account::{
    Account, AccountCommand, AccountEvent, Close, Closed, Deposited, Opened, Refused, Withdrawn, deposit, id,
    open, withdraw,
};
use crate::support::chain::chain;
use crate::support::stores::stores;

#[test]
fn a_command_answers_with_state_version_and_events() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let opened = accounts.execute(open("alice")).unwrap();
        assert_eq!((opened.version(), opened.is_unchanged()), (1, false));
        let done = accounts.execute(deposit("alice", 50)).unwrap();
        assert_eq!(done.state(), &Account { owner: Some("alice".into()), cents: 50 });
        assert_eq!(done.version(), 2);
        let [event] = done.events() else { panic!("one event: {:?}", done.events()) };
        assert_eq!(event.event, AccountEvent::Deposited(Deposited { cents: 50 }));
        assert_eq!(
            (event.version, event.position.get(), event.stream.to_string()),
            (2, 2, "account/alice".into())
        );
        assert_eq!(done.into_state(), accounts.load(&id("alice")).unwrap().into_state());
    }
}

#[test]
fn a_command_that_decides_nothing_happened_stores_nothing_and_says_so() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let again = accounts.execute(open("alice")).unwrap();
        assert!(again.is_unchanged() && again.events().is_empty());
        assert_eq!((again.version(), store.position().unwrap().get()), (1, 1));
    }
}

#[test]
fn a_refusal_is_the_domains_own_error_and_stores_nothing() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let error = accounts.execute(deposit("alice", 1)).unwrap_err();
        assert_eq!(error.refusal(), Some(&Refused::NotOpen));
        assert_eq!(error.to_string(), "not open");
        accounts.execute(open("alice")).unwrap();
        let error = accounts.execute(withdraw("alice", 3)).unwrap_err();
        assert!(matches!(error, ExecuteError::Refused(Refused::Overdrawn { missing: 3 })), "{error:?}");
        assert_eq!(store.position().unwrap(), Position::new(1));
    }
}

#[test]
fn one_command_may_lead_to_several_events() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        for amount in [5, 6] {
            accounts.execute(open("alice")).unwrap();
            accounts.execute(deposit("alice", amount)).unwrap();
            let closed = accounts.execute(Close(id("alice"))).unwrap();
            let events: Vec<_> = closed.events().iter().map(|recorded| recorded.event.clone()).collect();
            assert_eq!(events, [Withdrawn { cents: amount }.into(), AccountEvent::from(Closed)]);
        }
        assert_eq!(accounts.load(&id("alice")).unwrap().version(), 8);
    }
}

#[test]
fn a_whole_command_can_arrive_as_json() {
    let accounts = stores()[0].repository::<Account>();
    for json in [
        r#"{"Open": {"account": "alice", "owner": "Alice"}}"#,
        r#"{"Deposit": {"account": "alice", "cents": 7}}"#,
    ] {
        let command: AccountCommand = serde_json::from_str(json).unwrap();
        accounts.execute(command).unwrap();
    }
    assert_eq!(accounts.load(&id("alice")).unwrap().state().cents, 7);
    assert!(serde_json::from_str::<AccountCommand>(r#"{"Steal": {}}"#).is_err());
}

#[test]
fn variants_come_from_structs_and_go_back() {
    let event = AccountEvent::from(Opened { owner: "Alice".into() });
    assert_eq!(Opened::try_from(event.clone()), Ok(Opened { owner: "Alice".into() }));
    assert_eq!(Closed::try_from(event.clone()), Err(event));
    let command = AccountCommand::from(deposit("alice", 3));
    assert_eq!(command.aggregate_id(), &id("alice"));
}

#[test]
fn a_batch_is_decided_step_by_step_and_stored_at_once() {
    for store in stores() {
        let accounts = store.repository::<Account>();
        let batch: Vec<AccountCommand> =
            vec![open("alice").into(), deposit("alice", 9).into(), withdraw("alice", 4).into()];
        let done = accounts.execute_batch(&id("alice"), batch).unwrap();
        assert_eq!((done.state().cents, done.version(), done.events().len()), (5, 3, 3));
        assert_eq!(done.events().iter().map(|event| event.position.get()).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(accounts.load(&id("alice")).unwrap().state(), done.state());

        // The second is refused because of what the first would have left. Nothing is stored, and the error
        // names the second.
        let error =
            accounts.execute_batch(&id("alice"), [withdraw("alice", 3), withdraw("alice", 3)]).unwrap_err();
        assert_eq!(
            (error.index, error.source.refusal()),
            (Some(1), Some(&Refused::Overdrawn { missing: 1 }))
        );
        assert_eq!(store.position().unwrap(), Position::new(3));

        let error = accounts.execute_batch(&id("alice"), [deposit("bob", 3)]).unwrap_err();
        assert!(matches!(error.source, ExecuteError::OtherAggregate { .. }), "{error}");

        assert_eq!(
            chain(&error),
            "command 0 of the batch failed: a batch for account/alice has a command for account/bob"
        );

        let nothing = accounts.execute_batch(&id("alice"), Vec::<AccountCommand>::new()).unwrap();
        assert_eq!((nothing.is_unchanged(), nothing.version(), nothing.state().cents), (true, 3, 5));
    }
}
