//! The checkpoints of followers and of their partitions: rows of `factum_checkpoints` and `factum_parts`.

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use uuid::Uuid;

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::StoredCheckpoint;
use crate::follow::seen::Seen;
use crate::sqlite::file::handler_sql::own_sql;
use crate::store::partition::Partition;

/// The checkpoint under this name.
pub(crate) fn find(connection: &Connection, follower: &str) -> rusqlite::Result<Option<StoredCheckpoint>> {
    let found = connection
        .prepare_cached(
            "SELECT position, event, store, version, definition,
             EXISTS (SELECT 1 FROM factum_parts WHERE factum_parts.projection = ?1)
             FROM factum_checkpoints WHERE projection = ?1",
        )?
        .query_row([follower], |row| {
            let seen = seen_row(row, id(row, 2)?)?;
            Ok((seen, row.get::<_, u32>(3)?, row.get::<_, i64>(4)?, row.get::<_, bool>(5)?))
        })
        .optional()?;
    let Some((seen, version, definition, is_partitioned)) = found else { return Ok(None) };
    let positions = if is_partitioned {
        connection
            .prepare_cached("SELECT position, event FROM factum_parts WHERE projection = ?1 ORDER BY part")?
            .query_map([follower], |row| seen_row(row, seen.store))?
            .collect::<rusqlite::Result<_>>()?
    } else {
        vec![seen]
    };
    Ok(Some(StoredCheckpoint { version, definition, positions: PartitionPositions::new(positions) }))
}

/// How far a partition has come in the store with this id, from a row that begins with position and event.
fn seen_row(row: &Row<'_>, store: Option<Uuid>) -> rusqlite::Result<Seen> {
    Ok(Seen { position: Position::new(row.get(0)?), store, event: id(row, 1)? })
}

fn id(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Uuid>> {
    Ok(row.get::<_, Option<[u8; 16]>>(index)?.map(Uuid::from_bytes))
}

/// What is at a position of the store in this file.
pub(super) fn seen(connection: &Connection, position: Position) -> rusqlite::Result<Seen> {
    connection
        .prepare_cached("SELECT (SELECT id FROM factum_events WHERE position = ?1), id FROM factum_store")?
        .query_row([position.get()], |row| Ok(Seen { position, store: id(row, 1)?, event: id(row, 0)? }))
}

/// Saves how far a partition has come.
pub(super) fn save(
    transaction: &Transaction<'_>,
    follower: &FollowerDefinition,
    partition: Partition,
    seen: &Seen,
) -> rusqlite::Result<()> {
    let FollowerDefinition { name, version, .. } = *follower;
    let (position, event, store) =
        (seen.position.get(), bytes(seen.event.as_ref()), bytes(seen.store.as_ref()));
    if partition == Partition::WHOLE {
        transaction
            .prepare_cached(own_sql!(
                "REPLACE INTO factum_checkpoints (projection, version, definition, position, event, store)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            ))?
            .execute((name, version, follower.fingerprint(), position, event, store))
    } else {
        transaction
            .prepare_cached(own_sql!(
                "UPDATE factum_parts SET position = ?3, event = ?4 WHERE projection = ?1 AND part = ?2"
            ))?
            .execute((name, partition.index(), position, event))
    }
    .map(drop)
}

fn bytes(id: Option<&Uuid>) -> Option<&[u8; 16]> {
    id.map(Uuid::as_bytes)
}

/// Splits the streams into this many partitions, each as far as `seen`. A single partition has no row of its
/// own, as its position is the checkpoint's.
pub(super) fn repartition(
    transaction: &Transaction<'_>,
    follower: &FollowerDefinition,
    partitions: u32,
    seen: &Seen,
) -> rusqlite::Result<()> {
    save(transaction, follower, Partition::WHOLE, seen)?;
    transaction.execute("DELETE FROM factum_parts WHERE projection = ?1", [follower.name])?;
    if partitions > 1 {
        let mut insert = transaction.prepare_cached(own_sql!(
            "INSERT INTO factum_parts (projection, part, position, event) VALUES (?1, ?2, ?3, ?4)"
        ))?;
        for partition in 0..partitions {
            insert.execute((follower.name, partition, seen.position.get(), bytes(seen.event.as_ref())))?;
        }
    }
    Ok(())
}
