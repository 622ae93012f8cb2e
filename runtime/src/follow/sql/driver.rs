//! A database's part in the statements of a view.

use crate::domain::error::BoxError;
use crate::follow::sql::row::SqlRow;
use crate::follow::sql::value::SqlValue;

/// What carries out statements in a transaction of one database.
pub(crate) trait SqlDriver {
    /// Why a statement that has these parts is refused, if it is.
    fn refusal(&self, sql: &str) -> Option<String>;

    /// Runs a statement, and returns how many rows it has changed.
    fn execute(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<u64, Failed>;

    /// Runs a statement, and returns its rows.
    fn query(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<SqlRow>, Failed>;
}

/// Why a driver could not carry a statement out.
pub(crate) enum Failed {
    Refused(String),
    Database(BoxError),
}
