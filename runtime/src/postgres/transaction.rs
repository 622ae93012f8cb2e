//! A write transaction that a caller without a runtime holds.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Statement};

use crate::postgres::server::session::EncodedValue;
use crate::postgres::store::PostgresStore;
use crate::postgres::store::lost::Trace;
use crate::postgres::store::transactions::{Done, Held, Mode, Step, Work, answer};
use crate::store::error::StoreError;

/// How many bytes of queued statements are sent before the answer to the first of them.
const MOST_QUEUED: usize = 1 << 20;

/// What a statement takes besides its values, roughly.
const STATEMENT_BYTES: usize = 256;

/// A transaction in a database that has a store, in a session of its own. If it is dropped, as by an error or a panic,
/// nothing of it is stored.
///
/// ```no_run
/// use factum::prelude::*;
///
/// let store = PostgresStore::connect("postgresql://bank@localhost/bank")?;
/// let transaction = store.begin()?;
/// let name = "alice";
/// transaction.execute("UPDATE public.customers SET orders = orders + 1 WHERE name = $1", &[&name])?;
/// for row in transaction.query("SELECT orders FROM public.customers WHERE name = $1", &[&name])? {
///     let orders: i64 = row.get(0);
///     println!("{orders}");
/// }
/// transaction.commit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Names need their schema, as `public` above: the session has no search path. It reads what is committed
/// (`READ COMMITTED`), and plans each statement once.
///
/// # Errors
///
/// A statement fails with
///
/// * [`StoreError::Other`] if the server refuses it. The source is the client's error, with the server's code and message.
/// * [`StoreError::Busy`] if it waits too long for a lock, takes too long, or is one of a deadlock.
/// * [`StoreError::Unreachable`] if the connection breaks.
///
/// A transaction whose caller says nothing for longer than
/// [`PostgresOptions::outage_timeout`](crate::postgres::PostgresOptions::outage_timeout) is rolled back, so that others do not wait
/// for its locks.
///
/// PostgreSQL ends a transaction with the first statement that fails. So each later statement fails with the same error, and
/// so does the commit.
pub struct PostgresTransaction {
    held: Held,
    /// The bytes that were queued since the last answer.
    queued: AtomicUsize,
    /// Keeps the thread that talks to the server.
    store: PostgresStore,
}

impl PostgresStore {
    /// Begins a transaction, for tables of your own beside the store's.
    ///
    /// Waits for a session if [`PostgresOptions::transactions`](crate::postgres::PostgresOptions::transactions) are going on.
    /// The thread that holds a transaction must not wait for a second one. Such a wait ends with [`StoreError::Busy`].
    pub fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        self.begin_as(Mode::Write)
    }

    /// Begins a transaction that only reads, all of it in one state.
    pub(crate) fn begin_reading(&self) -> Result<PostgresTransaction, StoreError> {
        self.begin_as(Mode::Read)
    }

    fn begin_as(&self, mode: Mode) -> Result<PostgresTransaction, StoreError> {
        let held = self.hold_session(mode)?;
        Ok(PostgresTransaction { held, queued: AtomicUsize::new(0), store: self.clone() })
    }
}

impl PostgresTransaction {
    /// Runs a statement. Returns how many rows it has changed.
    pub fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, StoreError> {
        let (statement, values) = self.encode(sql, values)?;
        match self.ask(Work::Execute(statement, values))? {
            Done::Changed(rows) => Ok(rows),
            _ => Err(other_answer()),
        }
    }

    /// Runs a statement. Returns its rows.
    pub fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, StoreError> {
        let (statement, values) = self.encode(sql, values)?;
        match self.ask(Work::Query(statement, values))? {
            Done::Rows(rows) => Ok(rows),
            _ => Err(other_answer()),
        }
    }

    /// Sends a statement, and does not wait for the server: many statements take one round trip.
    ///
    /// Its error is that of the next call, or of the commit.
    pub fn queue(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
        let (statement, values) = self.encode(sql, values)?;
        let bytes = STATEMENT_BYTES + values.iter().map(EncodedValue::len).sum::<usize>();
        self.send(Step { work: Work::Execute(statement, values), reply: None });
        // What waits for the server takes memory.
        if self.queued.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_QUEUED {
            self.wait()
        } else {
            Ok(())
        }
    }

    /// Adds rows to a table by `COPY`, which is faster than a statement for each. Returns their number.
    ///
    /// `table` is the table's name in SQL, and `columns` those of the columns that the rows have values for, in order.
    pub fn copy(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[&[&(dyn ToSql + Sync)]],
    ) -> Result<u64, StoreError> {
        self.copy_marked("", table, columns, rows)
    }

    /// Adds rows as [`copy`](Self::copy) does. The session knows the types of the columns by the mark, too.
    pub(crate) fn copy_marked(
        &self,
        mark: &str,
        table: &str,
        columns: &[&str],
        rows: &[&[&(dyn ToSql + Sync)]],
    ) -> Result<u64, StoreError> {
        let columns = columns.join(", ");
        let read = format!("{mark}SELECT {columns} FROM {table}");
        let (statement, _) = self.encode(&read, &[])?;
        let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
        let encoded = rows.iter().map(|row| encode(&read, &types, row)).collect::<Result<_, _>>()?;
        let copy = format!("COPY {table} ({columns}) FROM STDIN BINARY");
        match self.ask(Work::Copy(copy, types, encoded))? {
            Done::Changed(rows) => Ok(rows),
            _ => Err(other_answer()),
        }
    }

    /// Waits until all queued statements are carried out.
    pub fn wait(&self) -> Result<(), StoreError> {
        self.ask(Work::Wait).map(drop)
    }

    /// Runs statements without values, separated by `;`, such as those that make tables.
    pub fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.ask(Work::Run(sql.to_owned())).map(drop)
    }

    /// Runs statements without values, separated by `;`. Returns the first column of the first row, as text.
    pub(crate) fn run_for_text(&self, sql: &str) -> Result<Option<String>, StoreError> {
        match self.ask(Work::RunForText(sql.to_owned()))? {
            Done::Text(text) => Ok(text),
            _ => Err(other_answer()),
        }
    }

    /// Commits.
    ///
    /// If the connection breaks meanwhile, the store waits until the server can no longer commit, and then finds out whether
    /// it has. An error means that nothing is stored, except for [`StoreError::CommitUnknown`]: the server was not back after
    /// [`PostgresOptions::outage_timeout`](crate::postgres::PostgresOptions::outage_timeout), or a standby has taken over.
    pub fn commit(self) -> Result<(), StoreError> {
        self.commit_with(None)
    }

    /// Commits. By the trace, another server that has taken over can tell whether it has the commit.
    pub(crate) fn commit_with(self, trace: Option<Trace>) -> Result<(), StoreError> {
        self.ask(Work::Commit(trace)).map(drop)
    }

    /// The number of the session.
    pub(crate) fn token(&self) -> i64 {
        self.held.token
    }

    pub(crate) fn store(&self) -> &PostgresStore {
        &self.store
    }

    /// The statement in this session, and values as it takes them.
    fn encode(
        &self,
        sql: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<(Statement, Vec<EncodedValue>), StoreError> {
        // A column may have another type than when the session prepared the statement.
        if let Some(statement) = self.held.prepared.get(sql)
            && let Ok(values) = encode(sql, statement.params(), values)
        {
            return Ok((statement, values));
        }
        let Done::Prepared(statement) = self.ask(Work::Prepare(sql.to_owned()))? else {
            return Err(other_answer());
        };
        let values = encode(sql, statement.params(), values)?;
        self.held.prepared.add(sql, &statement);
        Ok((statement, values))
    }

    fn ask(&self, work: Work) -> Result<Done, StoreError> {
        let (reply, done) = mpsc::channel();
        self.send(Step { work, reply: Some(reply) });
        self.queued.store(0, Ordering::Relaxed);
        answer(&done)
    }

    fn send(&self, step: Step) {
        // If the thread has ended, so has the other end of the step's reply.
        drop(self.held.steps.send(step));
    }
}

impl fmt::Debug for PostgresTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTransaction").finish_non_exhaustive()
    }
}

fn encode(
    sql: &str,
    types: &[Type],
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<EncodedValue>, StoreError> {
    if types.len() != values.len() {
        let problem =
            format!("the statement has {} values, and {} are given: {sql}", types.len(), values.len());
        return Err(StoreError::Other(problem.into()));
    }
    let encoded = values.iter().zip(types).map(|(value, of)| EncodedValue::new(*value, of));
    encoded.collect::<Result<_, _>>().map_err(StoreError::Other)
}

fn other_answer() -> StoreError {
    StoreError::Other("the thread that talks to the server has given another answer".into())
}
