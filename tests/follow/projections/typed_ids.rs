//! Handlers that take the id of the event's aggregate as its type.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use factum::follow::{EventHandler, FollowError};
use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Transaction};
use factum::{InvalidId, StreamName};

use super::{Card, CardIssued, CardboxOpened, IssueCard};
use crate::support::account::{Account, AccountId, Deposited, Opened, deposit, open};
use crate::support::stores::stores;

/// The two events called `opened` have ids of different types.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Opened, CardboxOpened, Deposited, CardIssued), from(Account, Card), partition_by = stream)]
struct Ids {
    accounts: Vec<AccountId>,
    cards: Vec<u64>,
    deposited: Vec<(String, String, i64)>,
}

#[handlers]
impl Ids {
    #[project]
    fn opened(&mut self, _: &Opened, id: &AccountId) {
        self.accounts.push(id.clone());
    }

    #[project]
    fn cardbox_opened(&mut self, _: &CardboxOpened, id: u64) {
        self.cards.push(id);
    }

    #[project]
    fn deposited(&mut self, event: &Deposited, id: AccountId, key: &str) -> Result<(), BoxError> {
        self.deposited.push((id.0, key.to_owned(), event.cents));
        Ok(())
    }

    #[project]
    fn issued(&mut self, _: &CardIssued, envelope: &Envelope<'_>, id: &u64) {
        assert_eq!(envelope.aggregate_id().as_ref(), Ok(id));
    }
}

#[test]
fn each_event_has_the_id_of_its_own_aggregate() {
    for store in stores() {
        store.repository::<Card>().execute(IssueCard { card: 7, owner: "Alice".into() }).unwrap();
        store.repository::<Account>().execute(open("alice")).unwrap();
        store.repository::<Account>().execute(deposit("alice", 5)).unwrap();
        let mut ids = MemoryProjection::new(&store, Ids::default());
        ids.catch_up().unwrap();
        let deposited = vec![("alice".to_owned(), "alice".to_owned(), 5)];
        let expected = Ids { accounts: vec![AccountId("alice".into())], cards: vec![7], deposited };
        assert_eq!(*ids.view(), expected);
    }
}

/// A view of an aggregate that is given by its name, with an id type of its own, behind an alias of the transaction.
#[derive(Projection)]
#[projection(
    name = "by-name",
    events(Opened),
    from("account"),
    into = Sqlite,
    init = "CREATE TABLE numbers (number INTEGER NOT NULL)",
)]
struct Numbers;

type Writer<'t> = Transaction<'t>;

#[handlers]
impl Numbers {
    #[project]
    fn opened(&self, _: &Opened, id: &u64, writer: &Writer<'_>) -> rusqlite::Result<()> {
        writer.execute("INSERT INTO numbers VALUES (?1)", [id]).map(drop)
    }
}

#[test]
fn an_id_needs_no_metadata() {
    const { assert!(!<Numbers as EventHandler>::WANTS_METADATA && <Ids as EventHandler>::WANTS_METADATA) };
}

/// A key that is no id is a failure of its event: it stops the view, or the event becomes a dead letter.
#[test]
fn a_key_that_is_no_id_is_an_error_of_its_event() {
    let store = SqliteStore::in_memory().unwrap();
    for account in ["1", "two", "3"] {
        store.repository::<Account>().execute(open(account)).unwrap();
    }
    let mut view = SqliteProjection::new(&store, Numbers).unwrap();
    let error = view.catch_up().unwrap_err();
    let FollowError::Handler { stream, position, source, .. } = follow_error(error) else {
        panic!("another error")
    };
    assert_eq!((stream, position.get()), (StreamName::new("account", "two"), 2));
    assert_eq!(source.downcast_ref(), Some(&InvalidId::new::<u64>("two")));

    let running = view.follow().on_failure(OnFailure::DeadLetter).start().unwrap();
    running.wait_for(store.position().unwrap(), Duration::from_mins(1)).unwrap();
    running.stop().unwrap();
    let numbers: i64 =
        store.query(|rows| rows.query_row("SELECT sum(number) FROM numbers", (), |row| row.get(0))).unwrap();
    assert_eq!(numbers, 4);
}

fn follow_error(error: factum::follow::ProjectionError) -> FollowError {
    match error {
        factum::follow::ProjectionError::Follow(error) => error,
        other => panic!("{other}"),
    }
}

#[test]
fn a_reaction_gets_ids_too() {
    #[derive(Reaction)]
    #[reaction(events(Opened), from(Account))]
    struct Welcome {
        ids: Arc<Mutex<Vec<AccountId>>>,
    }

    #[handlers]
    impl Welcome {
        #[react]
        fn opened(&self, _: &Opened, id: AccountId, delivery: &Delivery) {
            assert_eq!(delivery.attempt(), 1);
            self.ids.lock().unwrap().push(id);
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    let ids = Arc::default();
    let mut welcome = SqliteReaction::new(&store, Welcome { ids: Arc::clone(&ids) }).unwrap();
    welcome.catch_up().unwrap();
    assert_eq!(*ids.lock().unwrap(), [AccountId("alice".into())]);
}
