//! Leases: of all who want to run one thing, over all processes, one does.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::time::Timestamp;

/// One who wants to run what has this name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    name: &'static str,
    id: Uuid,
    /// How long the lease holds after it was taken last: as long as a holder that has died is waited for.
    lasts: Duration,
}

impl Holder {
    pub(super) fn new(name: &'static str, lasts: Duration) -> Self {
        Self { name, id: Uuid::now_v7(), lasts }
    }

    pub(super) fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Takes the lease, or takes it anew; `false` if somebody else has it.
    ///
    /// In the transaction of what it is for: if that commits, nobody else has had the lease meanwhile, whatever the clocks
    /// say.
    pub(super) fn take(&self, transaction: &Connection) -> rusqlite::Result<bool> {
        let now = Timestamp::now().as_micros();
        let held: Option<(Vec<u8>, i64)> = transaction
            .prepare_cached("SELECT holder, until FROM factum_leases WHERE name = ?1")?
            .query_row([self.name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        if held.is_some_and(|(holder, until)| holder != self.id.as_bytes() && until > now) {
            return Ok(false);
        }
        let until = now.saturating_add(i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX));
        transaction
            .prepare_cached("REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)")?
            .execute((self.name, self.id.as_bytes(), until))?;
        Ok(true)
    }

    /// Gives it back, if this one has it.
    pub(super) fn give_back(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2")?
            .execute((self.name, self.id.as_bytes()))
            .map(drop)
    }
}
