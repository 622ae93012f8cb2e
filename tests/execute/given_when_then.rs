//! Given / when / then: what passes, and the messages of failures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::testing::given;

use crate::support::account::{
    Account, AccountEvent, Close, Closed, Deposited, Opened, Refused, Withdrawn, deposit, id, open, withdraw,
};

fn opened() -> Opened {
    Opened { owner: "alice".into() }
}

/// The message of a test that fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the test should fail");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn expectations_that_are_met_pass() {
    given::<Account>(()).when(open("alice")).then(opened());
    given::<Account>(opened()).when(open("alice")).then_nothing();
    given::<Account>(opened())
        .and([Deposited { cents: 5 }, Deposited { cents: 6 }])
        .then_state(&Account { owner: Some("alice".into()), cents: 11 })
        .when(Close(id("alice")))
        .then((Withdrawn { cents: 11 }, Closed))
        .then_state(&Account::default());
    given::<Account>(vec![AccountEvent::from(opened())])
        .when(withdraw("alice", 1))
        .then_error(&Refused::Overdrawn { missing: 1 })
        .then_error_is(|error| matches!(error, Refused::Overdrawn { .. }))
        .then_state(&Account { owner: Some("alice".into()), cents: 0 });
}

#[test]
fn other_events_are_shown_line_by_line() {
    let message = failure(|| {
        let _ = given::<Account>((opened(), Deposited { cents: 11 }))
            .when(Close(id("alice")))
            .then((Withdrawn { cents: 10 }, Closed));
    });
    assert_eq!(
        message,
        "\
the events are not the ones expected (after 2 events):
  (- expected, + found)
    withdrawn v1 {
  -   \"cents\": 10
  +   \"cents\": 11
    }
    closed v1 null
"
    );
}

#[test]
fn an_unexpected_refusal_is_shown() {
    let message = failure(|| {
        let _ = given::<Account>(()).when(deposit("alice", 5)).then(Deposited { cents: 5 });
    });
    assert_eq!(
        message,
        "\
the command was refused (nothing had happened before):
  NotOpen
expected the events
deposited v1 {
  \"cents\": 5
}
"
    );
}

#[test]
fn a_missing_refusal_is_shown() {
    let message = failure(|| {
        let _ = given::<Account>(opened()).when(deposit("alice", 5)).then_error(&Refused::NotOpen);
    });
    assert_eq!(
        message,
        "\
the command was not refused (after 1 event): expected NotOpen, found the events
deposited v1 {
  \"cents\": 5
}
"
    );
    let message = failure(|| {
        let _ = given::<Account>(opened()).when(open("alice")).then_error_is(|_| true);
    });
    assert!(message.ends_with("expected a refusal, found the events\n  none\n"), "{message}");
}

#[test]
fn other_errors_and_states_are_shown_line_by_line() {
    let message = failure(|| {
        let _ = given::<Account>(opened())
            .when(withdraw("alice", 2))
            .then_error(&Refused::Overdrawn { missing: 1 });
    });
    assert_eq!(
        message,
        "\
the command was refused with another error than expected (after 1 event):
  (- expected, + found)
    Overdrawn {
  -     missing: 1,
  +     missing: 2,
    }
"
    );
    let message = failure(|| {
        let _ = given::<Account>(opened())
            .when(deposit("alice", 2))
            .then_state(&Account { owner: Some("alice".into()), cents: 1 });
    });
    assert!(message.contains("  -     cents: 1,\n  +     cents: 2,\n"), "{message}");
    failure(|| {
        let _ = given::<Account>(opened()).then_state(&Account::default());
    });
    failure(|| {
        let _ = given::<Account>(opened()).when(open("alice")).then(opened());
    });
    failure(|| {
        let _ = given::<Account>(opened()).when(deposit("alice", 2)).then_nothing();
    });
    failure(|| {
        let _ = given::<Account>(opened()).when(withdraw("alice", 2)).then_error_is(|_| false);
    });
}
