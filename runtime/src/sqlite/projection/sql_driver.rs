//! Carries out the statements of views with `into = Sql` in SQLite.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row};

use crate::follow::keeps::AskServing;
use crate::follow::serving::ServingView;
use crate::follow::sql::driver::{Failed, SqlDriver};
use crate::follow::sql::error::SqlError;
use crate::follow::sql::row::{Columns, SqlRow};
use crate::follow::sql::transaction::{SqlStatements, SqlTransaction};
use crate::follow::sql::value::SqlValue;
use crate::sqlite::file::errors::store_error;
use crate::sqlite::file::readers::in_read_transaction;
use crate::sqlite::progress::{checkpoints, rebuilds};
use crate::sqlite::store::SqliteStore;

/// Carries statements out on a connection, in the transaction that is open there.
pub(super) struct SqliteDriver<'c> {
    connection: &'c Connection,
}

impl<'c> SqliteDriver<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// A statement with its values.
    fn bound(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<CachedStatement<'c>, Failed> {
        let mut statement = self.connection.prepare_cached(sql)?;
        for index in 1..=statement.parameter_count() {
            let name = statement.parameter_name(index).unwrap_or("?");
            let Some(number) = name.strip_prefix('$').and_then(|number| number.parse::<usize>().ok()) else {
                let reason = format!("its parameter `{name}` has no number: write `$1` for the first value");
                return Err(Failed::Refused(reason));
            };
            if let Some(value) = number.checked_sub(1).and_then(|number| values.get(number)) {
                statement.raw_bind_parameter(index, stored(value))?;
            }
        }
        Ok(statement)
    }
}

impl SqlDriver for SqliteDriver<'_> {
    /// The connection asks for permission when it compiles a statement.
    fn refusal(&self, _: &str) -> Option<String> {
        None
    }

    fn execute(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<u64, Failed> {
        let mut statement = self.bound(sql, values)?;
        let before = self.connection.total_changes();
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        drop(rows);
        let is_read = statement.readonly();
        drop(statement);
        let changed = self.connection.total_changes() - before;
        // Without triggers, both counts are the same.
        Ok(if is_read || changed == 0 { 0 } else { self.connection.changes() })
    }

    fn query(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<SqlRow>, Failed> {
        let mut statement = self.bound(sql, values)?;
        let names = statement.column_names().map(str::to_owned).collect();
        let columns = Arc::new(Columns { statement: sql.trim().to_owned(), names });
        let (mut rows, mut read) = (statement.raw_query(), Vec::new());
        while let Some(row) = rows.next()? {
            let values = (0..columns.names.len()).map(|index| value(row, index)).collect::<Result<_, _>>()?;
            read.push(SqlRow::new(Arc::clone(&columns), values));
        }
        Ok(read)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A value as SQLite keeps it.
fn stored<'v>(value: &'v SqlValue<'_>) -> ToSqlOutput<'v> {
    match value {
        SqlValue::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        SqlValue::Bool(bool) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*bool))),
        SqlValue::Integer(integer) => ToSqlOutput::Borrowed(ValueRef::Integer(*integer)),
        SqlValue::Float(float) => ToSqlOutput::Borrowed(ValueRef::Real(*float)),
        SqlValue::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        SqlValue::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        SqlValue::Uuid(id) => ToSqlOutput::from(id.to_string()),
        SqlValue::Timestamp(time) => ToSqlOutput::Borrowed(ValueRef::Integer(time.as_micros())),
    }
}

/// The value of a row.
fn value(row: &Row<'_>, index: usize) -> Result<SqlValue<'static>, Failed> {
    Ok(match row.get_ref(index)? {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(integer) => SqlValue::Integer(integer),
        ValueRef::Real(float) => SqlValue::Float(float),
        text @ ValueRef::Text(_) => {
            let text = text.as_str().map_err(|error| Failed::Database(error.into()))?;
            SqlValue::Text(Cow::Owned(text.to_owned()))
        }
        ValueRef::Blob(bytes) => SqlValue::Bytes(Cow::Owned(bytes.to_vec())),
    })
}

impl SqliteStore {
    /// Runs queries on one state of a view's tables.
    pub(crate) fn read_sql_view<T>(
        &self,
        view: &'static str,
        read: impl FnOnce(&mut dyn SqlTransaction, &AskServing<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let failed = |source| SqlError::Store { view, source };
        let of_view = |connection: &Connection| {
            in_read_transaction(connection, |connection| {
                let Some(found) = checkpoints::find(connection, view)? else {
                    return Ok(Err(SqlError::NoView { view }));
                };
                let serving = || match rebuilds::version(connection, view) {
                    Ok(rebuilding) => Ok(ServingView::of(&found, rebuilding)),
                    Err(error) => Err(failed(store_error(error))),
                };
                Ok(read(&mut SqlStatements::new(SqliteDriver::new(connection)), &serving))
            })
            .unwrap_or_else(|error| Err(failed(store_error(error))))
        };
        self.with_reader(of_view, failed)
    }
}
