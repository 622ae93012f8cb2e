//! Tables in PostgreSQL as the target of a projection.

use std::sync::Arc;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::follow::error::HandlerError;
use crate::follow::handler::{KnowsNoId, Target, sealed};
use crate::follow::sql::driver::{Failed, SqlDriver};
use crate::follow::sql::error::SqlError;
use crate::follow::sql::row::{Columns, SqlRow};
use crate::follow::sql::transaction::SqlStatements;
use crate::follow::sql::value::SqlValue;
use crate::follow::sql::{Sql, SqlContext};
use crate::postgres::projection::values::{Given, Read};
use crate::postgres::projection::view_transaction::{ViewTransaction, failed};

/// The target of views in PostgreSQL that use what is its own. Handlers write with a [`ViewTransaction`].
///
/// A view that is to run on SQLite too has the target [`Sql`].
#[derive(Debug)]
pub enum Postgres {}

impl sealed::Sealed for Postgres {}

impl KnowsNoId for ViewTransaction<'_> {}

impl Target for Postgres {
    type Context<'c> = ViewTransaction<'c>;
}

/// A target whose views can be in tables of a PostgreSQL database: [`Postgres`] and [`Sql`].
pub trait PostgresTarget: Target + Sized {
    /// Calls a handler for an event with what its target gives it.
    #[doc(hidden)]
    fn lend(
        view: &ViewTransaction<'_>,
        handle: impl FnOnce(&Self::Context<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError>;
}

impl PostgresTarget for Postgres {
    fn lend(
        view: &ViewTransaction<'_>,
        handle: impl FnOnce(&ViewTransaction<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let handled = handle(view);
        match (handled, view.take_failed()) {
            (Ok(()), Some(statement)) => {
                Err(HandlerError::Handler(SqlError::FailedBefore { statement }.into()))
            }
            (handled, _) => handled,
        }
    }
}

impl PostgresTarget for Sql {
    fn lend(
        view: &ViewTransaction<'_>,
        handle: impl FnOnce(&SqlContext<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let mut statements = SqlStatements::new(PostgresDriver(view));
        let handled = handle(&SqlContext::new(&mut statements));
        statements.checked(handled)
    }
}

/// Carries out the statements of views with `into = Sql`.
pub(super) struct PostgresDriver<'v>(pub(super) &'v ViewTransaction<'v>);

impl SqlDriver for PostgresDriver<'_> {
    fn refusal(&self, sql: &str) -> Option<String> {
        self.0.refusal(sql)
    }

    fn execute(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<u64, Failed> {
        let given = given(values);
        let sql = self.0.marked(sql);
        self.0.answered(|transaction| transaction.execute(&sql, &lent(&given))).map_err(failed)
    }

    fn query(&mut self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<SqlRow>, Failed> {
        let given = given(values);
        let marked = self.0.marked(sql);
        let rows =
            self.0.answered(|transaction| transaction.query(&marked, &lent(&given))).map_err(failed)?;
        let Some(first) = rows.first() else { return Ok(Vec::new()) };
        let names = first.columns().iter().map(|column| column.name().to_owned()).collect();
        let columns = Arc::new(Columns { statement: sql.trim().to_owned(), names });
        rows.iter().map(|row| read(row, &columns)).collect()
    }
}

fn given<'v>(values: &'v [SqlValue<'v>]) -> Vec<Given<'v>> {
    values.iter().zip(1..).map(|(value, number)| Given(number, value)).collect()
}

fn lent<'v>(given: &'v [Given<'_>]) -> Vec<&'v (dyn ToSql + Sync)> {
    given.iter().map(|value| value as _).collect()
}

fn read(row: &Row, columns: &Arc<Columns>) -> Result<SqlRow, Failed> {
    let value = |index| row.try_get::<_, Read>(index).map(|read| read.0);
    let values = (0..columns.names.len()).map(value).collect::<Result<_, _>>();
    Ok(SqlRow::new(Arc::clone(columns), values.map_err(|error| Failed::Database(error.into()))?))
}
