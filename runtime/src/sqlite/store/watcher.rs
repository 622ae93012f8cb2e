//! The one thread of a process that looks for appends of other processes, for all stores that readers wait for.

use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::sqlite::store::wakeups::Wakeups;
use crate::store::lock::lock;
use crate::store::per_process::PerProcess;

/// How long a store is watched after its last reader has waited.
const UNUSED: Duration = Duration::from_secs(1);

/// Looks come at multiples of this, unless the time between them is shorter.
const UNIT: Duration = Duration::from_millis(2);

static WATCHER: PerProcess<Watcher> = PerProcess::new();

#[derive(Default)]
struct Watcher {
    state: Mutex<State>,
    added: Condvar,
}

#[derive(Default)]
struct State {
    watched: Vec<Watched>,
    is_running: bool,
}

struct Watched {
    wakeups: Arc<Wakeups>,
    /// When the next look is due.
    due: Instant,
    /// When a reader has waited last, and when the watcher has looked for one.
    used_at: Instant,
    looked_for_use: Instant,
}

/// Watches a store until no reader waits. Fails if the system can't start a thread.
pub(super) fn add(wakeups: &Arc<Wakeups>) -> io::Result<()> {
    let watcher = WATCHER.get();
    let mut state = lock(&watcher.state);
    if !state.is_running {
        thread::Builder::new().name("factum: watcher".into()).spawn(|| watcher.run())?;
        state.is_running = true;
    }
    let now = Instant::now();
    state.watched.push(Watched { wakeups: Arc::clone(wakeups), due: now, used_at: now, looked_for_use: now });
    drop(state);
    watcher.added.notify_one();
    Ok(())
}

impl Watcher {
    /// Looks until no store is left.
    fn run(&self) {
        let mut state = lock(&self.state);
        let begun = Instant::now();
        while !state.watched.is_empty() {
            // A store may be added meanwhile.
            let mut watched = mem::take(&mut state.watched);
            drop(state);
            let (now, stores) = (Instant::now(), watched.len());
            watched.retain_mut(|watched| watched.look_if_due(begun, now, stores));
            state = lock(&self.state);
            state.watched.append(&mut watched);
            if let Some(due) = state.watched.iter().map(|watched| watched.due).min() {
                let wait = due.saturating_duration_since(Instant::now());
                state = self.added.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.is_running = false;
    }
}

impl Watched {
    /// Looks at the store if it is due. Returns whether later looks are needed.
    fn look_if_due(&mut self, begun: Instant, now: Instant, stores: usize) -> bool {
        if self.due > now {
            return true;
        }
        if now.duration_since(self.looked_for_use) >= UNUSED / 2 {
            self.looked_for_use = now;
            if self.wakeups.is_used() {
                self.used_at = now;
            } else if now.duration_since(self.used_at) >= UNUSED && self.wakeups.end_unless_used() {
                return false;
            }
        }
        let Some(period) = self.wakeups.look(now, stores) else { return false };
        self.due = begun + next_tick(now.duration_since(begun), period);
        true
    }
}

/// The first multiple of about a period after a time.
///
/// So all looks of one period come together, whenever they began, and those of short periods often do.
fn next_tick(after: Duration, period: Duration) -> Duration {
    let in_units = period.as_nanos() / UNIT.as_nanos();
    let period = if in_units == 0 { period.as_nanos().max(1) } else { in_units * UNIT.as_nanos() };
    let next = (after.as_nanos() / period + 1) * period;
    Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn looks_of_one_period_come_together_and_never_later_than_it() {
        for period in [1, 300, 1_000, 2_000, 3_100, 5_999, 8_000, 37_700, 45_000].map(micros) {
            let ticks: Vec<_> =
                (0..90_000).step_by(7).map(|after| next_tick(micros(after), period)).collect();
            for (after, tick) in (0..90_000).step_by(7).map(micros).zip(&ticks) {
                assert!(*tick > after && *tick <= after + period, "{period:?}: {tick:?} after {after:?}");
            }
            let mut different = ticks;
            different.dedup();
            let most =
                micros(90_000).as_nanos() / (period.as_nanos() - period.as_nanos() % UNIT.as_nanos()).max(1);
            assert!(different.len() as u128 <= most + 2, "{period:?}: {}", different.len());
        }
        assert_eq!(next_tick(micros(4_100), micros(8_300)), next_tick(micros(6_100), micros(8_000)));
    }
}
