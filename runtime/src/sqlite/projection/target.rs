//! Tables of a SQLite file as the target of a projection.

use crate::follow::handler::{KnowsNoId, Target, sealed};
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
