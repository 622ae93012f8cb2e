//! Code that runs in each append.

use rusqlite::Transaction;

use crate::domain::error::BoxError;

/// Code that a store runs in the transaction of each append, such as an inline projection.
pub(crate) trait AppendHook: Send {
    /// A name that no other hook of the store has.
    fn name(&self) -> &'static str;

    /// Runs after the events of an append were written. An error rolls the append back.
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<(), BoxError>;
}
