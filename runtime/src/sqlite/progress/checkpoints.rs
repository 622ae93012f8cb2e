//! The checkpoints of followers and of their partitions: rows of `factum_checkpoints` and `factum_parts`.

use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::StoredCheckpoint;
use crate::store::partition::Partition;

/// The checkpoint under this name.
pub(super) fn find(connection: &Connection, follower: &str) -> rusqlite::Result<Option<StoredCheckpoint>> {
    let found: Option<(u32, i64, u64, bool)> = connection
        .prepare_cached(
            "SELECT version, definition, position,
             EXISTS (SELECT 1 FROM factum_parts WHERE factum_parts.projection = ?1)
             FROM factum_checkpoints WHERE projection = ?1",
        )?
        .query_row([follower], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((version, definition, position, is_partitioned)) = found else { return Ok(None) };
    let positions = if is_partitioned {
        connection
            .prepare_cached("SELECT position FROM factum_parts WHERE projection = ?1 ORDER BY part")?
            .query_map([follower], |row| row.get(0).map(Position::new))?
            .collect::<rusqlite::Result<_>>()?
    } else {
        vec![Position::new(position)]
    };
    Ok(Some(StoredCheckpoint { version, definition, positions: PartitionPositions::new(positions) }))
}

/// Saves the position that a partition has reached.
pub(super) fn save(
    transaction: &Transaction<'_>,
    follower: &FollowerDefinition,
    partition: Partition,
    position: Position,
) -> rusqlite::Result<()> {
    let FollowerDefinition { name, version, .. } = *follower;
    if partition == Partition::WHOLE {
        transaction
            .prepare_cached(
                "REPLACE INTO factum_checkpoints (projection, version, definition, position)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((name, version, follower.fingerprint(), position.get()))
    } else {
        transaction
            .prepare_cached("UPDATE factum_parts SET position = ?3 WHERE projection = ?1 AND part = ?2")?
            .execute((name, partition.index(), position.get()))
    }
    .map(drop)
}

/// Splits the streams into this many partitions, each at `position`. A single partition has no row of its
/// own, as its position is the checkpoint's.
pub(super) fn repartition(
    transaction: &Transaction<'_>,
    follower: &FollowerDefinition,
    partitions: u32,
    position: Position,
) -> rusqlite::Result<()> {
    save(transaction, follower, Partition::WHOLE, position)?;
    transaction.execute("DELETE FROM factum_parts WHERE projection = ?1", [follower.name])?;
    if partitions > 1 {
        let mut insert = transaction
            .prepare_cached("INSERT INTO factum_parts (projection, part, position) VALUES (?1, ?2, ?3)")?;
        for partition in 0..partitions {
            insert.execute((follower.name, partition, position.get()))?;
        }
    }
    Ok(())
}
