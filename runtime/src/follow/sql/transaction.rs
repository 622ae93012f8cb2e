//! The transaction that the handlers of a view write in, whatever the database.

use crate::follow::error::HandlerError;
use crate::follow::sql::driver::{Failed, SqlDriver};
use crate::follow::sql::error::SqlError;
use crate::follow::sql::parameter::SqlParameter;
use crate::follow::sql::row::SqlRow;
use crate::follow::sql::text::{Part, parameters, parts};
use crate::follow::sql::value::SqlValue;

/// What a handler of a view with [`into = Sql`](crate::follow::Sql) writes with: the transaction of the view's position.
///
/// A statement takes its values as `$1`, `$2`, .. A call has one statement, which begins with one of `SELECT`, `WITH`,
/// `VALUES`, `INSERT`, `UPDATE`, `DELETE`, `CREATE`, `ALTER` and `DROP`. factum refuses others: it commits the transaction.
///
/// After a statement that has failed, each further one fails with [`SqlError::FailedBefore`]. The event has failed, also if the
/// handler returns no error.
pub trait SqlTransaction: sealed::Sealed {
    /// Runs a statement, and returns how many rows it has changed.
    ///
    /// ```
    /// # use factum::follow::{SqlError, SqlTransaction};
    /// fn deposit(sql: &mut dyn SqlTransaction, account: &str, cents: u64) -> Result<bool, SqlError> {
    ///     let update = "UPDATE balances SET cents = cents + $1 WHERE account = $2";
    ///     Ok(sql.execute(update, &[&cents, &account])? > 0)
    /// }
    /// ```
    fn execute(&mut self, sql: &str, values: &[&dyn SqlParameter]) -> Result<u64, SqlError>;

    /// Runs a statement, and returns its rows.
    ///
    /// ```
    /// # use factum::follow::{SqlError, SqlTransaction};
    /// fn overdrawn(sql: &mut dyn SqlTransaction) -> Result<Vec<String>, SqlError> {
    ///     let rows = sql.query("SELECT account FROM balances WHERE cents < $1 ORDER BY account", &[&0])?;
    ///     rows.iter().map(|row| row.get("account")).collect()
    /// }
    /// ```
    fn query(&mut self, sql: &str, values: &[&dyn SqlParameter]) -> Result<Vec<SqlRow>, SqlError>;

    /// Runs a statement, and returns its first row, if it has one.
    fn query_opt(&mut self, sql: &str, values: &[&dyn SqlParameter]) -> Result<Option<SqlRow>, SqlError> {
        Ok(self.query(sql, values)?.into_iter().next())
    }
}

pub(crate) mod sealed {
    /// The databases are factum's own.
    pub trait Sealed {}
}

/// The words that a statement of each view may begin with.
pub(crate) const VIEW_WORDS: [&str; 9] =
    ["select", "with", "values", "insert", "update", "delete", "create", "alter", "drop"];

/// The statements of one event, in the transaction of a driver.
pub(crate) struct SqlStatements<D> {
    driver: D,
    /// The statement that has failed.
    failed: Option<String>,
}

impl<D: SqlDriver> SqlStatements<D> {
    pub(crate) fn new(driver: D) -> Self {
        Self { driver, failed: None }
    }

    /// The result of a handler, which is an error if it has passed over that of a statement.
    pub(crate) fn checked(self, handled: Result<(), HandlerError>) -> Result<(), HandlerError> {
        match (handled, self.failed) {
            (Ok(()), Some(statement)) => {
                Err(HandlerError::Handler(SqlError::FailedBefore { statement }.into()))
            }
            (handled, _) => handled,
        }
    }

    fn run<T>(
        &mut self,
        sql: &str,
        values: &[&dyn SqlParameter],
        work: impl FnOnce(&mut D, &[SqlValue<'_>]) -> Result<T, Failed>,
    ) -> Result<T, SqlError> {
        if let Some(statement) = &self.failed {
            return Err(SqlError::FailedBefore { statement: statement.clone() });
        }
        let statement = || sql.trim().to_owned();
        let result = self.carry_out(sql, values, work);
        if result.is_err() {
            self.failed = Some(statement());
        }
        result
    }

    fn carry_out<T>(
        &mut self,
        sql: &str,
        values: &[&dyn SqlParameter],
        work: impl FnOnce(&mut D, &[SqlValue<'_>]) -> Result<T, Failed>,
    ) -> Result<T, SqlError> {
        let statement = || sql.trim().to_owned();
        if let Some(reason) = refusal(sql, &VIEW_WORDS).or_else(|| self.driver.refusal(sql)) {
            return Err(SqlError::Refused { statement: statement(), reason });
        }
        let (wanted, given) = (parameters(sql), values.len());
        if wanted != given {
            return Err(SqlError::Count { statement: statement(), wanted, given });
        }
        let values = values.iter().zip(1..).map(|(value, number)| {
            value.to_sql().map_err(|source| SqlError::Value { statement: statement(), number, source })
        });
        let values = values.collect::<Result<Vec<_>, _>>()?;
        work(&mut self.driver, &values).map_err(|failed| match failed {
            Failed::Refused(reason) => SqlError::Refused { statement: statement(), reason },
            Failed::Database(source) => SqlError::Database { statement: statement(), source },
        })
    }
}

/// Why no database gets a statement, if so. `words` are those that it may begin with, in lower case.
pub(crate) fn refusal(sql: &str, words: &[&str]) -> Option<String> {
    let mut parts = parts(sql);
    let first = match parts.next() {
        Some(Part::Word(word)) if words.iter().any(|known| word.eq_ignore_ascii_case(known)) => word,
        Some(Part::Word(word)) => {
            return Some(format!(
                "`{word}` is not among the statements of a view, which begin with {}; the transaction is factum's, which \
                 commits it with the view's position",
                words.join(", ").to_ascii_uppercase()
            ));
        }
        _ => return Some("it does not begin with a word".to_owned()),
    };
    let mut rest = parts.skip_while(|part| *part != Part::Symbol(';')).skip(1);
    let has_more = rest.any(|part| part != Part::Symbol(';'));
    has_more.then(|| format!("another statement comes after the {first}, and a call has one"))
}

impl<D: SqlDriver> sealed::Sealed for SqlStatements<D> {}

impl<D: SqlDriver> SqlTransaction for SqlStatements<D> {
    fn execute(&mut self, sql: &str, values: &[&dyn SqlParameter]) -> Result<u64, SqlError> {
        self.run(sql, values, |driver, values| driver.execute(sql, values))
    }

    fn query(&mut self, sql: &str, values: &[&dyn SqlParameter]) -> Result<Vec<SqlRow>, SqlError> {
        self.run(sql, values, |driver, values| driver.query(sql, values))
    }
}
