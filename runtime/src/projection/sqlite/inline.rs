//! Views that are part of each append.

use rusqlite::Transaction;

use super::Sqlite;
use super::batch::{Part, project};
use crate::following::{Task, known, lay_out};
use crate::projection::{Projection, ProjectionError};
use crate::store::Partition;
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
        loop {
            let layout = known::<P>(transaction)?;
            match layout.task(Partition::WHOLE) {
                Task::Wait => return Ok(()),
                Task::LayOut { position } => lay_out::<P>(transaction, 1, position)?,
                Task::Part { partition, position } => {
                    let until = layout.goal(Partition::WHOLE, newest);
                    let part = Part { source: None, partition, position };
                    project(&mut self.0, transaction, &part, until, usize::MAX)
                        .map_err(|failed| failed.error)?;
                    if partition == Partition::WHOLE {
                        return Ok(());
                    }
                }
            }
        }
    }
}
