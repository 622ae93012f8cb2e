//! Leases: rows of `factum_leases`, each with a holder and the time at which it ends.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, StoredLease};
use crate::sqlite::file::handler_sql::own_sql;

/// Takes or renews a lease, unless another holder has it.
pub(super) fn take(transaction: &Connection, holder: &LeaseHolder) -> rusqlite::Result<LeaseAnswer> {
    let answer = judge(transaction, holder)?;
    if answer == LeaseAnswer::Taken {
        seize(transaction, holder)?;
    }
    Ok(answer)
}

/// Whether a holder may take its lease.
pub(super) fn judge(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<LeaseAnswer> {
    let stored = connection
        .prepare_cached("SELECT holder, until FROM factum_leases WHERE name = ?1")?
        .query_row([&holder.name], |row| {
            Ok(StoredLease { holder: row.get(0)?, until: Timestamp::from_micros(row.get(1)?) })
        })
        .optional()?;
    Ok(stored.map_or(LeaseAnswer::Taken, |lease| holder.judge(&lease, Timestamp::now())))
}

/// Takes a lease, also from another holder.
pub(crate) fn seize(transaction: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(own_sql!("REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)"))?
        .execute((&holder.name, holder.record(), holder.until().as_micros()))
        .map(drop)
}

/// Whether no other holder has taken the lease, as this one had it.
pub(crate) fn is_left(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT holder = ?2 FROM factum_leases WHERE name = ?1")?
        .query_row((&holder.name, holder.record()), |row| row.get(0))
        .optional()
        .map(|own| own.unwrap_or(true))
}

/// Renews a lease, if the holder has it. Returns whether it has.
pub(super) fn renew(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(own_sql!("UPDATE factum_leases SET until = ?3 WHERE name = ?1 AND holder = ?2"))?
        .execute((&holder.name, holder.record(), holder.until().as_micros()))
        .map(|renewed| renewed > 0)
}

/// Releases a lease, if the holder has it.
pub(crate) fn release(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    connection
        .prepare_cached(own_sql!("DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2"))?
        .execute((&holder.name, holder.record()))
        .map(drop)
}
