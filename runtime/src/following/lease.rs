//! Leases: of all who want to run one thing, over all processes, one does.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use crate::store::sqlite::SqliteStore;
use crate::time::Timestamp;

/// One who wants to run what has this name.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    name: String,
    id: Uuid,
    /// How long the lease holds after it was taken last: as long as a holder that has died is waited for.
    lasts: Duration,
}

impl Holder {
    pub(crate) fn new(name: impl Into<String>, lasts: Duration) -> Self {
        Self { name: name.into(), id: Uuid::now_v7(), lasts }
    }

    pub(crate) fn lasts(&self) -> Duration {
        self.lasts
    }

    fn until(&self) -> i64 {
        let lasts = i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX);
        Timestamp::now().as_micros().saturating_add(lasts)
    }

    /// Takes the lease, or takes it anew; `false` if somebody else has it.
    ///
    /// In the transaction of what it is for: if that commits, nobody else has had the lease meanwhile, whatever the clocks
    /// say.
    pub(crate) fn take(&self, transaction: &Connection) -> rusqlite::Result<bool> {
        let held: Option<(Vec<u8>, i64)> = transaction
            .prepare_cached("SELECT holder, until FROM factum_leases WHERE name = ?1")?
            .query_row([&self.name], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let now = Timestamp::now().as_micros();
        if held.is_some_and(|(holder, until)| holder != self.id.as_bytes() && until > now) {
            return Ok(false);
        }
        transaction
            .prepare_cached("REPLACE INTO factum_leases (name, holder, until) VALUES (?1, ?2, ?3)")?
            .execute((&self.name, self.id.as_bytes(), self.until()))?;
        Ok(true)
    }

    /// Lets it last longer, if this one has it.
    fn renew(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE factum_leases SET until = ?3 WHERE name = ?1 AND holder = ?2")?
            .execute((&self.name, self.id.as_bytes(), self.until()))
            .map(drop)
    }

    /// Gives it back, if this one has it: the next one need not wait. If this fails, it waits.
    pub(crate) fn give_back(&self, store: &SqliteStore) {
        if let Ok(writer) = store.writer() {
            let _ = writer
                .prepare_cached("DELETE FROM factum_leases WHERE name = ?1 AND holder = ?2")
                .and_then(|mut delete| delete.execute((&self.name, self.id.as_bytes())));
        }
    }
}

/// Keeps a lease for as long as it lives, whatever its holder is busy with. Does not take it.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Fails if the system gives no thread.
    pub(crate) fn start(store: SqliteStore, holder: Holder) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let keep = move || {
            while stopped.recv_timeout(holder.lasts / 3) == Err(RecvTimeoutError::Timeout) {
                // Once more in a third of its time, if it fails.
                if let Ok(writer) = store.writer() {
                    let _ = holder.renew(&writer);
                }
            }
        };
        let thread = thread::Builder::new().name("factum: lease".into()).spawn(keep)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
