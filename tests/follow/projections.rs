//! Views.

use factum::prelude::*;
use factum::sqlite::ViewTransaction;
use factum::sqlite::rusqlite::{self, Connection, Transaction};
use factum::{
    Append, CaughtUp, ExecuteOptions, ExpectedVersion, Metadata, NewEvent, ProjectionError, ReadError,
    StreamId, Uuid,
};
use serde::{Deserialize, Serialize};

use crate::support::account::{Account, Deposited, Opened, deposit, id, open, stores, withdraw};

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
                "`totals` failed at position 3 (account/alice, version 3): 13 is refused"
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
    // A panic is an error of its event; what stands before it counts.
    let error = panics.catch_up().unwrap_err();
    assert_eq!(
        error.to_string(),
        "`balances` failed at position 3 (account/alice, version 3): the handler panicked: a handler \
         that panics"
    );
    assert_eq!((balances(&store), panics.position().unwrap()), (vec![("alice".to_owned(), 1)], 2));

    // Nobody else is harmed: the store works, and so does the projection.
    accounts.execute(deposit("alice", 2)).unwrap();
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    view.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), 16)]);
}

/// A store in a file and one in memory: the first has connections that read, the other has one for all.
fn sqlite_stores(directory: &tempfile::TempDir) -> [SqliteStore; 2] {
    [SqliteStore::open(directory.path().join("bank.db")).unwrap(), SqliteStore::in_memory().unwrap()]
}

#[test]
fn a_query_can_neither_write_nor_stay_in_the_past() {
    let directory = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&directory) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let written = store.query(|connection| connection.execute("DELETE FROM factum_events", ()));
        assert!(written.is_err());
        // One that fails in the middle, one that panics, one that ends our transaction and begins its own.
        store.query(|connection| connection.execute_batch("SELECT * FROM nowhere")).unwrap_err();
        let panics = || store.query(|_| -> rusqlite::Result<()> { panic!("a query that panics") });
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
        store
            .query(|connection| connection.execute_batch("COMMIT; BEGIN; SELECT * FROM factum_events"))
            .unwrap();
        for version in 2..5 {
            assert_eq!(accounts.execute(deposit("alice", 1)).unwrap().version(), version);
        }
        assert_eq!(accounts.load(&id("alice")).unwrap().version(), 4);
    }
}

#[test]
fn who_holds_the_store_and_asks_it_once_more_is_told_so() {
    /// Executes a command from its handler.
    #[derive(Projection)]
    #[projection(events(Opened), into = Sqlite)]
    struct Eager {
        accounts: Repository<Account, SqliteStore>,
    }

    #[handlers]
    impl Eager {
        #[project]
        fn opened(&self, _: &Opened) -> Result<(), BoxError> {
            self.accounts.execute(deposit("alice", 1))?;
            Ok(())
        }
    }

    let directory = tempfile::tempdir().unwrap();
    for store in sqlite_stores(&directory) {
        let accounts = store.repository::<Account>();
        accounts.execute(open("alice")).unwrap();
        let mut eager = SqliteProjection::new(&store, Eager { accounts: accounts.clone() }).unwrap();
        let error = eager.catch_up().unwrap_err().to_string();
        assert!(
            error.ends_with("the store is in use by the handler or query that uses it once more"),
            "{error}"
        );
        assert_eq!(accounts.execute(deposit("alice", 1)).unwrap().version(), 2);
    }
}

#[test]
fn what_comes_before_an_event_that_fails_counts() {
    #[derive(Projection)]
    #[projection(events(Deposited), into = Sqlite, init = "CREATE TABLE seen (cents INTEGER NOT NULL)")]
    struct Seen;

    #[handlers]
    impl Seen {
        #[project]
        fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) -> Result<(), BoxError> {
            transaction.execute("INSERT INTO seen VALUES (?1)", [event.cents])?;
            if event.cents == 13 { Err("13 is refused".into()) } else { Ok(()) }
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let amounts = [1, 2, 13, 3];
    accounts.execute_batch(&id("alice"), amounts.map(|cents| deposit("alice", cents))).unwrap();
    let mut seen = SqliteProjection::new(&store, Seen).unwrap();
    for _ in 0..2 {
        let error = seen.catch_up().unwrap_err();
        assert!(matches!(error, ProjectionError::Handler { position: 4, .. }), "{error}");
        assert_eq!(seen.position().unwrap(), 3);
        let sum: i64 = store
            .query(|connection| connection.query_row("SELECT sum(cents) FROM seen", (), |row| row.get(0)))
            .unwrap();
        assert_eq!(sum, 3);
    }
}

#[test]
fn a_transaction_that_sqlite_has_undone_is_not_gone_on_with() {
    #[derive(Projection)]
    #[projection(events(Deposited), into = Sqlite, init = "CREATE TABLE once (cents INTEGER PRIMARY KEY)")]
    struct Once;

    #[handlers]
    impl Once {
        #[project]
        fn deposited(&self, event: &Deposited, transaction: &Transaction<'_>) {
            // The error that says that all was rolled back is lost.
            drop(transaction.execute("INSERT OR ROLLBACK INTO once VALUES (?1)", [event.cents]));
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), [1, 2, 2, 3].map(|cents| deposit("alice", cents))).unwrap();
    let mut once = SqliteProjection::new(&store, Once).unwrap();
    for _ in 0..2 {
        let error = once.catch_up().unwrap_err();
        assert!(matches!(error, ProjectionError::RolledBack { position: 4, .. }), "{error}");
        let count: u64 = store
            .query(|connection| connection.query_row("SELECT count(*) FROM once", (), |row| row.get(0)))
            .unwrap();
        assert_eq!((count, once.position().unwrap()), (2, 3));
    }
}

#[test]
fn two_projections_of_one_name_are_told_apart() {
    #[derive(Projection)]
    #[projection(name = "balances", version = 2, events(Opened), into = Sqlite, init = "CREATE TABLE other (x)")]
    struct Other;

    #[handlers]
    impl Other {
        #[project]
        fn opened(&self, _: &Opened) {}
    }

    let store = SqliteStore::in_memory().unwrap();
    SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    let error = SqliteProjection::new(&store, Other).unwrap_err();
    assert!(matches!(error, ProjectionError::OtherDefinition { version: 2, .. }), "{error}");
}

#[test]
fn a_view_that_has_seen_more_than_there_is_does_not_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let mut view = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    view.catch_up().unwrap();
    Connection::open(&file).unwrap().execute("DELETE FROM factum_events WHERE version = 2", ()).unwrap();
    let error = view.catch_up().unwrap_err();
    assert!(matches!(error, ProjectionError::Ahead { seen: 2, newest: 1, .. }), "{error}");
}

/// Of accounts only, though cards have an event called `opened` too; deposits under their old name count as well.
#[derive(Debug, Default, PartialEq, Projection)]
#[projection(events(Opened, Deposited), from(Account))]
struct Owners {
    owners: Vec<String>,
    cents: i64,
}

#[handlers]
impl Owners {
    #[project]
    fn opened(&mut self, event: &Opened) {
        self.owners.push(event.owner.clone());
    }

    #[project]
    fn deposited(&mut self, event: &Deposited) {
        self.cents += event.cents;
    }
}

#[test]
fn a_view_in_memory_keeps_to_its_aggregates_and_knows_old_names() {
    for store in stores() {
        let (accounts, cards) = (store.repository::<Account>(), store.repository::<Card>());
        cards.execute(IssueCard { card: 7, owner: "Alice".into() }).unwrap();
        accounts.execute(open("alice")).unwrap();
        let old = NewEvent {
            name: "paid-in",
            schema: 1,
            id: Uuid::now_v7(),
            recorded_at: Timestamp::now(),
            metadata: &Metadata::default(),
            payload: r#"{"cents": 5}"#,
        };
        let stream = StreamId::of::<Account>(&id("alice"));
        store.append(&[Append::new(&stream, ExpectedVersion::Any, &[old])]).unwrap();
        let mut owners = MemoryProjection::new(store, Owners::default());
        owners.catch_up().unwrap();
        assert_eq!(owners.view(), &Owners { owners: vec!["alice".into()], cents: 5 });
    }
}

/// The file for the child of the test below; not set in any other run.
const FILE: &str = "FACTUM_TEST_PROJECTION";

#[test]
fn each_event_counts_once_whoever_is_killed_while_projecting() {
    if let Some(file) = std::env::var_os(FILE) {
        // The child, until it is killed, or done.
        let store = SqliteStore::open(file).unwrap();
        SqliteProjection::new(&store, Balances { panic_at: None }).unwrap().catch_up().unwrap();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bank.db");
    let store = SqliteStore::open(&file).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute_batch(&id("alice"), (0..20_000).map(|_| deposit("alice", 1))).unwrap();
    let mut seen = Vec::new();
    for delay in 0..12 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "follow::projections::each_event_counts_once_whoever_is_killed_while_projecting",
            ])
            .env(FILE, &file)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10 + 15 * delay));
        child.kill().unwrap();
        child.wait().unwrap();
        // View and position are of one commit at any moment.
        let (cents, position) = store
            .query(|connection| {
                let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'balances'";
                if connection.query_row(tables, (), |row| row.get::<_, u64>(0))? == 0 {
                    return Ok((0, 0));
                }
                let view =
                    "SELECT coalesce(sum(cents), 0), (SELECT position FROM factum_checkpoints) FROM balances";
                connection.query_row(view, (), |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap();
        assert_eq!(cents, position.max(1) - 1, "the first event is that the account is opened");
        seen.push(position);
    }
    assert!(seen.is_sorted());
    SqliteProjection::new(&store, Balances { panic_at: None }).unwrap().catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), 20_000)]);
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
    let mut older = SqliteProjection::new(&store, Balances { panic_at: None }).unwrap();
    let mut anew = SqliteProjection::new(&store, Newer).unwrap();
    assert!(anew.needs_rebuild().unwrap());
    let error = anew.position().unwrap_err();
    assert!(matches!(error, ProjectionError::OtherVersion { stored: 2, current: 3, .. }), "{error}");
    assert_eq!(balances(&store), [("alice".to_owned(), 0)]);
    anew.catch_up().unwrap();
    assert!(!anew.needs_rebuild().unwrap());
    assert_eq!(balances(&store), [("alice".to_owned(), -1)]);

    // A program that still runs the older version writes nothing into the newer view.
    store.repository::<Account>().execute(open("bob")).unwrap();
    let error = older.catch_up().unwrap_err();
    assert!(matches!(error, ProjectionError::OtherVersion { stored: 3, current: 2, .. }), "{error}");
    anew.catch_up().unwrap();
    assert_eq!(balances(&store), [("alice".to_owned(), -1), ("bob".to_owned(), -1)]);
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
    // What comes before it counts.
    assert_eq!((view.position().unwrap(), balances(&store)), (1, vec![("alice".to_owned(), 0)]));
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

/// A handler that wants to know whose event it is, and no more, takes the key alone. What metadata others look at is
/// read all the same.
#[test]
fn a_handler_may_take_the_key_alone() {
    #[derive(Debug, Default, PartialEq, Projection)]
    #[projection(events(Opened, Deposited))]
    struct Keys {
        keys: Vec<String>,
    }

    #[handlers]
    impl Keys {
        #[project]
        fn opened(&mut self, _: &Opened) {}

        #[project]
        fn deposited(&mut self, _: &Deposited, key: &str) {
            self.keys.push(key.to_owned());
        }
    }

    #[derive(Debug, Default, PartialEq, Projection)]
    #[projection(events(Opened, Deposited))]
    struct Mixed {
        opened: Vec<String>,
        deposited: Vec<(Uuid, Option<Uuid>)>,
    }

    #[handlers]
    impl Mixed {
        #[project]
        fn opened(&mut self, _: &Opened, key: &str) {
            self.opened.push(key.to_owned());
        }

        #[project]
        fn deposited(&mut self, _: &Deposited, envelope: &Envelope<'_>) {
            self.deposited.push((envelope.id, envelope.correlation));
        }
    }

    const { assert!(!Keys::METADATA && Mixed::METADATA) };
    for store in stores() {
        let accounts = store.repository::<Account>();
        let mut ids = Vec::new();
        for (number, name) in (1..).zip(["alice", "bob"]) {
            accounts.execute(open(name)).unwrap();
            let options = ExecuteOptions::new().correlation(Uuid::from_u128(number));
            let done = accounts.execute_with(deposit(name, 1), &options).unwrap();
            ids.push((done.events()[0].id, Some(Uuid::from_u128(number))));
        }
        let mut keys = MemoryProjection::new(store.clone(), Keys::default());
        keys.catch_up().unwrap();
        assert_eq!(keys.view().keys, ["alice", "bob"]);
        let mut mixed = MemoryProjection::new(store, Mixed::default());
        mixed.catch_up().unwrap();
        assert_eq!(mixed.into_view(), Mixed { opened: vec!["alice".into(), "bob".into()], deposited: ids });
    }
}

/// A statement that is in use is not in anybody's way, nor is one that does not compile.
#[test]
fn a_handler_may_use_its_statements_in_any_order() {
    #[derive(Projection)]
    #[projection(
        name = "nested",
        events(Opened),
        into = Sqlite,
        init = "CREATE TABLE nested (name TEXT NOT NULL, length INTEGER NOT NULL)",
    )]
    struct Nested;

    #[handlers]
    impl Nested {
        #[project]
        fn opened(&self, _: &Opened, key: &str, view: &ViewTransaction<'_>) -> rusqlite::Result<()> {
            const INSERT: &str = "INSERT INTO nested VALUES (?1, ?2) RETURNING length";
            const COUNT: &str = "SELECT count(*) FROM nested";
            let before: i64 = view.with(COUNT, |count| count.query_row((), |row| row.get(0)))?;
            view.with("SELECT nothing FROM nowhere", |_| Ok(())).unwrap_err();
            let length = view.with(INSERT, |insert| {
                let mut rows = insert.query((key, 1))?;
                // The same once more, within: its rows are its own.
                let inner: i64 = view.with(INSERT, |insert| insert.query_row((key, 2), |row| row.get(0)))?;
                let outer: i64 = rows.next()?.map_or(Ok(0), |row| row.get(0))?;
                Ok(10 * outer + inner)
            })?;
            assert_eq!(length, 12);
            let after: i64 = view.with(COUNT, |count| count.query_row((), |row| row.get(0)))?;
            assert_eq!(after, before + 2);
            view.execute("UPDATE nested SET length = 0 WHERE name = ?1", [key]).map(drop)
        }
    }

    let store = SqliteStore::in_memory().unwrap();
    let mut view = SqliteProjection::new(&store, Nested).unwrap();
    for name in ["alice", "bob", "carol"] {
        store.repository::<Account>().execute(open(name)).unwrap();
        view.catch_up().unwrap();
    }
    let rows: (i64, i64) = store
        .query(|connection| {
            let sql = "SELECT count(*), sum(length) FROM nested";
            connection.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .unwrap();
    assert_eq!(rows, (6, 0));
}
