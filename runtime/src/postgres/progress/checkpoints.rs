//! The checkpoints of followers and of their partitions: rows of `checkpoints` and `partitions`.

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::partitions::PartitionPositions;
use crate::follow::progress_store::StoredCheckpoint;
use crate::follow::seen::Seen;
use crate::postgres::sql::{Ask, get, number, position, values};
use crate::postgres::store::signed;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;
use crate::store::partition::Partition;

/// The checkpoint under this name.
pub(super) fn find(ask: &impl Ask, follower: &str) -> Result<Option<StoredCheckpoint>, StoreError> {
    let rows = ask.rows(
        "SELECT coalesce(p.position, c.position), CASE WHEN p.follower IS NULL THEN c.event ELSE p.event END,
           c.store, c.version, c.definition
         FROM {schema}.checkpoints AS c LEFT JOIN {schema}.partitions AS p ON p.follower = c.follower
         WHERE c.follower = $1 ORDER BY p.partition",
        values![follower.to_owned()],
    )?;
    let Some(first) = rows.first() else { return Ok(None) };
    let seen = rows.iter().map(|row| {
        Ok::<_, StoreError>(Seen { position: position(row, 0)?, event: get(row, 1)?, store: get(row, 2)? })
    });
    let positions = PartitionPositions::new(seen.collect::<Result<_, _>>()?);
    Ok(Some(StoredCheckpoint { version: number(first, 3)?, definition: get(first, 4)?, positions }))
}

/// Locks the position of a partition, and what says how many partitions there are; or all of these.
pub(super) fn lock(
    transaction: &PostgresTransaction,
    follower: &str,
    partition: Partition,
) -> Result<(), StoreError> {
    let checkpoint = "SELECT FROM {schema}.checkpoints WHERE follower = $1";
    if partition == Partition::WHOLE {
        return transaction.write(&format!("{checkpoint} FOR UPDATE"), values![follower.to_owned()]);
    }
    transaction.write(&format!("{checkpoint} FOR SHARE"), values![follower.to_owned()])?;
    transaction.write(
        "SELECT FROM {schema}.partitions WHERE follower = $1 AND partition = $2 FOR UPDATE",
        values![follower.to_owned(), partition.index().cast_signed()],
    )
}

/// What is at a position of the store in this schema.
pub(super) fn seen(transaction: &PostgresTransaction, at: Position) -> Result<Seen, StoreError> {
    let sql = "SELECT (SELECT id FROM {schema}.events WHERE position = $1), id FROM {schema}.store";
    let seen = transaction.first(sql, values![signed(at.get())], |row| {
        Ok(Seen { position: at, event: get(row, 0)?, store: get(row, 1)? })
    })?;
    Ok(seen.unwrap_or(Seen { position: at, ..Seen::START }))
}

/// Saves how far a partition has come.
pub(super) fn save(
    transaction: &PostgresTransaction,
    follower: &FollowerDefinition,
    partition: Partition,
    seen: &Seen,
) -> Result<(), StoreError> {
    let FollowerDefinition { name, version, .. } = *follower;
    let position = signed(seen.position.get());
    if partition == Partition::WHOLE {
        transaction.write(
            "INSERT INTO {schema}.checkpoints (follower, version, definition, position, event, store)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (follower) DO UPDATE SET version = excluded.version, definition = excluded.definition,
               position = excluded.position, event = excluded.event, store = excluded.store",
            values![
                name.to_owned(),
                i64::from(version),
                follower.fingerprint(),
                position,
                seen.event,
                seen.store
            ],
        )
    } else {
        transaction.write(
            "UPDATE {schema}.partitions SET position = $3, event = $4 WHERE follower = $1 AND partition = $2",
            values![name.to_owned(), partition.index().cast_signed(), position, seen.event],
        )
    }
}

/// Splits the streams into this many partitions, each as far as `seen`. A single partition has no row of its own, as its
/// position is the checkpoint's.
pub(super) fn repartition(
    transaction: &PostgresTransaction,
    follower: &FollowerDefinition,
    partitions: u32,
    seen: &Seen,
) -> Result<(), StoreError> {
    // Locks the checkpoint against steps, before it changes what these read.
    save(transaction, follower, Partition::WHOLE, seen)?;
    let name = follower.name.to_owned();
    transaction.write("DELETE FROM {schema}.partitions WHERE follower = $1", values![name.clone()])?;
    if partitions > 1 {
        transaction.write(
            "INSERT INTO {schema}.partitions (follower, partition, position, event)
             SELECT $1, number, $3, $4 FROM generate_series(0, $2::int - 1) AS number",
            values![name, partitions.cast_signed(), signed(seen.position.get()), seen.event],
        )?;
    }
    Ok(())
}
