//! The transaction that the handlers of a view get.

use std::cell::{Cell, RefCell};
use std::fmt;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::domain::error::BoxError;
use crate::follow::sql::driver::Failed;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::text::{Part, parts};
use crate::follow::sql::transaction::{VIEW_WORDS, refusal};
use crate::postgres::projection::schema::ViewSchema;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// What the statements of a view with `into = Postgres` begin with besides those of every view.
const WORDS: [&str; 9] = ["analyze", "call", "comment", "do", "lock", "merge", "notify", "table", "truncate"];

/// The transaction that the handlers of a view with [`into = Postgres`](crate::postgres::Postgres) write in.
///
/// ```no_run
/// use factum::follow::SqlError;
/// use factum::postgres::{Postgres, PostgresProjection, ViewTransaction};
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Projection)]
/// #[projection(
///     events(MoneyDeposited),
///     from(BankAccount),
///     into = Postgres,
///     init = "CREATE TABLE deposits (account text PRIMARY KEY, cents bigint NOT NULL)",
/// )]
/// struct Deposits;
///
/// #[handlers]
/// impl Deposits {
///     #[project]
///     fn deposited(
///         &self,
///         event: &MoneyDeposited,
///         account: &str,
///         view: &ViewTransaction<'_>,
///     ) -> Result<(), SqlError> {
///         view.queue(
///             "INSERT INTO deposits VALUES ($1, $2)
///              ON CONFLICT (account) DO UPDATE SET cents = deposits.cents + excluded.cents",
///             &[&account, &event.cents.cast_signed()],
///         )
///     }
/// }
///
/// let store = PostgresStore::connect("postgresql://bank@localhost/bank")?;
/// PostgresProjection::new(&store, Deposits)?.catch_up()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Names without a schema are those of the view's own. Other tables need their schema, as `public.customers`. factum refuses
/// statements that would end the transaction or name the store's schema.
pub struct ViewTransaction<'t> {
    transaction: &'t PostgresTransaction,
    schema: &'t ViewSchema,
    /// The name of the store's schema.
    store: &'t str,
    /// Whether the server has not answered a statement that the handler of this event has queued.
    has_queued: Cell<bool>,
    /// Whether it has not answered one of an earlier event.
    has_earlier: Cell<bool>,
    /// The error of a statement that an earlier event has queued.
    late: RefCell<Option<StoreError>>,
    /// The statement of this event that has failed.
    failed: RefCell<Option<String>>,
}

impl<'t> ViewTransaction<'t> {
    pub(super) fn new(transaction: &'t PostgresTransaction, schema: &'t ViewSchema, store: &'t str) -> Self {
        Self {
            transaction,
            schema,
            store,
            has_queued: Cell::new(false),
            has_earlier: Cell::new(false),
            late: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    pub(super) fn transaction(&self) -> &'t PostgresTransaction {
        self.transaction
    }

    /// Runs a statement. Returns how many rows it has changed.
    pub fn execute(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<u64, SqlError> {
        self.run(sql, |sql| self.answered(|transaction| transaction.execute(sql, values)))
    }

    /// Runs a statement. Returns its rows.
    pub fn query(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, SqlError> {
        self.run(sql, |sql| self.answered(|transaction| transaction.query(sql, values)))
    }

    /// Sends a statement, and does not wait for the server: many statements, also of many events, take one round trip.
    ///
    /// If the server refuses it, the error of the follower names the event all the same. It comes with the next statement that
    /// waits, or with the commit. The view then finds the event by smaller transactions.
    pub fn queue(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), SqlError> {
        self.run(sql, |sql| {
            self.has_queued.set(true);
            self.transaction.queue(sql, values)
        })
    }

    /// Adds rows to a table by `COPY`, which is faster than a statement for each. Returns their number.
    ///
    /// `columns` are the names of the columns that the rows have values for, in order.
    ///
    /// ```no_run
    /// # use factum::follow::SqlError;
    /// # use factum::postgres::ViewTransaction;
    /// # use factum::postgres::tokio_postgres::types::ToSql;
    /// fn lines(view: &ViewTransaction<'_>, order: &str, articles: &[(String, i64)]) -> Result<(), SqlError> {
    ///     let rows: Vec<[&(dyn ToSql + Sync); 3]> =
    ///         articles.iter().map(|(article, count)| [&order as _, article as _, count as _]).collect();
    ///     let rows: Vec<_> = rows.iter().map(|row| &row[..]).collect();
    ///     view.copy("lines", &["order_id", "article", "count"], &rows).map(drop)
    /// }
    /// ```
    pub fn copy(
        &self,
        table: &str,
        columns: &[&str],
        rows: &[&[&(dyn ToSql + Sync)]],
    ) -> Result<u64, SqlError> {
        self.run(&format!("TABLE {table}"), |_| {
            let mark = &self.schema.mark;
            self.answered(|transaction| transaction.copy_marked(mark, table, columns, rows))
        })
    }

    fn run<T>(&self, sql: &str, work: impl FnOnce(&str) -> Result<T, StoreError>) -> Result<T, SqlError> {
        let statement = || sql.trim().to_owned();
        if let Some(statement) = &*self.failed.borrow() {
            return Err(SqlError::FailedBefore { statement: statement.clone() });
        }
        let words = [&VIEW_WORDS[..], &WORDS].concat();
        let result = match refusal(sql, &words).or_else(|| self.refusal(sql)) {
            Some(reason) => Err(SqlError::Refused { statement: statement(), reason }),
            None => work(&self.marked(sql))
                .map_err(|error| SqlError::Database { statement: statement(), source: source_of(error) }),
        };
        if result.is_err() {
            *self.failed.borrow_mut() = Some(statement());
        }
        result
    }

    /// The result of a statement that waits for the server, after those that earlier events have queued.
    pub(super) fn answered<T>(
        &self,
        work: impl FnOnce(&PostgresTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.has_earlier.get()
            && let Err(error) = self.transaction.wait()
        {
            *self.late.borrow_mut() = Some(error.duplicate());
            return Err(error);
        }
        let result = work(self.transaction);
        self.has_earlier.set(false);
        self.has_queued.set(false);
        result
    }

    /// Why a statement is refused that is about the store's own tables.
    pub(super) fn refusal(&self, sql: &str) -> Option<String> {
        let mut parts = parts(sql).peekable();
        while let Some(part) = parts.next() {
            if part.is_name(self.store) && parts.peek() == Some(&Part::Symbol('.')) {
                return Some(format!(
                    "the schema `{}` is that of the store, whose tables are factum's; a handler writes to tables of its own",
                    self.store
                ));
            }
        }
        None
    }

    /// The statement as the session knows it.
    pub(super) fn marked(&self, sql: &str) -> String {
        format!("{}{sql}", self.schema.mark)
    }

    pub(super) fn begin_event(&self) {
        self.has_earlier.set(self.has_earlier.get() | self.has_queued.replace(false));
    }

    /// The statement of this event that has failed, if one has.
    pub(super) fn take_failed(&self) -> Option<String> {
        self.failed.take()
    }

    /// The error of a statement that an earlier event has queued, if one has failed.
    pub(super) fn take_late(&self) -> Option<StoreError> {
        self.late.take()
    }

    /// Waits for the answers to all statements that were queued.
    pub(super) fn wait(&self) -> Result<(), StoreError> {
        if self.has_queued.replace(false) | self.has_earlier.replace(false) {
            self.transaction.wait()
        } else {
            Ok(())
        }
    }
}

/// Why a view's `init` is refused, if so.
pub(super) fn refused_definition(init: &str) -> Option<String> {
    let all: Vec<_> = parts(init).collect();
    let ends = [
        "begin",
        "start",
        "commit",
        "end",
        "rollback",
        "abort",
        "savepoint",
        "release",
        "prepare",
        "set",
        "reset",
    ];
    all.split(|part| *part == Part::Symbol(';')).find_map(|statement| match statement.first()? {
        Part::Word(word) if ends.iter().any(|end| word.eq_ignore_ascii_case(end)) => Some(format!(
            "`{word}` is refused: the transaction is factum's, which makes the view's tables in it"
        )),
        _ => None,
    })
}

/// The server's error, or that of the store if it could not ask.
pub(super) fn source_of(error: StoreError) -> BoxError {
    match error {
        StoreError::Other(source) => source,
        error => error.into(),
    }
}

pub(super) fn failed(error: StoreError) -> Failed {
    Failed::Database(source_of(error))
}

impl fmt::Debug for ViewTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewTransaction").finish_non_exhaustive()
    }
}
