//! Which version of a view serves queries.

use crate::domain::position::Position;
use crate::follow::progress_store::StoredCheckpoint;

/// The view that a query finds in its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServingView {
    /// The version of the projection that has made the view.
    pub version: u32,
    /// The position up to which the view has seen everything.
    pub position: Position,
    /// The version of the projection that is being rebuilt, if a rebuild is under way or was abandoned.
    pub rebuilding: Option<u32>,
}

impl ServingView {
    pub(crate) fn of(checkpoint: &StoredCheckpoint, rebuilding: Option<u32>) -> Self {
        Self { version: checkpoint.version, position: checkpoint.positions.position(), rebuilding }
    }
}
