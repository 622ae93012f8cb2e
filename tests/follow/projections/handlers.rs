//! The arguments that a projection's handlers may take.

use factum::Uuid;
use factum::follow::EventHandler;
use factum::prelude::*;
use factum::sqlite::ViewTransaction;
use factum::sqlite::rusqlite::{self};

use crate::support::account::{Account, Deposited, Opened, deposit, open};
use crate::support::stores::stores;

#[test]
fn a_projection_can_begin_a_chain_of_causes() {
    /// Records the events to react to.
    #[derive(Default, Projection)]
    #[projection(events(Opened), from(Account))]
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
    let mut newcomers = MemoryProjection::new(&store, Newcomers::default());
    newcomers.catch_up().unwrap();
    let reaction = ExecuteOptions::new().caused_by(&newcomers.view().causes[0]);
    let gift = accounts.execute_with(deposit("alice", 1), &reaction).unwrap();
    assert_eq!(gift.events()[0].metadata.causation, Some(opened.events()[0].id));
}

/// A handler that needs only the aggregate takes the key alone. The metadata that other handlers take is read
/// all the same.
#[test]
fn a_handler_may_take_the_key_alone() {
    #[derive(Debug, Default, PartialEq, Projection)]
    #[projection(events(Opened, Deposited), from(Account))]
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
    #[projection(events(Opened, Deposited), from(Account))]
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

    const { assert!(!<Keys as EventHandler>::WANTS_METADATA && <Mixed as EventHandler>::WANTS_METADATA) };
    for store in stores() {
        let accounts = store.repository::<Account>();
        let mut ids = Vec::new();
        for (number, name) in (1..).zip(["alice", "bob"]) {
            accounts.execute(open(name)).unwrap();
            let options = ExecuteOptions::new().correlation(Uuid::from_u128(number));
            let done = accounts.execute_with(deposit(name, 1), &options).unwrap();
            ids.push((done.events()[0].id, Some(Uuid::from_u128(number))));
        }
        let mut keys = MemoryProjection::new(&store, Keys::default());
        keys.catch_up().unwrap();
        assert_eq!(keys.view().keys, ["alice", "bob"]);
        let mut mixed = MemoryProjection::new(&store, Mixed::default());
        mixed.catch_up().unwrap();
        assert_eq!(mixed.into_view(), Mixed { opened: vec!["alice".into(), "bob".into()], deposited: ids });
    }
}

/// A cached statement that is in use does not block others, nor does one that does not compile.
#[test]
fn a_handler_may_use_its_statements_in_any_order() {
    #[derive(Projection)]
    #[projection(
        name = "nested",
        events(Opened),
        from(Account),
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
                // The same statement again, nested: its rows are its own.
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
