//! What a stored checkpoint means to a follower as it is now.

use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::{ProgressStore, StoredCheckpoint};
use crate::store::error::StoreError;

/// What the progress store has of a follower.
#[derive(Debug)]
pub(crate) enum FoundCheckpoint {
    Nothing,
    /// A view that an earlier version of the projection has made.
    Older {
        version: u32,
    },
    Current(PartitionPositions),
}

/// The follower's checkpoint as of the last commit.
pub(crate) fn find<P: ProgressStore>(
    progress: &P,
    definition: &FollowerDefinition,
) -> Result<FoundCheckpoint, FollowError> {
    judge(definition, progress.checkpoint(definition.name))
}

/// The follower's checkpoint as a transaction sees it.
pub(crate) fn find_in<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    definition: &FollowerDefinition,
) -> Result<FoundCheckpoint, FollowError> {
    judge(definition, P::checkpoint_in(transaction, definition.name))
}

/// The positions of a follower as of the last commit. Fails unless its checkpoint is there, at this version.
pub(crate) fn require<P: ProgressStore>(
    progress: &P,
    definition: &FollowerDefinition,
) -> Result<PartitionPositions, FollowError> {
    current(definition, find(progress, definition)?)
}

/// The positions of a follower as a transaction sees them. Fails unless its checkpoint is there, at this
/// version.
pub(crate) fn require_in<P: ProgressStore>(
    transaction: &P::Transaction<'_>,
    definition: &FollowerDefinition,
) -> Result<PartitionPositions, FollowError> {
    current(definition, find_in::<P>(transaction, definition)?)
}

/// Compares a stored checkpoint with the follower's definition.
fn judge(
    definition: &FollowerDefinition,
    stored: Result<Option<StoredCheckpoint>, StoreError>,
) -> Result<FoundCheckpoint, FollowError> {
    let (follower, current) = (definition.name, definition.version);
    match stored.map_err(FollowError::store(follower))? {
        None => Ok(FoundCheckpoint::Nothing),
        Some(found) if found.version < current => Ok(FoundCheckpoint::Older { version: found.version }),
        Some(found) if found.version > current => {
            Err(FollowError::OtherVersion { follower, stored: found.version, current })
        }
        Some(found) if found.definition != definition.fingerprint() => {
            Err(FollowError::OtherDefinition { follower, version: current })
        }
        Some(found) => Ok(FoundCheckpoint::Current(found.positions)),
    }
}

fn current(
    definition: &FollowerDefinition,
    found: FoundCheckpoint,
) -> Result<PartitionPositions, FollowError> {
    let follower = definition.name;
    match found {
        FoundCheckpoint::Current(positions) => Ok(positions),
        FoundCheckpoint::Nothing => Err(FollowError::CheckpointMissing { follower }),
        FoundCheckpoint::Older { version: stored } => {
            Err(FollowError::OtherVersion { follower, stored, current: definition.version })
        }
    }
}
