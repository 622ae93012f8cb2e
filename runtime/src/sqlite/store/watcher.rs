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
    /// The time between the last look and the next one.
    period: Duration,
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
    state.watched.push(Watched {
        wakeups: Arc::clone(wakeups),
        due: now,
        period: Duration::ZERO,
        used_at: now,
        looked_for_use: now,
    });
    drop(state);
    watcher.added.notify_one();
    Ok(())
}

impl Watcher {
    /// Looks until no store is left.
    fn run(&self) {
        let mut state = lock(&self.state);
        while !state.watched.is_empty() {
            // A store may be added meanwhile.
            let mut watched = mem::take(&mut state.watched);
            drop(state);
            let (now, stores) = (Instant::now(), watched.len());
            watched.retain_mut(|watched| watched.look_if_due(now, stores));
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
    /// Looks at the store if it is due, or soon will be: so the looks at several stores come together. Returns
    /// whether later looks are needed.
    fn look_if_due(&mut self, now: Instant, stores: usize) -> bool {
        if self.due.saturating_duration_since(now) > self.period / 4 {
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
        match self.wakeups.look(now, stores) {
            Some(period) => {
                (self.due, self.period) = (now + period, period);
                true
            }
            None => false,
        }
    }
}
