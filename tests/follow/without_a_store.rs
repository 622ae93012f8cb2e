//! `project` and `react`: tests of followers without a store, and the messages of failures.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum::follow::{FollowError, ProjectionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::testing::{given, of, project, react};
use factum::{InvalidId, Metadata};

use crate::support::account::{Account, AccountId, Closed, Deposited, Opened, Withdrawn, deposit, id};

fn opened() -> Opened {
    Opened { owner: "alice".into() }
}

/// The message of a test that fails.
fn failure(test: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(test)).expect_err("the test should fail");
    panic.downcast_ref::<String>().expect("a message").clone()
}

#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Opened, Deposited), from(Account))]
struct Summary {
    accounts: Vec<(AccountId, u64)>,
    cents: i64,
    notes: Vec<(Timestamp, Option<String>)>,
}

#[handlers]
impl Summary {
    #[project]
    fn opened(&mut self, _: &Opened, id: &AccountId, envelope: &Envelope<'_>) {
        self.accounts.push((id.clone(), envelope.version));
        self.notes.push((envelope.recorded_at, envelope.custom.map(str::to_owned)));
    }

    #[project]
    fn deposited(&mut self, event: &Deposited) -> Result<(), String> {
        if event.cents < 0 {
            return Err("a negative deposit".into());
        }
        self.cents += event.cents;
        Ok(())
    }
}

#[test]
fn a_view_gets_events_alone_and_those_of_aggregates() {
    project(Summary::default(), ()).then_view(&Summary::default());
    let events = (opened(), [Deposited { cents: 5 }, Deposited { cents: 6 }], Some(Deposited { cents: 7 }));
    project(Summary::default(), events)
        .then(|view| view.cents, 18)
        .then(|view| view.accounts.clone(), vec![(id("1"), 1)]);

    let mut metadata = Metadata::default();
    metadata.set_custom("by post").unwrap();
    let at = Timestamp::from_micros(5);
    // An event that the view does not list, as others of an account, is passed over.
    let alice =
        of::<Account>(id("alice"), (Withdrawn { cents: 1 }, opened(), Deposited { cents: 2 }, Closed));
    let bob = of::<Account>(id("bob"), opened());
    let view = project(Summary::default(), (alice.recorded_at(at).metadata(metadata), bob.recorded_at(at)));
    let expected = Summary {
        accounts: vec![(id("alice"), 2), (id("bob"), 1)],
        cents: 2,
        notes: vec![(at, Some("\"by post\"".to_owned())), (at, None)],
    };
    let _ = view.then_view(&expected);
}

#[test]
fn the_events_of_a_command_are_those_of_a_view() {
    let decided = given::<Account>(opened()).when(deposit("alice", 5));
    project(Summary::default(), of::<Account>(id("alice"), decided.events())).then(|view| view.cents, 5);
    let message = failure(|| drop(given::<Account>(()).when(deposit("alice", 5)).events()));
    assert_eq!(
        message,
        "the command was refused (nothing had happened before):\n  NotOpen\nexpected its events"
    );
}

#[test]
fn an_other_view_is_shown_line_by_line() {
    let message = failure(|| {
        let _ = project(Summary::default(), Deposited { cents: 5 })
            .then_view(&Summary { cents: 4, ..Summary::default() });
    });
    assert_eq!(
        message,
        "\
the view is not the one expected after 1 event(s):
  (- expected, + found)
    Summary {
        accounts: [],
  -     cents: 4,
  +     cents: 5,
        notes: [],
    }
"
    );
    let message = failure(|| {
        let _ = project(Summary::default(), Deposited { cents: 5 }).then(|view| view.cents, 4);
    });
    assert_eq!(
        message,
        "the view does not answer as expected after 1 event(s):\n  (- expected, + found)\n  - 4\n  + 5\n"
    );
}

#[test]
fn a_handler_that_fails_is_an_expectation_or_a_message() {
    let negative = || project(Summary::default(), (opened(), Deposited { cents: -1 }));
    let _ = negative().then_error_is(|error| {
        matches!(error, ProjectionError::Follow(FollowError::Handler { source, .. }) if source.to_string() == "a negative deposit")
    });
    assert_eq!(
        failure(|| drop(negative().then_view(&Summary::default()))),
        "the view has failed after 2 event(s):\n  `summary` failed at position 2 (account/1, version 2): a negative deposit"
    );
    assert_eq!(
        failure(|| drop(project(Summary::default(), opened()).then_error_is(|_| true))),
        "no handler of `summary` failed after 1 event(s)"
    );
    assert!(failure(|| drop(negative().then_error_is(|_| false))).starts_with("another error than expected"));
}

#[derive(Projection)]
#[projection(
    name = "tested-owners",
    events(Opened),
    from("account"),
    into = Sqlite,
    init = "CREATE TABLE owners (number INTEGER PRIMARY KEY, owner TEXT NOT NULL)",
)]
struct Owners;

#[handlers]
impl Owners {
    #[project]
    fn opened(&self, event: &Opened, id: u32, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO owners VALUES (?1, ?2)", (id, &event.owner)).map(drop)
    }
}

#[test]
fn a_view_in_sqlite_is_compared_by_its_rows() {
    let bob = of::<Account>(id("2"), Opened { owner: "bob".into() });
    let owners = project(Owners, (opened(), bob)).then_rows(
        "SELECT number, owner FROM owners ORDER BY number",
        &[(1, "alice".to_owned()), (2, "bob".to_owned())],
    );
    let count: i64 = owners.query(|view| view.query_row("SELECT count(*) FROM owners", (), |row| row.get(0)));
    assert_eq!(count, 2);
    let message = failure(|| drop(owners.then_rows("SELECT number FROM owners", &[(1,), (3,)])));
    assert_eq!(
        message,
        "\
the rows are not the ones expected after 2 event(s):
  (- expected, + found)
    [
        (
            1,
        ),
        (
  -         3,
  +         2,
        ),
    ]
"
    );
    assert!(
        failure(|| drop(project(Owners, ()).then_rows("SELECT nothing FROM owners", &[(1,)])))
            .starts_with("the query has failed after 0 event(s):\n  ")
    );
    let _ = project(Owners, of::<Account>(id("three"), opened())).then_error_is(|error| {
        matches!(error, ProjectionError::Follow(FollowError::Handler { source, .. }) if source.is::<InvalidId>())
    });
}

#[derive(Debug, Default, Reaction)]
#[reaction(events(Opened, Closed), from(Account))]
struct Letters {
    sent: Vec<(String, String, u32)>,
}

#[handlers]
impl Letters {
    #[react]
    fn opened(&mut self, event: &Opened, key: &str, delivery: &Delivery) {
        assert_eq!(delivery.idempotency_key(), format!("letters/{}", delivery.event_id()));
        self.sent.push((key.to_owned(), event.owner.clone(), delivery.attempt()));
    }

    #[react]
    fn closed(&mut self, _: &Closed) -> Result<(), String> {
        Err("no address".into())
    }
}

#[test]
fn a_reaction_gets_each_event_once_and_again() {
    let sent = |attempt| ("bob".to_owned(), "alice".to_owned(), attempt);
    react(Letters::default(), of::<Account>(id("bob"), (Deposited { cents: 5 }, opened())))
        .then(|letters| letters.sent.clone(), [sent(1)])
        .again()
        .then(|letters| letters.sent.clone(), [sent(1), sent(2)]);
}

#[test]
fn a_reaction_that_fails_is_an_expectation_or_a_message() {
    let closed = || react(Letters::default(), (opened(), Closed, opened()));
    let _ = closed().then_error_is(|error| matches!(error, FollowError::Handler { .. }));
    assert_eq!(
        failure(|| drop(closed().then(|letters| letters.sent.len(), 1_usize))),
        "the reaction has failed after 3 event(s), delivery 1:\n  `letters` failed at position 2 (account/1, version 2): no \
         address"
    );
    assert_eq!(
        failure(|| drop(react(Letters::default(), opened()).then_error_is(|_| true))),
        "no handler of `letters` failed after 1 event(s), delivery 1"
    );
    assert_eq!(
        failure(|| drop(react(Letters::default(), opened()).then(|letters| letters.sent.len(), 2_usize))),
        "the effect is not the one expected after 1 event(s), delivery 1:\n  (- expected, + found)\n  - 2\n  + 1\n"
    );
}
