//! Leases: rows of `factum_leases`, each with a holder and the time at which it ends.

use rusqlite::{Connection, OptionalExtension};

use crate::domain::time::Timestamp;
use crate::follow::lease::LeaseHolder;

/// Takes or renews a lease; `false` if another holder has it.
pub(super) fn take(transaction: &Connection, holder: &LeaseHolder) -> rusqlite::Result<bool> {
    let held: Option<(Vec<u8>, i64)> = transaction
        .prepare_cached("SELECT holder, until FROM factum_leases WHERE name = ?1")?
        .query_row([&holder.name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let now = Timestamp::now().as_micros();
    if held.is_some_and(|(other, until)| other != holder.id.as_bytes() && until > now) {
        return Ok(false);
    }
    transaction
        .prepare_cached("REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)")?
        .execute((&holder.name, holder.id.as_bytes(), holder.until().as_micros()))?;
    Ok(true)
}

/// Renews a lease, if the holder has it.
pub(super) fn renew(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE factum_leases SET until = ?3 WHERE name = ?1 AND holder = ?2")?
        .execute((&holder.name, holder.id.as_bytes(), holder.until().as_micros()))
        .map(drop)
}

/// Releases a lease, if the holder has it.
pub(super) fn release(connection: &Connection, holder: &LeaseHolder) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2")?
        .execute((&holder.name, holder.id.as_bytes()))
        .map(drop)
}
