//! Which server leads. After a failover, the one that led before may still answer, as after a suspension.
//!
//! Each new leader begins a *timeline*, with a number above all before. A program that knows of a timeline takes no answer from
//! a session with an earlier one: what it reads there may lack what it was told already. If the hosts have become another system, its
//! timelines have numbers of their own, and the one of the last session counts.
//!
//! A backup of a system may get a number that its leader has given already. Nothing that each role may ask tells the two apart, so
//! programs stop before a backup takes the place of their server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_postgres::Row;

use crate::postgres::server::error::Failure;
use crate::store::lock::lock;

/// The timeline of a server that accepts writes; null if it does not.
pub(crate) const TIMELINE: &str = "SELECT system_identifier, CASE WHEN NOT pg_is_in_recovery()
    THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END FROM pg_control_system()";

/// How long the hosts are asked after a session has waited long for an answer. One that still waits says so in less.
const END_OF_DOUBT: Duration = Duration::from_secs(5);

/// A timeline, and the system of servers that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeline {
    system: i64,
    number: u32,
}

impl Timeline {
    /// Reads the row of [`TIMELINE`]; `None` if its server is a standby, which begins no timeline.
    pub(crate) fn of(row: &Row) -> Result<Option<Self>, Failure> {
        let system = row.try_get(0).map_err(Failure::of)?;
        let number = row.try_get::<_, Option<i32>>(1).map_err(Failure::of)?;
        Ok(number.map(|number| Self { system, number: number.cast_unsigned() }))
    }

    /// Whether a server with this timeline has led before one with the other.
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
    doubted_at: Mutex<Option<Instant>>,
}

/// The timeline of a session, beside the newest one.
#[derive(Debug)]
pub(crate) struct Standing {
    own: Timeline,
    timelines: Arc<Timelines>,
}

impl Timelines {
    /// Notes the timeline of a new session. Fails if another server leads by now.
    pub(crate) fn standing(self: &Arc<Self>, own: Timeline) -> Result<Standing, Failure> {
        let mut newest = lock(&self.newest);
        if newest.is_some_and(|newest| own.is_before(newest)) {
            return Err(Failure::ReadOnly);
        }
        let before = newest.replace(own);
        drop(newest);
        if before.is_some_and(|before| before != own) {
            self.takeovers.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_waiters();
        }
        Ok(Standing { own, timelines: Arc::clone(self) })
    }

    /// Whether it is of another system than that of the last session.
    pub(crate) fn is_of_another_system(&self, timeline: Timeline) -> bool {
        lock(&self.newest).is_some_and(|newest| newest.system != timeline.system)
    }

    /// Notes that a host of the URL has this timeline. If it is a later one than that of the sessions, they end, and this is true.
    pub(crate) fn hear(self: &Arc<Self>, timeline: Timeline) -> bool {
        let newest = *lock(&self.newest);
        // The second one fails if there is a later one by now.
        newest.is_some_and(|newest| newest.is_before(timeline)) && self.standing(timeline).is_ok()
    }

    /// How often another server has taken over. From the call on that returns a new number, no answer comes from an earlier one.
    pub(crate) fn takeovers(&self) -> u64 {
        self.takeovers.load(Ordering::SeqCst)
    }

    /// Waits until a session waits long for an answer.
    pub(crate) async fn wait_for_doubt(&self) {
        self.doubt.notified().await;
    }

    /// Whether a session has waited long for an answer a short time ago.
    pub(crate) fn is_in_doubt(&self) -> bool {
        lock(&self.doubted_at).is_some_and(|at| at.elapsed() < END_OF_DOUBT)
    }
}

impl Standing {
    pub(crate) fn timeline(&self) -> Timeline {
        self.own
    }

    /// Whether another server leads by now.
    pub(crate) fn is_behind(&self) -> bool {
        lock(&self.timelines.newest).is_some_and(|newest| self.own != newest)
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

    /// Has the hosts asked whether they lead, for some time.
    pub(crate) fn doubt(&self) {
        *lock(&self.timelines.doubted_at) = Some(Instant::now());
        self.timelines.doubt.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(system: i64, number: u32) -> Timeline {
        Timeline { system, number }
    }

    #[test]
    fn a_later_timeline_ends_earlier_sessions_and_begins_no_more() {
        let timelines = Arc::new(Timelines::default());
        let [first, other] = [0; 2].map(|_| timelines.standing(timeline(1, 1)).unwrap());
        assert_eq!((first.is_behind(), other.is_behind(), timelines.takeovers()), (false, false, 0));
        let second = timelines.standing(timeline(1, 2)).unwrap();
        assert_eq!((first.is_behind(), second.is_behind(), timelines.takeovers()), (true, false, 1));
        assert!(matches!(timelines.standing(timeline(1, 1)), Err(Failure::ReadOnly)));
        assert!(timelines.hear(timeline(1, 3)));
        assert_eq!((second.is_behind(), timelines.takeovers()), (true, 2));
    }

    /// A timeline of another system has the number by chance.
    #[test]
    fn a_session_with_another_system_ends_those_before_and_a_host_that_is_only_asked_does_not() {
        let timelines = Arc::new(Timelines::default());
        let first = timelines.standing(timeline(1, 2)).unwrap();
        assert!(!timelines.hear(timeline(2, 3)));
        assert_eq!((first.is_behind(), timelines.takeovers()), (false, 0));
        assert_eq!([1, 2].map(|system| timelines.is_of_another_system(timeline(system, 2))), [false, true]);
        for number in [1, 2] {
            let first = timelines.standing(timeline(1, 2)).unwrap();
            let other = timelines.standing(timeline(2, number)).unwrap();
            assert_eq!((first.is_behind(), other.is_behind()), (true, false));
        }
        assert_eq!(timelines.takeovers(), 3);
    }
}
