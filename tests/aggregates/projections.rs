//! Views.

use factum::prelude::*;
use factum::sqlite::rusqlite::{self, Connection, Transaction};
use factum::{CaughtUp, ExecuteOptions, ProjectionError, ReadError};
use serde::{Deserialize, Serialize};

use crate::domain::{Account, Deposited, Opened, deposit, id, open, stores, withdraw};

#[derive(Debug, Clone, Serialize, Deserialize, Event)]
struct CardIssued {
    owner: String,
}

/// Called like an account's event, and none: it has other fields.
#[derive(Debug, Clone, Serialize, Deserialize, Event)]
#[event(name = "opened")]
struct CardboxOpened {
    at: u64,
}

#[derive(Debug, Clone, Command)]
struct IssueCard {
    #[command(id)]
    card: u64,
    owner: String,
}

#[derive(Debug, Default, Clone, Aggregate)]
#[aggregate(id = u64, commands(IssueCard), events(CardIssued, CardboxOpened))]
struct Card;

#[handlers]
impl Card {
    #[execute]
    fn issue(&self, command: IssueCard) -> (CardboxOpened, CardIssued) {
        (CardboxOpened { at: command.card }, CardIssued { owner: command.owner })
    }

    #[apply]
    fn issued(&mut self, _: &CardIssued) {}

    #[apply]
    fn box_opened(&mut self, _: &CardboxOpened) {}
}

/// Of two aggregates, in memory.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Deposited, CardIssued))]
struct Totals {
    deposited: i64,
    cards: Vec<(u64, String)>,
    refuse: Option<i64>,
}

#[handlers]
impl Totals {
    #[project]
    fn deposited(&mut self, event: &Deposited, envelope: &Envelope<'_>) -> Result<(), String> {
        if self.refuse == Some(event.cents) {
            return Err(format!("{} is refused", event.cents));
        }
        assert_eq!(envelope.category, "account");
        self.deposited += event.cents;
        Ok(())
    }

    #[project]
    fn issued(&mut self, event: &CardIssued, envelope: &Envelope<'_>) {
        let card = envelope.aggregate_id().expect("cards have numbers");
        self.cards.push((card, event.owner.clone()));
    }
}

#[test]
fn a_view_in_memory_is_made_from_events_of_several_aggregates() {
    for store in stores() {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        accounts.execute(open("alice")).unwrap();
        accounts.execute(deposit("alice", 5)).unwrap();
        cards.execute(IssueCard { card: 7, owner: "Alice".into() }).unwrap();
        let mut totals = MemoryProjection::new(store.clone(), Totals::default());
        assert_eq!(totals.catch_up().unwrap(), CaughtUp { events: 2, position: 4 });
        assert_eq!(totals.catch_up().unwrap(), CaughtUp { events: 0, position: 4 });
        accounts.execute(deposit("alice", 6)).unwrap();
        accounts.execute(withdraw("alice", 1)).unwrap();
        assert_eq!(totals.catch_up().unwrap(), CaughtUp { events: 1, position: 6 });
        assert_eq!((totals.view().deposited, totals.position()), (11, 6));
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
        let mut totals = MemoryProjection::new(store, Totals { refuse: Some(13), ..Totals::default() });
        for _ in 0..2 {
            let error = totals.catch_up().unwrap_err();
            assert_eq!(
                error.to_string(),
                "projection `totals` failed at position 3 (account/alice, version 3): 13 is refused"
            );
            assert_eq!((totals.view().deposited, totals.position()), (1, 2));
        }
    }
}

/// In SQLite, from accounts only: cards have an event called `opened` too.
#[derive(Projection)]
#[projection(
    name = "balances",
    version = 2,
    events(Opened, Deposited),
    from(Account),
    into = Sqlite,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, owner TEXT NOT NULL, cents INTEGER NOT NULL)",
)]
struct Balances {
    panic_at: Option<i64>,
}

#[handlers]
impl Balances {
    #[project]
    fn opened(
        &self,
        event: &Opened,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.execute("INSERT INTO balances VALUES (?1, ?2, 0)", (envelope.key, &event.owner)).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<()> {
        transaction.execute(
            "UPDATE balances SET cents = cents + ?2 WHERE account = ?1",
            (envelope.key, event.cents),
        )?;
        assert!(self.panic_at != Some(event.cents), "a handler that panics");
        Ok(())
    }
}

fn balances(store: &SqliteStore) -> Vec<(String, i64)> {
    store
        .query(|connection| {
            connection
                .prepare("SELECT account, cents FROM balances ORDER BY account")?
                .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .unwrap()
}

#[test]
fn a_view_in_sqlite_and_how_far_it_has_come_are_one_commit() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    for store in [SqliteStore::open(&file).unwrap(), SqliteStore::in_memory().unwrap()] {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        cards.execute(IssueCard { card: 1, owner: "Alice".into() }).unwrap();
        accounts.execute(open("alice")).unwrap();
        // More than one transaction's worth.
        accounts.execute_batch(&id("alice"), (0..2500).map(|_| deposit("alice", 1))).unwrap();

        let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
        assert_eq!(view.catch_up().unwrap(), CaughtUp { events: 2501, position: 2503 });
        assert_eq!(balances(&store), [("alice".to_owned(), 2500)]);

        // Another run of the program goes on where this one stopped.
        accounts.execute(deposit("alice", 10)).unwrap();
        let mut again = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
        assert_eq!(again.position().unwrap(), 2503);
        assert_eq!(again.catch_up().unwrap(), CaughtUp { events: 1, position: 2504 });
        assert_eq!(view.catch_up().unwrap(), CaughtUp { events: 0, position: 2504 });
        assert_eq!(balances(&store), [("alice".to_owned(), 2510)]);
    }
}

#[test]
fn what_a_failed_transaction_wrote_does_not_count() {
    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), [deposit("alice", 1), deposit("alice", 13)]).unwrap();

    let mut panics = SqliteProjection::new(&store, Balances { panic_at: Some(13) }).unwrap();
    let attempt = std::panic::AssertUnwindSafe(|| panics.catch_up());
    assert!(std::panic::catch_unwind(attempt).is_err());
    assert_eq!((balances(&store), panics.position().unwrap()), (Vec::new(), 0));

    // Nobody else is harmed: the store works, and so does the projection.
    accounts.execute(deposit("alice", 2)).unwrap();
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    view.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), 16)]);
}

#[test]
fn a_query_can_not_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("bank.db")).unwrap();
    let written = store.query(|connection| connection.execute("DELETE FROM factum_events", ()));
    assert!(written.is_err());
}

#[test]
fn a_view_of_another_version_is_not_gone_on_with_but_made_anew() {
    #[derive(Projection)]
    #[projection(
        name = "balances",
        version = 3,
        events(Opened),
        from(Account),
        into = Sqlite,
        init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents INTEGER NOT NULL DEFAULT -1)",
    )]
    struct Newer;

    #[handlers]
    impl Newer {
        #[project]
        fn opened(
            &self,
            _: &Opened,
            envelope: &Envelope<'_>,
            transaction: &Transaction<'_>,
        ) -> rusqlite::Result<()> {
            transaction.execute("INSERT INTO balances (account) VALUES (?1)", [envelope.key]).map(drop)
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    store.repository::<Account>().execute(open("alice")).unwrap();
    SqliteProjection::new(&store, Balances { panic_at: None }).unwrap().catch_up().unwrap();
    let error = SqliteProjection::new(&store, Newer).unwrap_err();
    assert!(matches!(error, ProjectionError::OtherVersion { stored: 2, current: 3, .. }), "{error}");
    assert_eq!(balances(&store), [("alice".to_owned(), 0)]);

    let mut anew = SqliteProjection::reset(&store, Newer, |transaction| {
        transaction.execute_batch("DROP TABLE balances")
    })
    .unwrap();
    anew.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), -1)]);
}

#[test]
fn an_event_that_can_not_be_read_stops_the_projection_at_it() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let doctored = "UPDATE factum_events SET payload = '{}' WHERE version = 2";
    Connection::open(&file).unwrap().execute(doctored, ()).unwrap();

    let mut totals = MemoryProjection::new(store.clone(), Totals::default());
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    for error in [totals.catch_up().unwrap_err(), view.catch_up().unwrap_err()] {
        let ProjectionError::Read { source, .. } = error else { panic!("{error}") };
        assert!(matches!(*source, ReadError::Decode { version: 2, position: 2, .. }), "{source}");
    }
    assert_eq!(view.position().unwrap(), 0);
}

#[test]
fn a_projection_can_begin_a_chain_of_causes() {
    /// Remembers what to react to.
    #[derive(Default, Projection)]
    #[projection(events(Opened))]
    struct Newcomers {
        causes: Vec<factum::Cause>,
    }

    #[handlers]
    impl Newcomers {
        #[project]
        fn opened(&mut self, _: &Opened, envelope: &Envelope<'_>) {
            self.causes.push(envelope.into());
        }
    }

    let store = MemoryStore::new();
    let accounts = store.repository::<Account>();
    let opened = accounts.execute(open("alice")).unwrap();
    let mut newcomers = MemoryProjection::new(store, Newcomers::default());
    newcomers.catch_up().unwrap();
    let reaction = ExecuteOptions::new().caused_by(newcomers.view().causes[0]);
    let gift = accounts.execute_with(deposit("alice", 1), &reaction).unwrap();
    assert_eq!(gift.events()[0].metadata.causation, Some(opened.events()[0].id));
}
