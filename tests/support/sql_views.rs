//! Views with `into = Sql`, and what holds for them in each database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use factum::follow::{Activity, FollowerOptions, KeepsSql, KeepsTables, OnFailure, SqlRow, WaitError};
use factum::prelude::*;
use factum::{ExecuteOptions, Position, Uuid, with_causes};

use super::account::{Account, Deposited, Opened, Withdrawn, deposit, open, withdraw};

/// A time that no wait takes, unless the test fails.
const LONG: Duration = Duration::from_mins(1);

/// The balance of each account, and the number of its events: an event that is missed or counted twice shows.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    name = "sql-balances",
    events(Opened, Deposited, Withdrawn),
    from(Account),
    into = Sql,
    partition_by = stream,
    init = "CREATE TABLE balances (account TEXT PRIMARY KEY, cents BIGINT NOT NULL, events BIGINT NOT NULL)",
)]
pub(crate) struct SqlBalances {
    /// How many more deposits of 13 fail.
    pub(crate) refused: Arc<AtomicU32>,
}

#[handlers]
impl SqlBalances {
    #[project]
    fn opened(&self, _: &Opened, account: &str, sql: &mut dyn SqlTransaction) -> Result<(), SqlError> {
        add(sql, account, 0)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        envelope: &Envelope<'_>,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), BoxError> {
        add(sql, envelope.key, event.cents)?;
        let take = |left: u32| left.checked_sub(1);
        if event.cents == 13 && self.refused.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            return Err("13 is refused".into());
        }
        Ok(())
    }

    #[project]
    fn withdrawn(
        &mut self,
        event: &Withdrawn,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        add(sql, account, -event.cents)
    }
}

fn add(sql: &mut dyn SqlTransaction, account: &str, cents: i64) -> Result<(), SqlError> {
    let changed = sql.execute(
        "INSERT INTO balances VALUES ($1, $2, 1)
         ON CONFLICT (account) DO UPDATE SET cents = balances.cents + excluded.cents, events = balances.events + 1",
        &[&account, &cents],
    )?;
    assert_eq!(changed, 1);
    Ok(())
}

/// Cents and number of events of each account.
pub(crate) type Rows = BTreeMap<String, (i64, u64)>;

pub(crate) fn balances(store: &impl KeepsSql) -> Rows {
    let rows = store.sql_view::<SqlBalances>().query("SELECT account, cents, events FROM balances", &[]);
    rows.unwrap().iter().map(balance).collect::<Result<_, _>>().unwrap()
}

fn balance(row: &SqlRow) -> Result<(String, (i64, u64)), SqlError> {
    Ok((row.get("account")?, (row.get(1)?, row.get("events")?)))
}

pub(crate) fn row(account: &str, cents: i64, events: u64) -> Rows {
    BTreeMap::from([(account.to_owned(), (cents, events))])
}

/// Executes the statements of a test, once for each event.
#[derive(Clone, Projection)]
#[projection(
    name = "probe",
    events(Deposited),
    from(Account),
    into = Sql,
    init = "CREATE TABLE notes (number BIGINT PRIMARY KEY, flag BOOLEAN, fraction DOUBLE PRECISION, word TEXT, bytes BYTEA, \
            id UUID, at TIMESTAMPTZ)"
)]
struct Probe(Arc<Statements>);

type Statements = dyn Fn(&mut dyn SqlTransaction, &Deposited) -> Result<(), BoxError> + Send + Sync;

impl Probe {
    fn new(
        run: impl Fn(&mut dyn SqlTransaction, &Deposited) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(run))
    }
}

#[handlers]
impl Probe {
    #[project]
    fn deposited(&self, event: &Deposited, sql: &mut dyn SqlTransaction) -> Result<(), BoxError> {
        (self.0)(sql, event)
    }
}

/// Runs a view until it has seen all events.
pub(crate) fn run<S: KeepsSql, P: Projection<Target = Sql> + Send + 'static>(
    store: &S,
    view: P,
    options: &FollowerOptions,
) -> Result<(), BoxError> {
    let running = store.follow(store, view, options)?;
    let waited = running.wait_for(store.position()?, LONG);
    running.stop_within(LONG)?;
    Ok(waited?)
}

/// Appends an event of each kind.
fn with_deposit<S: KeepsSql>(store: &S) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 7)).unwrap();
}

pub(crate) fn a_view_follows_and_is_queried<S: KeepsSql>(store: &S) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let view = store.sql_view::<SqlBalances>();
    let missing = view.query("SELECT account FROM balances", &[]).unwrap_err();
    assert!(matches!(missing, SqlError::NoView { view: "sql-balances", .. }), "{missing}");

    let running = store.follow(store, SqlBalances::default(), &FollowerOptions::new()).unwrap();
    accounts.execute(deposit("alice", 5)).unwrap();
    accounts.execute(withdraw("alice", 2)).unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    assert_eq!(balances(store), row("alice", 3, 3));
    accounts.execute(deposit("alice", 1)).unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    running.stop_within(LONG).unwrap();
    assert_eq!(balances(store), row("alice", 4, 4));

    let of = "SELECT cents FROM balances WHERE account = $1 AND events > $2";
    let cents = view.query_opt(of, &[&"alice", &3_u32]).unwrap().unwrap().get::<i64>("cents").unwrap();
    assert_eq!((cents, view.query_opt(of, &[&"bob", &0]).unwrap()), (4, None));
    // Both queries see one state, and neither may write.
    let sum = view.read(|sql| {
        let count = sql.query("SELECT count(*), sum(cents) AS cents FROM balances", &[])?.remove(0);
        Ok((count.get::<u64>(0)?, count.get::<i64>("cents")?, count.columns().len()))
    });
    assert_eq!(sum.unwrap(), (1, 4, 2));
    let written = view.read(|sql| sql.execute("DELETE FROM balances", &[])).unwrap_err();
    assert!(matches!(written, SqlError::Database { .. }), "{written}");
    assert_eq!(balances(store), row("alice", 4, 4));
}

pub(crate) fn values_come_back<S: KeepsSql>(store: &S) {
    with_deposit(store);
    let id = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    let (early, late) = (Timestamp::from_micros(-1), Timestamp::from_micros(1_794_000_000_123_456));
    let insert = "INSERT INTO notes VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let probe = Probe::new(move |sql, _| {
        let none: Option<i64> = None;
        let word = String::from("größer; -- '$1'");
        sql.execute(insert, &[&i64::MAX, &true, &1.5, &word, &vec![0_u8, 255], &id, &late])?;
        sql.execute(insert, &[&i64::MIN, &Some(false), &f64::MIN, &"", &&[][..], &Uuid::nil(), &early])?;
        sql.execute(insert, &[&0_u8, &none, &none, &none, &none, &none, &none])?;
        // A value at several places, and one that is not in the order of its places.
        let row = sql
            .query_opt(
                "SELECT word FROM notes WHERE number = $2 AND at = $1 AND id = $3",
                &[&late, &i64::MAX, &id],
            )?
            .ok_or("not found")?;
        assert_eq!(row.get::<&str>("word")?, word);
        assert_eq!(
            sql.execute("UPDATE notes SET flag = $1 WHERE flag = $1 OR word = $2", &[&true, &word])?,
            1
        );
        assert_eq!(sql.execute("UPDATE notes SET flag = $1 WHERE number = 5", &[&true])?, 0);
        Ok(())
    });
    run(store, probe, &FollowerOptions::new()).unwrap();

    let view = store.sql_view::<Probe>();
    let rows = view.query("SELECT * FROM notes ORDER BY number", &[]).unwrap();
    let [least, zero, most] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(most.columns(), ["number", "flag", "fraction", "word", "bytes", "id", "at"]);
    assert_eq!(most.get::<i64>("number").unwrap(), i64::MAX);
    assert!(most.get::<bool>("flag").unwrap());
    assert_eq!(most.get::<u8>("flag").unwrap(), 1);
    assert_eq!(most.get::<Option<f64>>("fraction").unwrap(), Some(1.5));
    assert_eq!(most.get::<String>("word").unwrap(), "größer; -- '$1'");
    assert_eq!(most.get::<&[u8]>("bytes").unwrap(), [0, 255]);
    assert_eq!(most.get::<Uuid>("id").unwrap(), id);
    assert_eq!(most.get::<String>("id").unwrap(), id.to_string());
    assert_eq!(most.get::<Timestamp>("at").unwrap(), late);
    assert_eq!(most.get::<i64>("at").unwrap(), late.as_micros());
    assert_eq!(least.get::<i64>(0).unwrap(), i64::MIN);
    assert!(!least.get::<bool>("flag").unwrap());
    assert_eq!(least.get::<Option<f64>>("fraction").unwrap(), Some(f64::MIN));
    assert_eq!((least.get::<&str>("word").unwrap(), least.get::<Vec<u8>>("bytes").unwrap()), ("", vec![]));
    assert_eq!(least.get::<Timestamp>("at").unwrap(), early);
    for column in ["flag", "fraction", "word", "bytes", "id", "at"] {
        assert_eq!(zero.get::<Option<i64>>(column).unwrap(), None, "{column}");
        let error = zero.get::<i64>(column).unwrap_err().to_string();
        assert!(error.starts_with(&format!("the column `{column}` of `SELECT * FROM notes")), "{error}");
        assert!(error.ends_with("is NULL, and can't be read as `i64`"), "{error}");
    }
    // What the databases compute has types of their own.
    let computed = "SELECT sum(number + 1) AS sum, avg(number) AS avg, count(*) AS count, max(fraction) AS max, \
                    coalesce(sum(number), 0) > 5 AS more FROM notes WHERE number <> $1 AND number <> $2";
    let row = view.query_opt(computed, &[&i64::MAX, &i64::MIN]).unwrap().unwrap();
    assert_eq!(row.get::<u64>("sum").unwrap(), 1);
    assert_eq!(row.get::<Option<f64>>("avg").unwrap(), Some(0.0));
    assert_eq!(row.get::<i32>("count").unwrap(), 1);
    assert_eq!(row.get::<Option<f64>>("max").unwrap(), None);
    assert!(!row.get::<bool>("more").unwrap());
    let row = view.query_opt("SELECT avg(n) AS avg FROM (SELECT 1 AS n UNION SELECT 2) AS two", &[]);
    assert_eq!(row.unwrap().unwrap().get::<Option<f64>>("avg").unwrap(), Some(1.5));
    let row = view.query_opt("SELECT CAST($1 AS BIGINT) + 1 AS next", &[&41]).unwrap().unwrap();
    assert_eq!(row.get::<u64>("next").unwrap(), 42);
    let error = row.get::<u8>("last").unwrap_err().to_string();
    assert!(error.ends_with("is not there: the columns are `next`"), "{error}");
}

pub(crate) fn what_no_database_keeps_is_refused<S: KeepsSql>(store: &S) {
    with_deposit(store);
    run(store, Probe::new(|_, _| Ok(())), &FollowerOptions::new()).unwrap();
    let view = store.sql_view::<Probe>();
    let refused = |sql: &str, values: &[&dyn factum::follow::SqlParameter]| {
        with_causes(&view.query(sql, values).unwrap_err())
    };
    let sql = "SELECT number FROM notes WHERE number = $1";
    let too_large = refused(sql, &[&u64::MAX]);
    assert!(
        too_large.starts_with(
            "the value $1 of `SELECT number FROM notes WHERE number = $1` is more than 9223372036854775807"
        ),
        "{too_large}"
    );
    assert!(refused("SELECT number FROM notes WHERE fraction = $1", &[&f64::NAN]).contains("not a number"));
    assert!(refused("SELECT number FROM notes WHERE word = $1", &[&"a\0b"]).contains("NUL"));
    assert!(refused(sql, &[]).contains("takes 1 values, and gets 0"));
    assert!(refused(sql, &[&1, &2]).contains("takes 1 values, and gets 2"));
    assert!(refused("SELECT number FROM notes WHERE number = ?1", &[&1]).contains("`SELECT number FROM"));
    assert!(refused("SELECT nothing FROM notes", &[]).starts_with("`SELECT nothing FROM notes` failed: "));
}

pub(crate) fn the_transaction_is_factums<S: KeepsSql>(store: &S) {
    with_deposit(store);
    for statement in [
        "COMMIT",
        "commit; ",
        "/* well */ ROLLBACK",
        "END",
        "ABORT",
        "BEGIN",
        "SAVEPOINT one",
        "RELEASE one",
        "SET search_path = public",
        "PRAGMA foreign_keys = 1",
        "PREPARE TRANSACTION 'one'",
        "SELECT 1; COMMIT",
        "",
    ] {
        let probe = Probe::new(move |sql, _| {
            sql.execute("INSERT INTO notes (number) VALUES (1)", &[])?;
            Ok(sql.execute(statement, &[]).map(drop)?)
        });
        let error = run(store, probe, &FollowerOptions::new()).unwrap_err();
        let error = with_causes(&*error);
        assert!(error.starts_with("`probe` failed at position 2 (account/alice, version 2): "), "{error}");
        assert!(error.contains(&format!("`{}` is refused", statement.trim())), "{error}");
        assert_eq!(
            store.sql_view::<Probe>().query("SELECT number FROM notes", &[]).unwrap(),
            [],
            "{statement}"
        );
    }
    // In a literal or a comment, the words mean nothing.
    let probe = Probe::new(|sql, _| {
        let sql_text = "INSERT INTO notes (number, word) VALUES (1, '; COMMIT') -- ; ROLLBACK\n ;";
        Ok(sql.execute(sql_text, &[]).map(drop)?)
    });
    run(store, probe, &FollowerOptions::new()).unwrap();
    let row = store.sql_view::<Probe>().query_opt("SELECT word FROM notes", &[]).unwrap().unwrap();
    assert_eq!(row.get::<&str>(0).unwrap(), "; COMMIT");
}

/// PostgreSQL does nothing more in a transaction in which a statement has failed.
pub(crate) fn a_failed_statement_fails_its_event<S: KeepsSql>(store: &S) {
    with_deposit(store);
    let accounts = store.repository::<Account>();
    accounts.execute(deposit("alice", 1)).unwrap();
    let probe = Probe::new(|sql, event| {
        sql.execute("INSERT INTO notes (number) VALUES ($1)", &[&event.cents])?;
        if event.cents == 7 {
            let again = "INSERT INTO notes (number) VALUES ($1)";
            let error = sql.execute(again, &[&7]).unwrap_err();
            assert!(matches!(&error, SqlError::Database { statement, .. } if statement == again), "{error}");
            let next = sql.query("SELECT number FROM notes", &[]).unwrap_err();
            assert!(
                matches!(&next, SqlError::FailedBefore { statement, .. } if statement == again),
                "{next}"
            );
        }
        Ok(())
    });
    let options = FollowerOptions::new().on_failure(OnFailure::DeadLetter);
    let running = store.follow(store, probe, &options).unwrap();
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    running.stop_within(LONG).unwrap();
    let rows = store.sql_view::<Probe>().query("SELECT number FROM notes", &[]).unwrap();
    let numbers: Vec<i64> = rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>().unwrap();
    assert_eq!(numbers, [1], "the event of 7 is a dead letter, and has written nothing");
}

pub(crate) fn several_workers_share_a_view(store: &(impl KeepsSql + KeepsTables<Sql>)) {
    let accounts = store.repository::<Account>();
    let names: Vec<_> = (0..12).map(|number| format!("account-{number}")).collect();
    for name in &names {
        accounts.execute(open(name)).unwrap();
        accounts.execute(deposit(name, 13)).unwrap();
    }
    let view = SqlBalances { refused: Arc::new(3.into()) };
    let options = FollowerOptions::new().workers(3).retry(5).delay(Duration::from_millis(1));
    let running = store.share(store, view, &options).unwrap();
    for name in &names {
        accounts.execute(withdraw(name, 3)).unwrap();
    }
    running.wait_for(store.position().unwrap(), LONG).unwrap();
    running.stop_within(LONG).unwrap();
    let expected: Rows = names.iter().map(|name| (name.clone(), (10, 3))).collect();
    assert_eq!(balances(store), expected);
}

pub(crate) fn an_inline_view_is_part_of_each_append(store: &(impl KeepsSql + KeepsTables<Sql>)) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    let view = SqlBalances { refused: Arc::new(1.into()) };
    let running = store.inline(view, &FollowerOptions::new()).unwrap();
    assert_eq!(balances(store), row("alice", 0, 1), "the view has the earlier event");
    for round in 1..=5 {
        accounts.execute(deposit("alice", 1)).unwrap();
        assert_eq!(balances(store), row("alice", round, 1 + round.unsigned_abs()));
    }
    let refused = accounts.execute(deposit("alice", 13)).unwrap_err();
    assert!(with_causes(&refused).ends_with("13 is refused"), "{}", with_causes(&refused));
    assert_eq!((balances(store), store.position().unwrap()), (row("alice", 5, 6), Position::new(6)));
    accounts.execute(deposit("alice", 13)).unwrap();
    assert_eq!(balances(store), row("alice", 18, 7));
    drop(running);
    accounts.execute(deposit("alice", 2)).unwrap();
    assert_eq!(balances(store), row("alice", 18, 7), "without the view");
    let _running = store.inline(SqlBalances::default(), &FollowerOptions::new()).unwrap();
    assert_eq!(balances(store), row("alice", 20, 8), "it has caught up");
}

/// Another program has appended without the view. A wait catches the view up, or ends with what keeps it behind.
pub(crate) fn a_wait_brings_an_inline_view_up_to_date<S: KeepsSql + KeepsTables<Sql>>(with: &S, without: &S) {
    let view = SqlBalances { refused: Arc::new(1.into()) };
    let running = with.inline(view, &FollowerOptions::new()).unwrap();
    let accounts = without.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    running.wait_for(without.position().unwrap(), LONG).unwrap();
    assert_eq!((balances(with), running.state().activity), (row("alice", 0, 1), Activity::Running));
    accounts.execute(deposit("alice", 13)).unwrap();
    let error = running.wait_for(without.position().unwrap(), LONG).unwrap_err();
    assert!(matches!(error, WaitError::Ended { .. }), "{error}");
    let Activity::Stopped { error: Some(error), .. } = running.state().activity else { panic!("no error") };
    assert!(error.ends_with("13 is refused"), "{error}");
    // The event is tried again by the appends of this program.
    let appended = || {
        with.repository::<Account>()
            .execute_with(deposit("alice", 1), &ExecuteOptions::new().retry(9))
            .unwrap();
        std::thread::sleep(Duration::from_millis(5));
        running.state().activity
    };
    while appended() != Activity::Running {}
    assert_eq!(balances(with)["alice"].1, with.position().unwrap().get());
}

/// A newer version of the view, with another table.
#[derive(Debug, Default, Clone, Projection)]
#[projection(
    name = "sql-balances",
    version = 2,
    events(Opened, Deposited, Withdrawn),
    from(Account),
    into = Sql,
    init = "CREATE TABLE balances (owner TEXT PRIMARY KEY, euros DOUBLE PRECISION NOT NULL DEFAULT 0)"
)]
pub(crate) struct SqlEuros;

#[handlers]
impl SqlEuros {
    #[project]
    fn opened(&self, _: &Opened, account: &str, sql: &mut dyn SqlTransaction) -> Result<(), SqlError> {
        sql.execute("INSERT INTO balances (owner) VALUES ($1)", &[&account]).map(drop)
    }

    #[project]
    fn deposited(
        &self,
        event: &Deposited,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        let add = "UPDATE balances SET euros = euros + $1 / 100.0 WHERE owner = $2";
        sql.execute(add, &[&event.cents, &account]).map(drop)
    }

    #[project]
    fn withdrawn(
        &self,
        event: &Withdrawn,
        account: &str,
        sql: &mut dyn SqlTransaction,
    ) -> Result<(), SqlError> {
        let subtract = "UPDATE balances SET euros = euros - $1 / 100.0 WHERE owner = $2";
        sql.execute(subtract, &[&event.cents, &account]).map(drop)
    }
}

pub(crate) fn a_newer_version_is_rebuilt<S: KeepsSql>(store: &S) {
    let accounts = store.repository::<Account>();
    accounts.execute(open("alice")).unwrap();
    accounts.execute(deposit("alice", 250)).unwrap();
    run(store, SqlBalances::default(), &FollowerOptions::new()).unwrap();
    assert_eq!(balances(store), row("alice", 250, 2));
    accounts.execute(withdraw("alice", 100)).unwrap();
    run(store, SqlEuros, &FollowerOptions::new()).unwrap();
    let row = store.sql_view::<SqlEuros>().query_opt("SELECT * FROM balances", &[]).unwrap().unwrap();
    assert_eq!((row.get::<&str>("owner").unwrap(), row.get::<f64>("euros").unwrap()), ("alice", 1.5));
    let older = run(store, SqlBalances::default(), &FollowerOptions::new()).unwrap_err();
    assert!(with_causes(&*older).ends_with("a newer program has made it"), "{older}");
}
