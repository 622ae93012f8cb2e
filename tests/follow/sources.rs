//! The aggregates that a follower's events come from: `from(..)`.

use std::sync::{Arc, Mutex};

use factum::follow::{FollowError, ProjectionError, Reaction, ReactionError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use serde::{Deserialize, Serialize};

use crate::support::chain::chain;
use crate::support::events::append_event;
use crate::support::stores::{open_store, sqlite_stores, stores};

mod order {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    #[event(aliases("shut"))]
    pub(super) struct Closed {
        pub(super) items: u64,
    }

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub(super) struct Printed;

    #[derive(Debug, Command)]
    pub(super) struct Close(pub(super) String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "order", id = String, commands(Close), events(Closed, Printed))]
    pub(super) struct Order;

    #[handlers]
    impl Order {
        #[execute]
        fn close(&self, _: Close) -> (Closed, Printed) {
            (Closed { items: 2 }, Printed)
        }

        #[apply]
        fn closed(&mut self, _: &Closed) {}

        #[apply]
        fn printed(&mut self, _: &Printed) {}
    }
}

mod permit {
    use super::*;

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub(super) struct Closed {
        pub(super) reason: String,
    }

    #[derive(Debug, Serialize, Deserialize, Event)]
    pub(super) struct Shut;

    #[derive(Debug, Command)]
    pub(super) struct Close(pub(super) String);

    #[derive(Debug, Default, Clone, Aggregate)]
    #[aggregate(name = "permit", id = String, commands(Close), events(Closed, Shut))]
    pub(super) struct Permit;

    #[handlers]
    impl Permit {
        #[execute]
        fn close(&self, _: Close) -> (Closed, Shut) {
            (Closed { reason: "expired".into() }, Shut)
        }

        #[apply]
        fn closed(&mut self, _: &Closed) {}

        #[apply]
        fn shut(&mut self, _: &Shut) {}
    }
}

/// A closed order and a closed permit. An old order was closed under the name that permits use for another event.
fn fill(store: &(impl EventStore + Clone + 'static)) {
    append_event(store, "order", "old", "shut", 1, r#"{"items":5}"#);
    store.repository::<order::Order>().execute(order::Close("new".into())).unwrap();
    store.repository::<permit::Permit>().execute(permit::Close("one".into())).unwrap();
}

const CLOSED: [&str; 3] = ["order old: 5", "order new: 2", "permit one: expired"];

/// Both events are stored as `closed`.
#[derive(Debug, Default, Projection)]
#[projection(events(order::Closed, permit::Closed), from(order::Order, permit::Permit))]
struct Closed {
    closed: Vec<String>,
}

#[handlers]
impl Closed {
    #[project]
    fn order(&mut self, event: &order::Closed, key: &str) {
        self.closed.push(format!("order {key}: {}", event.items));
    }

    #[project]
    fn permit(&mut self, event: &permit::Closed, key: &str) {
        self.closed.push(format!("permit {key}: {}", event.reason));
    }
}

#[derive(Debug, Default, Clone, Reaction)]
#[reaction(events(permit::Closed, order::Closed), from(order::Order, permit::Permit))]
struct Mails {
    sent: Arc<Mutex<Vec<String>>>,
}

#[handlers]
impl Mails {
    #[react]
    fn order(&self, event: &order::Closed, key: &str) {
        self.sent.lock().unwrap().push(format!("order {key}: {}", event.items));
    }

    #[react]
    fn permit(&self, event: &permit::Closed, key: &str) {
        self.sent.lock().unwrap().push(format!("permit {key}: {}", event.reason));
    }
}

/// Its workers decode ahead.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    events(order::Closed, permit::Closed),
    from(order::Order, permit::Permit),
    into = Sqlite,
    partition_by = stream,
    init = "CREATE TABLE closed (what TEXT NOT NULL)",
)]
struct Rows;

#[handlers]
impl Rows {
    #[project]
    fn order(&self, event: &order::Closed, key: &str, view: &Transaction<'_>) -> rusqlite::Result<()> {
        insert(view, &format!("order {key}: {}", event.items))
    }

    #[project]
    fn permit(&self, event: &permit::Closed, key: &str, view: &Transaction<'_>) -> rusqlite::Result<()> {
        insert(view, &format!("permit {key}: {}", event.reason))
    }
}

fn insert(view: &Transaction<'_>, what: &str) -> rusqlite::Result<()> {
    view.execute("INSERT INTO closed VALUES (?1)", [what]).map(drop)
}

#[test]
fn events_of_one_name_are_told_apart_by_their_aggregate() {
    for store in stores() {
        fill(&store);
        let mut closed = MemoryProjection::new(&store, Closed::default());
        closed.catch_up().unwrap();
        assert_eq!(closed.view().closed, CLOSED);
    }
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let mails = Mails::default();
        SqliteReaction::new(&store, mails.clone()).unwrap().catch_up().unwrap();
        assert_eq!(*mails.sent.lock().unwrap(), CLOSED);
        SqliteProjection::new(&store, Rows).unwrap().workers(2).catch_up().unwrap();
        let rows = store.query(|view| {
            let mut select = view.prepare("SELECT what FROM closed ORDER BY what")?;
            select.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
        });
        let mut expected = CLOSED;
        expected.sort_unstable();
        assert_eq!(rows.unwrap(), expected);
    }
}

/// Knows orders by their type, and permits by name only.
#[derive(Debug, Default, Projection)]
#[projection(events(order::Closed, permit::Closed), from(order::Order, "permit"))]
struct HalfByName {
    orders: u64,
    permits: u64,
}

#[handlers]
impl HalfByName {
    #[project]
    fn order(&mut self, _: &order::Closed) {
        self.orders += 1;
    }

    #[project]
    fn permit(&mut self, _: &permit::Closed) {
        self.permits += 1;
    }
}

#[test]
fn other_events_of_an_aggregate_given_by_name_are_passed_over() {
    for store in stores() {
        fill(&store);
        append_event(&store, "permit", "two", "unheard-of", 1, "{}");
        let mut view = MemoryProjection::new(&store, HalfByName::default());
        view.catch_up().unwrap();
        assert_eq!((view.view().orders, view.view().permits), (2, 1));
        // The events of orders are known: there, an unknown one is an error.
        append_event(&store, "order", "new", "unheard-of", 1, "{}");
        let error = view.catch_up().unwrap_err();
        assert!(matches!(&error, ProjectionError::Follow(FollowError::Read { .. })), "{}", chain(&error));
    }
}

/// Each event that a reaction gets is a commit of its own.
#[test]
fn events_that_no_handler_gets_cost_a_reaction_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    let (store, file) = (MemoryStore::new(), folder.path().join("progress.db"));
    for _ in 0..2_000 {
        append_event(&store, "order", "new", "printed", 1, "null");
    }
    append_event(&store, "permit", "one", "closed", 1, r#"{"reason":"expired"}"#);
    append_event(&store, "permit", "one", "shut", 1, "null");
    let (progress, mails) = (open_store(&file), Mails::default());
    let caught = SqliteReaction::in_store(&progress, &store, mails.clone()).unwrap().catch_up().unwrap();
    assert_eq!((caught.events, caught.position.get()), (1, 2_002));
    assert_eq!(*mails.sent.lock().unwrap(), ["permit one: expired"]);
    let log = std::fs::metadata(folder.path().join("progress.db-wal")).unwrap().len();
    assert!(log < 1_000_000, "2,000 commits write some pages each: {log} bytes");
}

#[derive(Debug, Default, Projection)]
#[projection(events(permit::Closed), from("permits"))]
struct Misspelled {
    permits: u64,
}

#[handlers]
impl Misspelled {
    #[project]
    fn permit(&mut self, _: &permit::Closed) {
        self.permits += 1;
    }
}

#[derive(Debug, Projection)]
#[projection(events(permit::Closed), from("Permit", "visit"), into = Sqlite)]
struct MisspelledRows;

#[handlers]
impl MisspelledRows {
    #[project]
    fn permit(&self, _: &permit::Closed) {}
}

#[derive(Debug, Reaction)]
#[reaction(events(permit::Closed), from("permt"))]
struct MisspelledMails;

#[handlers]
impl MisspelledMails {
    #[react]
    fn permit(&self, _: &permit::Closed) {}
}

#[test]
fn a_misspelled_aggregate_is_an_error_when_the_follower_is_opened() {
    for store in stores() {
        // A store without permits may get `permits` later.
        let mut view = MemoryProjection::new(&store, Misspelled::default());
        view.catch_up().unwrap();
        fill(&store);
        let mut view = MemoryProjection::new(&store, Misspelled::default());
        assert_eq!(
            view.catch_up().unwrap_err().to_string(),
            "`misspelled` reads the events of `permits`, and the store has no stream of that category: did you mean `permit`? \
             Correct the name in `from(..)`, or give the aggregate by its type"
        );
        append_event(&store, "permits", "one", "closed", 1, r#"{"reason":""}"#);
        view.catch_up().unwrap();
        assert_eq!(view.view().permits, 1);
    }
    let folder = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&folder) {
        fill(&store);
        let error = SqliteProjection::new(&store, MisspelledRows).unwrap_err();
        let ProjectionError::Follow(FollowError::UnknownCategory { category, meant, .. }) = error else {
            panic!("{error}")
        };
        assert_eq!((category, &*meant), ("Permit", "permit"));
        let error = SqliteReaction::new(&store, MisspelledMails).unwrap_err();
        assert!(
            matches!(&error, ReactionError::Follow(FollowError::UnknownCategory { meant, .. }) if meant == "permit"),
            "{error}"
        );
    }
}
