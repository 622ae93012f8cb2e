//! factum's own statements on the tables of followers, in a transaction or by themselves.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::postgres::server::names::unescaped;
use crate::postgres::server::session::Value;
use crate::postgres::store::{PostgresStore, unreadable};
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// The values of a statement, for another thread.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$(Box::new($value) as $crate::postgres::server::session::Value),*] };
}
pub(in crate::postgres) use values;

/// What runs statements with the name of the store's schema for `{schema}`.
pub(crate) trait Ask {
    /// The rows of a statement that reads.
    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError>;

    /// The first row, read by `read`.
    fn first<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl FnOnce(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.rows(sql, values)?.first().map(read).transpose()
    }

    /// All rows, each read by `read`.
    fn all<T>(
        &self,
        sql: &str,
        values: Vec<Value>,
        read: impl FnMut(&Row) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.rows(sql, values)?.iter().map(read).collect()
    }

    /// The one column of the one row.
    fn one<T: for<'r> FromSql<'r>>(&self, sql: &str, values: Vec<Value>) -> Result<T, StoreError> {
        let no_row = || StoreError::Other("the server has returned no row".into());
        self.first(sql, values, |row| get(row, 0))?.ok_or_else(no_row)
    }
}

/// As of the last commit, in a session that reads.
impl Ask for PostgresStore {
    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.ask(&self.own_sql(sql), values)
    }
}

impl Ask for PostgresTransaction {
    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.query(&self.store().own_sql(sql), &lent(&values))
    }
}

impl PostgresTransaction {
    /// Runs a statement of factum's own that writes. Its error is that of the next statement.
    #[expect(clippy::needless_pass_by_value, reason = "values are made for one statement")]
    pub(crate) fn write(&self, sql: &str, values: Vec<Value>) -> Result<(), StoreError> {
        self.queue(&self.store().own_sql(sql), &lent(&values))
    }

    /// Runs a statement of factum's own that writes. Returns how many rows it has changed.
    #[expect(clippy::needless_pass_by_value, reason = "values are made for one statement")]
    pub(crate) fn change(&self, sql: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        self.execute(&self.store().own_sql(sql), &lent(&values))
    }
}

pub(crate) fn lent(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| &**value as _).collect()
}

/// A column of a row.
pub(crate) fn get<'r, T: FromSql<'r>>(row: &'r Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(unreadable)
}

/// A column with a text of which a NUL was escaped.
pub(crate) fn text(row: &Row, column: usize) -> Result<String, StoreError> {
    let text: &str = get(row, column)?;
    Ok(unescaped(text).map_or_else(|| text.to_owned(), Into::into))
}

pub(crate) fn optional_text(row: &Row, column: usize) -> Result<Option<String>, StoreError> {
    let text: Option<&str> = get(row, column)?;
    Ok(text.map(|text| unescaped(text).map_or_else(|| text.to_owned(), Into::into)))
}

pub(crate) fn position(row: &Row, column: usize) -> Result<Position, StoreError> {
    Ok(Position::new(get::<i64>(row, column)?.unsigned_abs()))
}

pub(crate) fn timestamp(row: &Row, column: usize) -> Result<Timestamp, StoreError> {
    get(row, column).map(Timestamp::from_micros)
}

/// A number that is stored with a sign.
pub(crate) fn number(row: &Row, column: usize) -> Result<u32, StoreError> {
    Ok(u32::try_from(get::<i64>(row, column)?).unwrap_or(u32::MAX))
}

/// How many rows a caller wants.
pub(crate) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
