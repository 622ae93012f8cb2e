//! Views that are part of each append.

use rusqlite::Transaction;

use super::Sqlite;
use super::batch;
use crate::projection::{Projection, ProjectionError};
use crate::store::sqlite::position;

/// A projection that a store runs in its appends, whatever its type.
pub(crate) trait Inline: Send {
    fn name(&self) -> &'static str;

    /// Projects whatever the view has not seen yet, in the transaction of an append.
    fn project(&mut self, transaction: &Transaction<'_>) -> Result<(), ProjectionError>;
}

pub(super) struct InlineProjection<P>(pub(super) P);

impl<P: Projection<Target = Sqlite> + Send> Inline for InlineProjection<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn project(&mut self, transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
        // Usually the events of this very append; and those of a program that appends without the view.
        let newest = position(transaction).map_err(ProjectionError::store::<P>)?;
        batch::project(&mut self.0, transaction, newest, usize::MAX).map(drop).map_err(|failed| failed.error)
    }
}
