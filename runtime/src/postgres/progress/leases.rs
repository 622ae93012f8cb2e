//! Leases: rows of `leases`, each with a holder, a lock of its program, and the time at which it ends by the server's clock.

use std::collections::HashMap;

use crate::domain::time::Timestamp;
use crate::follow::lease::{LeaseAnswer, LeaseHolder, StoredLease};
use crate::postgres::sql::{Ask, get, timestamp, values};
use crate::postgres::store::PostgresStore;
use crate::postgres::transaction::PostgresTransaction;
use crate::store::error::StoreError;

/// How often a runner tries to be faster than others that ask for the lease of a dead one.
const TRIES: u32 = 3;

/// The time of the server.
const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// Takes a lease, unless another holder has it. A holder keeps its lease until the transaction ends.
pub(super) fn take(
    transaction: &PostgresTransaction,
    holder: &LeaseHolder,
) -> Result<LeaseAnswer, StoreError> {
    let (name, record) = (&holder.name, holder.record());
    // Renewals, which do not change the key, are not in the way. Only the keeper of leases renews.
    let own = "SELECT true FROM {schema}.leases WHERE name = $1 AND holder = $2 FOR KEY SHARE";
    let values = || values![name.clone(), record.to_vec()];
    if transaction.first(own, values(), |_| Ok(()))?.is_some() {
        return Ok(LeaseAnswer::Taken);
    }
    for _ in 0..TRIES {
        let found = find(transaction, transaction.store().program(), vec![name.clone()])?.remove(name);
        let answer = judge(holder, found.as_ref());
        if answer != LeaseAnswer::Taken
            || change(transaction, holder, found.as_ref().map(|found| &found.lease))?
        {
            return Ok(answer);
        }
    }
    Err(StoreError::Busy)
}

/// For each holder, whether it could take its lease, as of the last commit.
pub(super) fn judge_all(
    store: &PostgresStore,
    holders: &[LeaseHolder],
) -> Result<Vec<LeaseAnswer>, StoreError> {
    let names = holders.iter().map(|holder| holder.name.clone()).collect();
    let found = find(store, store.program(), names)?;
    Ok(holders.iter().map(|holder| judge(holder, found.get(&holder.name))).collect())
}

fn judge(holder: &LeaseHolder, found: Option<&Found>) -> LeaseAnswer {
    match found {
        Some(Found { lease, now, is_gone: false }) => holder.judge(lease, *now),
        _ => LeaseAnswer::Taken,
    }
}

/// A lease that was found.
struct Found {
    lease: StoredLease,
    /// The time of the server.
    now: Timestamp,
    /// Whether no session of the holder's program is left.
    is_gone: bool,
}

/// The leases with these names, for a program that knows that it lives itself.
fn find(ask: &impl Ask, program: i64, names: Vec<String>) -> Result<HashMap<String, Found>, StoreError> {
    // `CASE` keeps the order.
    let sql = format!(
        "SELECT name, holder, until, {NOW}, session <> $2
           AND CASE WHEN pg_try_advisory_lock(session) THEN pg_advisory_unlock(session) ELSE false END
         FROM {{schema}}.leases WHERE name = ANY ($1)"
    );
    let found = ask.all(&sql, values![names, program], |row| {
        let lease = StoredLease { holder: get(row, 1)?, until: timestamp(row, 2)? };
        Ok((get(row, 0)?, Found { lease, now: timestamp(row, 3)?, is_gone: get(row, 4)? }))
    })?;
    Ok(found.into_iter().collect())
}

/// Takes a lease in place of one that was found. Returns whether this is still there.
fn change(
    transaction: &PostgresTransaction,
    holder: &LeaseHolder,
    found: Option<&StoredLease>,
) -> Result<bool, StoreError> {
    let lasts = micros(holder);
    let session = transaction.store().program();
    let (name, record) = (holder.name.clone(), holder.record().to_vec());
    let changed = match found {
        None => transaction.change(
            &format!(
                "INSERT INTO {{schema}}.leases (name, holder, session, until) VALUES ($1, $2, $3, {NOW} + $4)
                 ON CONFLICT (name) DO NOTHING"
            ),
            values![name, record, session, lasts],
        ),
        Some(found) => transaction.change(
            &format!(
                "UPDATE {{schema}}.leases SET holder = $2, session = $3, until = {NOW} + $4
                 WHERE name = $1 AND holder = $5 AND until = $6"
            ),
            values![name, record, session, lasts, found.holder.clone(), found.until.as_micros()],
        ),
    };
    changed.map(|changed| changed > 0)
}

/// Takes a lease, also from another holder.
pub(crate) fn seize(transaction: &PostgresTransaction, holder: &LeaseHolder) -> Result<(), StoreError> {
    transaction.write(
        &format!(
            "INSERT INTO {{schema}}.leases (name, holder, session, until) VALUES ($1, $2, $3, {NOW} + $4)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, session = excluded.session,
               until = excluded.until"
        ),
        values![holder.name.clone(), holder.record().to_vec(), transaction.store().program(), micros(holder)],
    )
}

/// Whether no other holder has taken the lease, as this one had it.
pub(crate) fn is_left(ask: &impl Ask, holder: &LeaseHolder) -> Result<bool, StoreError> {
    let sql = "SELECT holder = $2 FROM {schema}.leases WHERE name = $1";
    let own = ask.first(sql, values![holder.name.clone(), holder.record().to_vec()], |row| get(row, 0))?;
    Ok(own.unwrap_or(true))
}

/// Renews a lease, if the holder has it. Returns whether it has.
pub(super) fn renew(transaction: &PostgresTransaction, holder: &LeaseHolder) -> Result<bool, StoreError> {
    let renewed = transaction.change(
        &format!("UPDATE {{schema}}.leases SET until = {NOW} + $3 WHERE name = $1 AND holder = $2"),
        values![holder.name.clone(), holder.record().to_vec(), micros(holder)],
    )?;
    Ok(renewed > 0)
}

/// Releases a lease, if the holder has it.
pub(crate) fn release(transaction: &PostgresTransaction, holder: &LeaseHolder) -> Result<(), StoreError> {
    transaction.write(
        "DELETE FROM {schema}.leases WHERE name = $1 AND holder = $2",
        values![holder.name.clone(), holder.record().to_vec()],
    )
}

/// How long the lease lasts, in microseconds.
fn micros(holder: &LeaseHolder) -> i64 {
    i64::try_from(holder.lasts.as_micros()).unwrap_or(i64::MAX / 2)
}
