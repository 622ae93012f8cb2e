//! Which server leads. After a failover, the one that led before may still answer, as after a suspension.
//!
//! Each new leader begins a *timeline*, with a number above all before. A program that knows of a timeline takes no answer from
//! a session with an earlier one: what it reads there may lack what it was told already.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio_postgres::Row;

use crate::postgres::server::error::Failure;
use crate::store::lock::lock;

/// The timeline of a server that accepts writes; null if it does not.
pub(crate) const TIMELINE: &str = "SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery()
    THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END FROM pg_control_system()";

/// A timeline, and the servers that have it in common. Those of another system have numbers of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timeline {
    system: i64,
    number: u32,
}

impl Timeline {
    fn is_before(self, other: Self) -> bool {
        self.system == other.system && self.number < other.number
    }
}

/// The newest timeline that the program knows of.
#[derive(Debug, Default)]
pub(crate) struct Timelines {
    newest: Mutex<Option<Timeline>>,
    /// How often another server has taken over.
    takeovers: AtomicU64,
    changed: Notify,
    /// A session waits long for an answer. Its server may be one that leads no longer.
    doubt: Notify,
}

/// The timeline of a session, beside the newest one.
#[derive(Debug)]
pub(crate) struct Standing {
    own: Timeline,
    timelines: Arc<Timelines>,
}

impl Timelines {
    /// Reads the row of [`TIMELINE`] of a new session; `None` if its server is a standby, which begins no timeline.
    ///
    /// Fails if another server leads by now.
    pub(crate) fn standing(self: &Arc<Self>, row: &Row) -> Result<Option<Standing>, Failure> {
        let system = row.try_get(0).map_err(Failure::of)?;
        let Some(number) = row.try_get::<_, Option<i32>>(1).map_err(Failure::of)? else { return Ok(None) };
        let own = Timeline { system, number: number.cast_unsigned() };
        let standing = Standing { own, timelines: Arc::clone(self) };
        if standing.is_behind() {
            return Err(Failure::ReadOnly);
        }
        let before = lock(&self.newest).replace(own);
        if before.is_some_and(|before| before != own) {
            self.takeovers.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_waiters();
        }
        Ok(Some(standing))
    }

    /// How often another server has taken over. From the call on that returns a new number, no answer comes from an earlier one.
    pub(crate) fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::SeqCst)
    }

    /// Waits until a session waits long for an answer.
    pub(crate) async fn wait_for_doubt(&self) {
        self.doubt.notified().await;
    }
}

impl Standing {
    /// Whether another server leads by now.
    pub(crate) fn is_behind(&self) -> bool {
        lock(&self.timelines.newest).is_some_and(|newest| self.own.is_before(newest))
    }

    /// Waits until another server leads.
    pub(crate) async fn fall_behind(&self) {
        loop {
            let changed = self.timelines.changed.notified();
            if self.is_behind() {
                return;
            }
            changed.await;
        }
    }

    /// Has the hosts asked whether they lead.
    pub(crate) fn doubt(&self) {
        self.timelines.doubt.notify_waiters();
    }
}
