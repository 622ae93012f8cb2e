//! Leases: over all processes, one runner of a follower runs.
//!
//! A lease ends in one of three ways, whichever comes first:
//!
//! * its time has come, by the clock: of a server, that of the server;
//! * its holder's process has ended, as far as this machine can tell, or a server knows no session of it any more;
//! * its holder has not renewed it for as long as it lasts, by the monotonic clock of the runner that waits. So
//!   a clock that was set back delays no runner.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::domain::new_id::new_id;
use crate::domain::time::Timestamp;
use crate::follow::os_process::OsProcess;
use crate::store::lock::lock;

/// How long a lease lasts by default: the time that processes on other machines wait after its holder has
/// died.
pub(crate) const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// The longest time after which a runner without a lease asks for it again.
const STAND_BY: Duration = Duration::from_millis(500);

/// How many bytes of a stored holder are its id. A text with the holder's process follows.
const ID_BYTES: usize = 16;

/// A runner that asks for the lease of this name: that of a follower, or of what belongs to one.
#[derive(Debug, Clone)]
pub(crate) struct LeaseHolder {
    pub(crate) name: String,
    /// How long the lease lasts after it was taken or renewed.
    pub(crate) lasts: Duration,
    /// The holder as it is stored.
    record: Vec<u8>,
    process: Option<OsProcess>,
    /// The lease of another holder, as this one has last seen it.
    seen: Arc<Mutex<Option<SeenLease>>>,
    /// Whether the holder has the lease, as far as it knows.
    is_held: Arc<AtomicBool>,
}

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredLease {
    pub(crate) holder: Vec<u8>,
    pub(crate) until: Timestamp,
}

#[derive(Debug)]
struct SeenLease {
    lease: StoredLease,
    since: Instant,
}

/// The answer to a runner that asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeaseAnswer {
    Taken,
    /// Another runner has the lease.
    HeldBy(LeaseInfo),
}

/// A lease that another runner has: of which process, and until when.
///
/// The holder renews its lease long before it ends. After the holder's death, other runners of the same machine
/// take the lease at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseInfo {
    /// The number of the holder's process; `None` if the holder could not tell it.
    pub process: Option<u32>,
    /// The name of the holder's machine; `None` if the holder could not tell it.
    pub host: Option<String>,
    /// When the lease ends, unless the holder renews it.
    pub until: Timestamp,
}

impl fmt::Display for LeaseInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.process, &self.host) {
            (Some(process), Some(host)) => write!(f, "process {process} on {host}")?,
            (Some(process), None) => write!(f, "process {process}")?,
            (None, _) => f.write_str("another runner")?,
        }
        write!(f, ", until {}", self.until)
    }
}

impl LeaseHolder {
    pub(crate) fn new(name: impl Into<String>, lasts: Duration) -> Self {
        let process = OsProcess::this();
        let mut record = new_id().as_bytes().to_vec();
        record.extend(lasts.as_micros().to_string().bytes());
        record.extend(process.iter().flat_map(|process| format!(" {process}").into_bytes()));
        Self { name: name.into(), lasts, record, process, seen: Arc::default(), is_held: Arc::default() }
    }

    /// The holder, as it asks for the lease of another name.
    pub(crate) fn on(&self, name: String) -> Self {
        Self { name, seen: Arc::default(), is_held: Arc::default(), ..self.clone() }
    }

    /// Whether the holder has the lease, as far as it knows.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    pub(crate) fn set_held(&self, is_held: bool) {
        self.is_held.store(is_held, Ordering::Relaxed);
    }

    /// How long after it was taken or renewed the lease is to be renewed.
    pub(crate) fn renew_after(&self) -> Duration {
        self.lasts / 2
    }

    /// How long a runner waits before it asks again for a lease of another one.
    pub(crate) fn stand_by_time(&self) -> Duration {
        (self.lasts / 4).min(STAND_BY)
    }

    /// The holder as it is stored: an id, how long the lease lasts, and the process.
    pub(crate) fn record(&self) -> &[u8] {
        &self.record
    }

    /// The end of a lease that is taken or renewed now.
    pub(crate) fn until(&self) -> Timestamp {
        let lasts = i64::try_from(self.lasts.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(lasts))
    }

    /// Whether this holder may take a lease that is stored as `lease`; if not, whose it is. `now` is the time of the clock by
    /// which leases end.
    pub(crate) fn judge(&self, lease: &StoredLease, now: Timestamp) -> LeaseAnswer {
        if lease.holder == self.record || lease.until <= now {
            return LeaseAnswer::Taken;
        }
        let (lasts, process) = parse(&lease.holder);
        let is_dead = process
            .as_ref()
            .zip(self.process.as_ref())
            .is_some_and(|(holder, own)| own.knows_the_end_of(holder));
        if is_dead || self.has_waited_for(lease) >= lasts.unwrap_or(self.lasts) {
            return LeaseAnswer::Taken;
        }
        let (process, host) = process.map(|process| (process.id(), process.host())).unzip();
        LeaseAnswer::HeldBy(LeaseInfo { process, host: host.flatten(), until: lease.until })
    }

    /// How long this holder has seen the lease of another one without a renewal.
    fn has_waited_for(&self, lease: &StoredLease) -> Duration {
        let mut seen = lock(&self.seen);
        match &*seen {
            Some(before) if before.lease == *lease => before.since.elapsed(),
            _ => {
                *seen = Some(SeenLease { lease: lease.clone(), since: Instant::now() });
                Duration::ZERO
            }
        }
    }
}

/// How long the lease of a stored holder lasts, and its process; as far as the holder has told it.
fn parse(holder: &[u8]) -> (Option<Duration>, Option<OsProcess>) {
    let text = holder.get(ID_BYTES..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let (lasts, process) = text.split_once(' ').unwrap_or((text, ""));
    (lasts.parse().ok().map(Duration::from_micros), OsProcess::parse(process))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn lease_of(holder: &[u8], ends_in: i64) -> StoredLease {
        let until = Timestamp::from_micros(Timestamp::now().as_micros() + ends_in);
        StoredLease { holder: holder.to_vec(), until }
    }

    #[test]
    fn a_lease_that_is_not_renewed_is_over_whatever_its_time_says() {
        let lasts = Duration::from_millis(50);
        let waiting = LeaseHolder::new("view", lasts);
        for other in [&[0; 16][..], b"", b"0123456789abcdef50000", b"0123456789abcdef50000 no process"] {
            let (first, renewed) = (lease_of(other, HOUR), lease_of(other, HOUR + 1));
            let held = |lease: &StoredLease| {
                matches!(waiting.judge(lease, Timestamp::now()), LeaseAnswer::HeldBy(_))
            };
            assert!(held(&first));
            std::thread::sleep(lasts);
            assert!(held(&renewed), "another lease than the one seen before");
            std::thread::sleep(lasts);
            assert!(!held(&renewed));
            assert!(!held(&lease_of(other, 0)), "its time has come");
        }
    }

    #[test]
    fn the_holder_says_how_long_its_lease_lasts() {
        let waiting = LeaseHolder::new("view", Duration::ZERO);
        let holder = LeaseHolder::new("view", Duration::from_hours(1));
        let lease = lease_of(holder.record(), HOUR);
        let LeaseAnswer::HeldBy(info) = waiting.judge(&lease, Timestamp::now()) else { panic!("taken") };
        assert_eq!(
            waiting.judge(&lease, Timestamp::now()),
            LeaseAnswer::HeldBy(info.clone()),
            "it is still alive"
        );
        assert_eq!(holder.judge(&lease, Timestamp::now()), LeaseAnswer::Taken, "its own");
        if cfg!(target_os = "linux") {
            assert_eq!(info.process, Some(std::process::id()));
            assert!(info.to_string().starts_with(&format!("process {}", std::process::id())), "{info}");
        }
    }
}
