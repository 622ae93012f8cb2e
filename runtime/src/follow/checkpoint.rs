//! What a stored checkpoint means to a follower as it is now.

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::{ProgressHome, ProgressStore, StoredCheckpoint};
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

/// Sees to it that a follower has a checkpoint: the first time, one at the position that `first` returns.
pub(crate) fn open<P: ProgressStore>(
    home: &ProgressHome<P>,
    definition: &FollowerDefinition,
    first: impl FnOnce(&ProgressHome<P>) -> Result<Position, FollowError>,
) -> Result<(), FollowError> {
    definition.check_categories(home.events())?;
    if !matches!(find(&home.progress, definition)?, FoundCheckpoint::Nothing) {
        return Ok(());
    }
    let first = first(home)?;
    home.in_transaction(definition.name, |transaction| match find_in::<P>(transaction, definition)? {
        FoundCheckpoint::Nothing => place(home, transaction, definition, first),
        FoundCheckpoint::Older { .. } | FoundCheckpoint::Current(_) => Ok(()),
    })
}

/// Moves a follower to a position, as a single partition.
pub(crate) fn place<P: ProgressStore>(
    home: &ProgressHome<P>,
    transaction: &P::Transaction<'_>,
    definition: &FollowerDefinition,
    position: Position,
) -> Result<(), FollowError> {
    let (follower, failed) = (definition.name, FollowError::store(definition.name));
    let newest = home.newest_in(transaction, follower)?;
    if position > newest {
        return Err(failed(StoreError::PastTheEnd { position, newest }));
    }
    let seen = home.seen_in(transaction, follower, position)?;
    P::remove_letters_after(transaction, follower, position).map_err(failed)?;
    P::repartition(transaction, definition, 1, &seen).map_err(failed)
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
