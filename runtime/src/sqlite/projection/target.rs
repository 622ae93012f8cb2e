//! Tables of a SQLite file as the target of a projection.

use crate::follow::error::HandlerError;
use crate::follow::handler::{KnowsNoId, Target, sealed};
use crate::follow::sql::transaction::SqlStatements;
use crate::follow::sql::{Sql, SqlContext};
use crate::sqlite::projection::sql_driver::SqliteDriver;
use crate::sqlite::projection::view_transaction::ViewTransaction;

/// The target of views in tables of a SQLite file. Handlers write with a
/// [`Transaction`](rusqlite::Transaction) or a [`ViewTransaction`].
#[derive(Debug)]
pub enum Sqlite {}

impl sealed::Sealed for Sqlite {}

impl KnowsNoId for ViewTransaction<'_> {}

impl Target for Sqlite {
    type Context<'c> = ViewTransaction<'c>;
}

/// A target whose views can be in tables of a SQLite file: [`Sqlite`] and [`Sql`].
pub trait SqliteTarget: Target + Sized {
    /// Calls a handler for an event with what its target gives it.
    #[doc(hidden)]
    fn lend(
        transaction: &ViewTransaction<'_>,
        handle: impl FnOnce(&Self::Context<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError>;
}

impl SqliteTarget for Sqlite {
    fn lend(
        transaction: &ViewTransaction<'_>,
        handle: impl FnOnce(&ViewTransaction<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        handle(transaction)
    }
}

impl SqliteTarget for Sql {
    fn lend(
        transaction: &ViewTransaction<'_>,
        handle: impl FnOnce(&SqlContext<'_>) -> Result<(), HandlerError>,
    ) -> Result<(), HandlerError> {
        let mut statements = SqlStatements::new(SqliteDriver::new(transaction));
        let handled = handle(&SqlContext::new(&mut statements));
        statements.checked(handled)
    }
}
