//! Leases: rows of `factum_leases`, each with a holder and the time at which it ends.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, StoredLease};

/// Takes or renews a lease, unless another holder has it.
pub(super) fn take(transaction: &Connection, holder: &LeaseHolder) -> rusqlite::Result<LeaseAnswer> {
    let stored = transaction
        .prepare_cached("SELECT holder, until FROM factum_leases WHERE name = ?1")?
        .query_row([&holder.name], |row| {
            Ok(StoredLease { holder: row.get(0)?, until: Timestamp::from_micros(row.get(1)?) })
        })
        .optional()?;
    let answer = stored.map_or(LeaseAnswer::Taken, |lease| holder.judge(&lease));
    if answer == LeaseAnswer::Taken {
        transaction
            .prepare_cached("REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)")?
            .execute((&holder.name, holder.record(), holder.until().as_micros()))?;
    }
    Ok(answer)
}

/// Renews a lease, if the holder has it.
pub(super) fn renew(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE factum_leases SET until = ?3 WHERE name = ?1 AND holder = ?2")?
        .execute((&holder.name, holder.record(), holder.until().as_micros()))
        .map(drop)
}

/// Releases a lease, if the holder has it.
pub(super) fn release(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2")?
        .execute((&holder.name, holder.record()))
        .map(drop)
}
