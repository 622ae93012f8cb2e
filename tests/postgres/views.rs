//! Views in tables of a PostgreSQL database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use factum::follow::{FollowerOptions, Keeps, KeepsTables, SqlError};
use factum::postgres::tokio_postgres::types::ToSql;
use factum::postgres::{Postgres, PostgresProjection, PostgresTransaction, ViewTransaction};
use factum::prelude::*;
use factum::{Position, with_causes};

use crate::LONG;
use crate::account::{Account, Deposited, Opened, deposit, open};
use crate::server::on_server;
use crate::support::bounded::{SetOnDrop, wait_until};
use crate::support::sql_views;
use crate::support::sql_views::{SqlBalances, balances, row};

/// One test for each law of views with `into = Sql`.
macro_rules! laws {
    ($($law:ident),* $(,)?) => {$(
        #[test]
        fn $law() {
            on_server!(server);
            sql_views::$law(&server.new_store());
        }
    )*};
}

laws!(
    a_view_follows_and_is_queried,
    values_come_back,
    what_no_database_keeps_is_refused,
    the_transaction_is_factums,
    a_failed_statement_fails_its_event,
    several_workers_share_a_view,
    an_inline_view_is_part_of_each_append,
    a_newer_version_is_rebuilt,
);

/// A view with what only PostgreSQL has.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    events(Opened, Deposited),
    from(Account),
    into = Postgres,
    init = "CREATE TABLE deposits (account text NOT NULL, cents bigint NOT NULL CHECK (cents <> 13), seen bigint[]);
            CREATE FUNCTION twice(n bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT 2 * n; $$"
)]
struct Deposits;

#[handlers]
impl Deposits {
    #[project]
    fn opened(&self, _: &Opened, account: &str, view: &ViewTransaction<'_>) -> Result<(), SqlError> {
        let before = view.query("SELECT count(*) FROM deposits WHERE account = $1", &[&account])?;
        assert_eq!(before[0].get::<_, i64>(0), 0);
        Ok(())
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        view: &ViewTransaction<'_>,
    ) -> Result<(), SqlError> {
        let position = i64::try_from(envelope.position.get()).unwrap();
        view.queue(
            "INSERT INTO deposits VALUES ($1, $2, ARRAY[$3::bigint])",
            &[&envelope.key, &event.cents, &position],
        )
    }
}

impl Deposits {
    fn cents(store: &PostgresStore) -> Vec<i64> {
        let view = PostgresProjection::new(store, Self).unwrap();
        let sql = format!("SELECT cents FROM \"{}\".deposits ORDER BY seen", view.schema());
        store.begin().unwrap().query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// A statement that was queued fails later than its handler returns, beside those of many events.
#[test]
fn the_error_of_a_queued_statement_names_its_event() {
    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for cents in 1..=20 {
        accounts.execute(deposit("alice", cents)).unwrap();
    }
    // This handler waits for the server, with what earlier events have queued.
    accounts.execute(open("bob")).unwrap();
    accounts.execute(deposit("bob", 30)).unwrap();

    let error = PostgresProjection::new(&store, Deposits).unwrap().catch_up().unwrap_err();
    assert!(with_causes(&error).contains("position 14"), "{}", with_causes(&error));
    assert_eq!(Deposits::cents(&store), (1..=12).collect::<Vec<_>>());

    let options = FollowerOptions::new().on_failure(OnFailure::DeadLetter);
    let running = store.follow(&store, Deposits, &options).unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    running.stop_within(LONG).unwrap();
    let all = (1..=20).chain([30]).filter(|cents| *cents != 13);
    assert_eq!(Deposits::cents(&store), all.collect::<Vec<_>>());
    let view = PostgresProjection::new(&store, Deposits).unwrap();
    let letters = view.dead_letters().unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position).collect::<Vec<_>>(), [Position::new(14)]);
}

/// Many rows for one event.
#[test]
fn rows_are_copied() {
    #[derive(Clone, Projection)]
    #[projection(
        events(Deposited),
        from(Account),
        into = Postgres,
        init = "CREATE TABLE cents (account text NOT NULL, n int4 PRIMARY KEY CHECK (n <> 13), note text)"
    )]
    struct Cents;

    #[handlers]
    impl Cents {
        #[project]
        fn deposited(
            &self,
            event: &Deposited,
            key: &str,
            view: &ViewTransaction<'_>,
        ) -> Result<(), SqlError> {
            let cents: Vec<i32> = (0..event.cents).map(|n| i32::try_from(n).unwrap()).collect();
            let rows: Vec<[&(dyn ToSql + Sync); 2]> = cents.iter().map(|n| [n as _, &key as _]).collect();
            let rows: Vec<_> = rows.iter().map(|row| &row[..]).collect();
            assert_eq!(view.copy("cents", &["n", "account"], &rows)?, event.cents.unsigned_abs());
            Ok(())
        }
    }

    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 12)).unwrap();
    let mut view = PostgresProjection::new(&store, Cents).unwrap();
    view.catch_up().unwrap();
    let sql = format!("SELECT sum(n), min(account) FROM \"{}\".cents", view.schema());
    let sum = store.begin().unwrap().query(&sql, &[]).unwrap();
    assert_eq!((sum[0].get::<_, i64>(0), sum[0].get::<_, &str>(1)), (66, "alice"));
    accounts.execute(deposit("alice", 20)).unwrap();
    let error = with_causes(&view.catch_up().unwrap_err());
    assert!(
        error.starts_with("`cents` failed at position 3 (account/alice, version 3): `TABLE cents` failed: "),
        "{error}"
    );
}

#[test]
fn the_tables_of_the_store_are_factums() {
    #[derive(Clone, Projection)]
    #[projection(events(Opened), from(Account), into = Postgres, init = "CREATE TABLE notes (n bigint)")]
    struct Writes(String);

    #[handlers]
    impl Writes {
        #[project]
        fn opened(&self, _: &Opened, view: &ViewTransaction<'_>) -> Result<(), SqlError> {
            view.execute(&self.0, &[]).map(drop)
        }
    }

    on_server!(server);
    let schema = server.new_schema();
    let store = server.store(&schema);
    store.repository::<Account>().execute(open("alice")).unwrap();
    let upper = schema.to_uppercase();
    for sql in [
        format!("DELETE FROM {schema}.events"),
        format!("DELETE FROM \"{schema}\" . counter"),
        format!("SELECT 1 FROM {upper}.store"),
        "COMMIT".to_owned(),
        "SET search_path TO public".to_owned(),
        // What a procedure does is up to the server.
        "DO $$ BEGIN COMMIT; END $$".to_owned(),
    ] {
        let error = PostgresProjection::new(&store, Writes(sql.clone())).unwrap().catch_up().unwrap_err();
        let error = with_causes(&error);
        assert!(error.starts_with("`writes` failed at position 1 (account/alice, version 1): `"), "{error}");
        assert!(error.contains(&sql), "{error}");
        assert_eq!(store.position().unwrap(), Position::new(1));
    }
    PostgresProjection::new(&store, Writes("INSERT INTO notes VALUES (1)".into()))
        .unwrap()
        .catch_up()
        .unwrap();
}

/// A program without the view appends as well. The next append of the program with it brings the view up to date, however far it
/// is behind.
#[test]
fn an_inline_view_catches_up_with_other_programs() {
    on_server!(server);
    let schema = server.new_schema();
    let (store, other) = (server.store(&schema), server.store(&schema));
    let (accounts, others) = (store.repository::<Account>(), other.repository::<Account>());
    let _running = store.inline(SqlBalances::default(), &FollowerOptions::new()).unwrap();
    accounts.execute(open("alice")).unwrap();
    let mut events = 1_u64;
    for rounds in [1, 700] {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        others.execute_with(deposit("alice", 1), &ExecuteOptions::new().retry(100)).unwrap();
                    }
                });
            }
        });
        events += 4 * rounds;
        accounts.execute_with(deposit("alice", 1), &ExecuteOptions::new().retry(100)).unwrap();
        events += 1;
        assert_eq!(balances(&store), row("alice", events.cast_signed() - 1, events));
    }
}

#[test]
fn a_wait_brings_an_inline_view_up_to_date() {
    on_server!(server);
    let schema = server.new_schema();
    sql_views::a_wait_brings_an_inline_view_up_to_date(&server.store(&schema), &server.store(&schema));
}

/// Two programs append with the view, and a third one without.
#[test]
fn an_inline_view_of_several_programs_is_exact() {
    on_server!(server);
    let schema = server.new_schema();
    let stores = [(); 3].map(|()| server.store(&schema));
    let _running: Vec<_> = stores[..2]
        .iter()
        .map(|store| store.inline(SqlBalances::default(), &FollowerOptions::new()).unwrap())
        .collect();
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            for thread in 0..3 {
                scope.spawn(move || {
                    let (accounts, name) = (store.repository::<Account>(), format!("{number}-{thread}"));
                    accounts.execute(open(&name)).unwrap();
                    for _ in 0..20 {
                        accounts.execute(deposit(&name, 2)).unwrap();
                    }
                });
            }
        }
    });
    stores[0].repository::<Account>().execute(open("last")).unwrap();
    let found = balances(&stores[1]);
    assert_eq!(found.len(), 10);
    assert!(
        found.iter().all(|(name, row)| *row == if name == "last" { (0, 1) } else { (40, 21) }),
        "{found:?}"
    );
}

/// An event of another program that the view can't take stops no append.
#[test]
fn an_inline_view_that_another_program_has_broken_lets_appends_pass() {
    on_server!(server);
    let schema = server.new_schema();
    let (store, other) = (server.store(&schema), server.store(&schema));
    let refused = Arc::new(AtomicU32::new(0));
    let view = SqlBalances { refused: Arc::clone(&refused) };
    let running = store.inline(view, &FollowerOptions::new()).unwrap();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let others = other.repository::<Account>();
    others.execute(open("bob")).unwrap();
    others.execute(deposit("bob", 13)).unwrap();

    refused.store(u32::MAX, Ordering::SeqCst);
    accounts.execute(deposit("alice", 1)).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let mut before = row("alice", 0, 1);
    before.extend(row("bob", 0, 1));
    assert_eq!(balances(&store), before, "the view stays before the event");
    let state = running.state();
    assert_eq!(state.position, Position::new(2));
    assert!(format!("{:?}", state.activity).contains("13 is refused"), "{:?}", state.activity);

    refused.store(0, Ordering::SeqCst);
    // The event is tried again once a second.
    wait_until(|| {
        accounts.execute(deposit("alice", 1)).unwrap();
        balances(&store) != before
    });
    assert_eq!(balances(&store)["bob"], (13, 2));
    assert_eq!(running.state().position, store.position().unwrap());
}

/// A handler that executes a command would wait for its own append.
#[test]
fn an_inline_view_can_not_append() {
    #[derive(Clone, Projection)]
    #[projection(events(Deposited), from(Account), into = Sql, init = "CREATE TABLE notes (n BIGINT)")]
    struct Appends(PostgresStore);

    #[handlers]
    impl Appends {
        #[project]
        fn deposited(&self, _: &Deposited) -> Result<(), BoxError> {
            Ok(self.0.repository::<Account>().execute(open("bob")).map(drop)?)
        }
    }

    on_server!(server);
    let store = server.new_store();
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let running = store.inline(Appends(store.clone()), &FollowerOptions::new()).unwrap();
    let error = accounts.execute(deposit("alice", 1)).unwrap_err();
    assert!(with_causes(&error).contains("`appends` failed at position 2"), "{}", with_causes(&error));
    drop(running);
    accounts.execute(deposit("alice", 1)).unwrap();
}

/// While a view is rebuilt, and when the new one takes its place, each query finds one of them, whole.
#[test]
fn a_view_that_is_rebuilt_serves_all_the_while() {
    on_server!(server);
    let schema = server.new_schema();
    let (store, reader) = (server.store(&schema), server.store(&schema));
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    for _ in 0..300 {
        accounts.execute(deposit("alice", 1)).unwrap();
    }
    let mut view = PostgresProjection::new(&store, SqlBalances::default()).unwrap();
    view.catch_up().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let (mut reads, mut newest) = (0, 0);
            while !is_over.load(Ordering::SeqCst) || reads == 0 {
                let (_, events) = balances(&reader)["alice"];
                assert!(events >= newest, "{events} after {newest}");
                newest = events;
                reads += 1;
            }
            newest
        });
        let over = SetOnDrop(&is_over);
        for _ in 0..3 {
            accounts.execute(deposit("alice", 1)).unwrap();
            assert_eq!(view.rebuild().unwrap().position, store.position().unwrap());
        }
        drop(over);
        assert!(reads.join().unwrap() >= 301);
    });
    assert_eq!(balances(&reader), row("alice", 303, 304));
    let from_scratch = PostgresProjection::from_scratch(&store, SqlBalances::default());
    drop(from_scratch.unwrap());
    assert!(balances(&reader).is_empty());
    let gone = view.catch_up().unwrap();
    assert_eq!((gone.events, balances(&reader)), (304, row("alice", 303, 304)));
}

/// A transaction that has asked which version serves reads that one until it ends: a rebuild waits before it replaces the view.
#[test]
fn the_version_that_serves_stays_until_the_transaction_ends() {
    on_server!(server);
    let store = server.new_store();
    let serving = |transaction: &PostgresTransaction| PostgresProjection::<Deposits>::serving(transaction);
    assert_eq!(serving(&store.begin().unwrap()).unwrap(), None);
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 1)).unwrap();
    let mut view = PostgresProjection::new(&store, Deposits).unwrap();
    view.catch_up().unwrap();
    let tables = format!("\"{}\"", view.schema());
    thread::scope(|scope| {
        let transaction = store.begin().unwrap();
        let found = serving(&transaction).unwrap().unwrap();
        assert_eq!((found.version, found.position.get(), found.rebuilding), (1, 2, None));
        let rebuild = scope.spawn(move || view.rebuild().map(|done| done.position));
        let waits = format!(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = to_regclass('{tables}.factum_view')"
        );
        while server.sql(&waits) != ["1"] {
            assert!(!rebuild.is_finished(), "the view was replaced");
        }
        let found = serving(&transaction).unwrap().unwrap();
        assert_eq!((found.version, found.rebuilding), (1, Some(1)));
        let rows = transaction.query(&format!("SELECT cents FROM {tables}.deposits"), &[]).unwrap();
        assert_eq!(rows.len(), 1);
        transaction.commit().unwrap();
        assert_eq!(rebuild.join().unwrap().unwrap(), store.position().unwrap());
    });
}
