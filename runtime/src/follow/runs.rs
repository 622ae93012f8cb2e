//! Which runs this thread is part of, so that a handler does not wait for the run that waits for it.

use std::cell::RefCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::lock::lock;

/// The identity of one run of a follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunId(u64);

thread_local! {
    /// The runs that this thread is part of. A handler can run another follower, so there may be several.
    static RUNS: RefCell<Vec<RunId>> = const { RefCell::new(Vec::new()) };
}

impl Default for RunId {
    fn default() -> Self {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        Self(RUNS.fetch_add(1, Ordering::Relaxed))
    }
}

/// The runs that this thread is part of. A thread that is ending works for none.
pub(crate) fn current() -> Vec<RunId> {
    RUNS.try_with(|runs| runs.borrow().clone()).unwrap_or_default()
}

/// Makes this thread part of these runs for as long as the result lives.
#[must_use]
pub(crate) fn enter(runs: &[RunId]) -> Entered {
    RUNS.with_borrow_mut(|all| {
        let before = all.len();
        all.extend_from_slice(runs);
        Entered { before }
    })
}

/// A thread that is part of a run, for as long as this lives.
pub(crate) struct Entered {
    before: usize,
}

impl Drop for Entered {
    fn drop(&mut self) {
        RUNS.with_borrow_mut(|all| all.truncate(self.before));
    }
}

/// Which run waits for the end of which other, in all threads of the program.
static WAITS: Mutex<Vec<(RunId, RunId)>> = Mutex::new(Vec::new());

/// Runs `wait`, which waits for the end of a run; `None` if that run waits for this thread, also through
/// other runs.
pub(crate) fn wait_for<T>(run: RunId, wait: impl FnOnce() -> T) -> Option<T> {
    let waiting = current();
    let pairs: Vec<_> = waiting.iter().map(|waiting| (*waiting, run)).collect();
    let _waits = {
        let mut waits = lock(&WAITS);
        let mut reached = vec![run];
        while let Some((_, next)) =
            waits.iter().find(|(from, to)| reached.contains(from) && !reached.contains(to))
        {
            reached.push(*next);
        }
        if reached.iter().any(|run| waiting.contains(run)) {
            return None;
        }
        waits.extend_from_slice(&pairs);
        Waits(pairs)
    };
    Some(wait())
}

/// Entries of [`WAITS`], for as long as this lives.
struct Waits(Vec<(RunId, RunId)>);

impl Drop for Waits {
    fn drop(&mut self) {
        let mut waits = lock(&WAITS);
        for pair in &self.0 {
            if let Some(index) = waits.iter().position(|other| other == pair) {
                waits.swap_remove(index);
            }
        }
    }
}
