//! Which runs this thread is part of, so that a handler does not wait for the run that waits for it, or that is given up.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use crate::store::lock::lock;
use crate::store::wakers::Wakers;

/// One run of a follower. Clones are the same run.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunId(Arc<Run>);

#[derive(Debug, Default)]
struct Run {
    is_given_up: AtomicBool,
    /// Handlers that await something.
    awaiting: Wakers,
}

impl PartialEq for RunId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

thread_local! {
    /// The runs that this thread is part of. A handler can run another follower, so there may be several.
    static RUNS: RefCell<Vec<RunId>> = const { RefCell::new(Vec::new()) };
}

impl RunId {
    /// Lets no handler of the run await anything any longer.
    pub(crate) fn give_up(&self) {
        self.0.is_given_up.store(true, Ordering::SeqCst);
        self.0.awaiting.wake();
    }

    fn is_given_up(&self) -> bool {
        self.0.is_given_up.load(Ordering::SeqCst)
    }
}

/// The run of the handler was given up while the handler was awaiting something.
#[derive(Debug, thiserror::Error)]
#[error("the follower was stopped, and the handler still waited")]
pub(crate) struct GivenUp;

/// The result of a handler's future, unless a run of this thread is given up first.
pub(crate) async fn unless_given_up<T>(future: impl Future<Output = T>) -> Result<T, GivenUp> {
    struct Awaiting(Vec<RunId>, Option<Waker>);

    impl Drop for Awaiting {
        fn drop(&mut self) {
            if let Some(waker) = &self.1 {
                self.0.iter().for_each(|run| run.0.awaiting.remove(waker));
            }
        }
    }

    let (mut future, mut awaiting) = (pin!(future), Awaiting(current(), None));
    poll_fn(|context| {
        let Awaiting(runs, waker) = &mut awaiting;
        // The future is polled by one thread, so the waker stays the same.
        if waker.is_none() {
            for run in runs.iter() {
                run.0.awaiting.add(context.waker());
            }
            *waker = Some(context.waker().clone());
        }
        match future.as_mut().poll(context) {
            Poll::Ready(result) => Poll::Ready(Ok(result)),
            Poll::Pending if runs.iter().any(RunId::is_given_up) => Poll::Ready(Err(GivenUp)),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
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
pub(crate) fn wait_for<T>(run: &RunId, wait: impl FnOnce() -> T) -> Option<T> {
    let waiting = current();
    let pairs: Vec<_> = waiting.iter().map(|waiting| (waiting.clone(), run.clone())).collect();
    let _waits = {
        let mut waits = lock(&WAITS);
        let mut reached = vec![run.clone()];
        while let Some((_, next)) =
            waits.iter().find(|(from, to)| reached.contains(from) && !reached.contains(to))
        {
            reached.push(next.clone());
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
