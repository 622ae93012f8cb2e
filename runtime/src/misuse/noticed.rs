//! With the feature `tokio`: a blocking call on a worker thread of a runtime is reported, in debug builds.
//!
//! tokio has no question for that. What it offers is put together here: a thread that polls a task knows the task's id, and
//! gives it a budget of operations. A thread that may block (`spawn_blocking`, `block_in_place`) has no budget, and `block_on`
//! on a thread of the caller polls without an id.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::{self, Future as _};
use std::panic::Location;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use tokio::task;
use tokio::task::coop::cooperative;

use crate::store::lock::lock;
use crate::trace;

/// The budget of a task is less: tokio's is 128.
const BEYOND_ANY_BUDGET: u32 = 256;

/// The places that were reported.
static REPORTED: Mutex<BTreeSet<(&'static str, u32, u32)>> = Mutex::new(BTreeSet::new());

thread_local! {
    static IS_ALLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Reports that a caller calls `method`, which blocks, on a thread that must not block. Each place is reported once.
#[track_caller]
#[inline]
pub(crate) fn blocks(method: &'static str, instead: &'static str) {
    if cfg!(debug_assertions) && is_worker() && !IS_ALLOWED.get() {
        let place = Location::caller();
        if lock(&REPORTED).insert((place.file(), place.line(), place.column())) {
            trace::blocking_call(method, instead, place);
        }
    }
}

/// Runs factum's own work on a thread, whether the thread may block or not.
pub(crate) fn allowed<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            IS_ALLOWED.set(self.0);
        }
    }

    let _before = Before(IS_ALLOWED.replace(true));
    work()
}

/// Whether this thread polls a task.
fn is_worker() -> bool {
    task::try_id().is_some() && !may_spend(BEYOND_ANY_BUDGET)
}

/// Whether this thread has a budget for so many operations. All of it is given back.
fn may_spend(operations: u32) -> bool {
    if operations == 0 {
        return true;
    }
    let mut rest = false;
    let spend_rest = future::poll_fn(|_| {
        rest = may_spend(operations - 1);
        // An operation that does nothing costs nothing.
        Poll::<()>::Pending
    });
    let _ = pin!(cooperative(spend_rest)).poll(&mut Context::from_waker(Waker::noop()));
    rest
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::runtime::Builder;
    use tokio::task::{LocalSet, block_in_place, spawn_blocking};

    use super::*;

    #[test]
    fn only_threads_that_poll_tasks_are_workers() {
        assert!(!is_worker());
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let of_task = async {
            let in_place = block_in_place(is_worker);
            (is_worker(), in_place, spawn_blocking(is_worker).await.unwrap(), is_worker())
        };
        assert_eq!(runtime.block_on(runtime.spawn(of_task)).unwrap(), (true, false, false, true));
        // The thread of the caller is no worker, even if a task runs on it that is not spawned.
        assert!(!runtime.block_on(async { is_worker() }));
        let _entered = runtime.enter();
        assert!(!is_worker());
        assert!(!thread::spawn(is_worker).join().unwrap());
    }

    #[test]
    fn the_only_thread_of_a_runtime_is_a_worker_while_it_polls_a_task() {
        let runtime = Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(runtime.spawn(async { is_worker() })).unwrap());
        let local = LocalSet::new();
        let of_local = local.spawn_local(async { is_worker() });
        assert!(local.block_on(&runtime, of_local).unwrap());
    }

    #[test]
    fn the_budget_is_given_back() {
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let spend = async {
            let before: Vec<_> = (0..BEYOND_ANY_BUDGET).map(may_spend).collect();
            assert!(is_worker());
            let after: Vec<_> = (0..BEYOND_ANY_BUDGET).map(may_spend).collect();
            (before, after)
        };
        let (before, after) = runtime.block_on(runtime.spawn(spend)).unwrap();
        assert!(before.contains(&true) && before.contains(&false));
        assert_eq!(before, after);
    }
}
