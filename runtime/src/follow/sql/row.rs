//! The rows of a query.

use std::sync::Arc;

use crate::follow::sql::column::SqlColumn;
use crate::follow::sql::error::SqlError;
use crate::follow::sql::value::SqlValue;

/// A row of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct SqlRow {
    columns: Arc<Columns>,
    values: Vec<SqlValue<'static>>,
}

/// What the rows of a query have in common.
#[derive(Debug, PartialEq)]
pub(crate) struct Columns {
    pub(crate) statement: String,
    pub(crate) names: Vec<String>,
}

impl SqlRow {
    pub(crate) fn new(columns: Arc<Columns>, values: Vec<SqlValue<'static>>) -> Self {
        Self { columns, values }
    }

    /// The value of a column, given by its name or by its index, from 0.
    ///
    /// ```
    /// # use factum::follow::{SqlError, SqlRow};
    /// fn balance(row: &SqlRow) -> Result<(&str, Option<i64>), SqlError> {
    ///     Ok((row.get("account")?, row.get(1)?))
    /// }
    /// ```
    ///
    /// Fails with [`SqlError::Column`] if there is no such column, or its value is not a `T`.
    pub fn get<'r, T: SqlColumn<'r>>(&'r self, column: impl ColumnName) -> Result<T, SqlError> {
        let failed = |problem| SqlError::Column {
            statement: self.columns.statement.clone(),
            column: column.shown(),
            problem,
        };
        let index = column.index(&self.columns.names);
        let Some(value) = index.and_then(|index| self.values.get(index)) else {
            let names = self.columns.names.join("`, `");
            return Err(failed(format!("is not there: the columns are `{names}`")));
        };
        let wanted = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
        T::from_sql(value).ok_or_else(|| failed(format!("is {value}, and can't be read as `{wanted}`")))
    }

    /// The names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns.names
    }
}

/// The name of a column, or its index.
pub trait ColumnName: Copy + sealed::Sealed {
    #[doc(hidden)]
    fn index(self, names: &[String]) -> Option<usize>;

    #[doc(hidden)]
    fn shown(self) -> String;
}

impl ColumnName for usize {
    fn index(self, _: &[String]) -> Option<usize> {
        Some(self)
    }

    fn shown(self) -> String {
        self.to_string()
    }
}

impl ColumnName for &str {
    fn index(self, names: &[String]) -> Option<usize> {
        names.iter().position(|name| *name == self)
    }

    fn shown(self) -> String {
        format!("`{self}`")
    }
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for usize {}
    impl Sealed for &str {}
}
