//! Followers that run by themselves: each catches up, then follows the store, in the background.

use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, process, slice};

use crate::domain::error::with_causes;
use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::control::Control;
use crate::follow::dead_letter::ListLetters;
use crate::follow::error::FollowError;
use crate::follow::lease::DEFAULT_LEASE;
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::outcome::RunOutcome;
use crate::follow::policy::{OnFailure, RetryPolicy};
use crate::follow::pool::{Task, TaskId};
use crate::follow::progress::Report;
use crate::follow::runs;
use crate::follow::session::Session;
use crate::follow::state::{Activity, FollowerChange, FollowerState, Hook, Lag};
use crate::runtime::Runtime;
use crate::store::event_store::EventStore;

/// A shorter lease would be renewed all the time.
const SHORTEST_LEASE: Duration = Duration::from_millis(100);

/// A follower that can run in the background: a `SqliteProjection`, a [`StoredReaction`](crate::follow::StoredReaction) or a
/// [`StoredProcess`](crate::follow::StoredProcess).
pub trait Follower: sealed::Run + Send + Sized + 'static {}

pub(crate) mod sealed {
    use super::{
        Arc, Backlog, Control, EventStore, FollowError, Instant, ListLetters, Report, RetryPolicy, Session,
    };

    /// How a follower runs in the background. Only factum's own followers implement it.
    pub trait Run {
        const NAME: &'static str;

        /// Whether it has `async` handlers, and so runs on a runtime.
        const AWAITS: bool = false;

        /// Why the follower ends by itself.
        type Error: std::error::Error + From<FollowError> + Send + Sync + 'static;

        /// Runs until the caller stops it, or until it is parked: then it returns the time of its next run.
        fn run(
            &mut self,
            control: &Control,
            policy: &RetryPolicy,
            session: &mut Session,
        ) -> Result<Option<Instant>, Self::Error>;

        /// The store of the events.
        fn events(&self) -> Arc<dyn EventStore>;

        fn letters(&self) -> Box<dyn ListLetters>;

        /// What the follower has to do besides handling the next events.
        fn backlog(&self) -> Box<dyn Backlog>;

        /// The callback that gets the follower's progress.
        fn report(&mut self) -> &mut Option<Report>;
    }
}

/// The settings of a follower that does not run yet: `follow` makes them, [`start`](Self::start) starts the
/// runner.
#[doc(alias = "worker")]
#[doc(alias = "daemon")]
#[derive(Debug)]
#[must_use = "the follower does not run before `.start()`"]
pub struct FollowerBuilder<F> {
    follower: F,
    policy: RetryPolicy,
    lease: Duration,
    hook: Hook,
}

/// The handle of a follower that runs, until it is [stopped](Self::stop) or this handle is dropped.
#[must_use = "the follower stops when this handle is dropped: keep it for as long as it is to run"]
pub struct RunningFollower<F: Follower> {
    pub(crate) control: Arc<Control>,
    /// `None` once a caller has it.
    outcome: Option<Arc<RunOutcome<Ended<F>>>>,
    /// The process that has the runner. A fork copies the handle, and no thread.
    process: u32,
    /// The store of the events.
    events: Arc<dyn EventStore>,
    pub(crate) letters: Box<dyn ListLetters>,
    backlog: Box<dyn Backlog>,
}

/// A follower whose run has ended, and how.
type Ended<F> = (F, Result<(), <F as sealed::Run>::Error>);

/// Why a wait for a follower ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time ran out.
    #[error("`{follower}` has reached position {position} in the time given, not {wanted}")]
    #[non_exhaustive]
    TimedOut {
        /// The follower's name.
        follower: &'static str,
        /// The position that it has reached.
        position: Position,
        /// The position that the caller waits for.
        wanted: Position,
    },
    /// The runner has ended: [`RunningFollower::stop`] returns the reason.
    #[error("`{follower}` has ended at position {position}, before {wanted}")]
    #[non_exhaustive]
    Ended {
        /// The follower's name.
        follower: &'static str,
        /// The position that it has reached.
        position: Position,
        /// The position that the caller waits for.
        wanted: Position,
    },
}

impl<F: Follower> FollowerBuilder<F> {
    pub(crate) fn new(follower: F) -> Self {
        Self { follower, policy: RetryPolicy::new(), lease: DEFAULT_LEASE, hook: Hook::default() }
    }

    /// How often the runner retries an event that fails, or a store or disk that fails.
    ///
    /// The first retry comes after `delay`. Each further delay is twice as long, up to 10 seconds.
    pub fn retry(mut self, times: u32, delay: Duration) -> Self {
        (self.policy.retries, self.policy.first_delay) = (times, delay);
        self
    }

    /// What the runner does with an event that still fails after all retries.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.policy.on_failure = on_failure;
        self
    }

    /// How long the lease lasts; 10 seconds by default.
    ///
    /// The runner renews its lease after half of that. After the runner has died, runners on other machines
    /// wait until the lease ends. On the same Linux machine, they take it at once, unless they run in another
    /// container.
    ///
    /// Each runner that waits measures that time by itself, so a clock that is set back delays none.
    ///
    /// The least is 100 milliseconds.
    pub fn lease(mut self, lasts: Duration) -> Self {
        self.lease = lasts.max(SHORTEST_LEASE);
        self
    }

    /// Sets the hook that is called with each change of the follower, in the runner's thread.
    ///
    /// By default, each change that a person should see becomes a line on standard error: a retry, a dead letter,
    /// a lease that is lost, the end of a rebuild, and an end by an error. `on_change(|_| {})` is silent.
    ///
    /// The hook is called outside of transactions. A panic in it has no effect. While it runs, the runner waits.
    /// What it has captured is dropped before [`stop`](RunningFollower::stop) returns.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Reaction)]
    /// # #[reaction(name = "mails", from(BankAccount), events(MoneyDeposited))]
    /// # struct Mails;
    /// # #[handlers]
    /// # impl Mails {
    /// #     #[react]
    /// #     fn deposited(&self, _: &MoneyDeposited) {}
    /// # }
    /// use factum::follow::FollowerChange;
    ///
    /// # let store = SqliteStore::in_memory()?;
    /// let mails = SqliteReaction::new(&store, Mails)?.follow();
    /// let mails = mails.on_change(|change| match change {
    ///     FollowerChange::DeadLetter { .. } => println!("page someone: {change}"),
    ///     _ => println!("{change}"),
    /// });
    /// # drop(mails.start()?.stop()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_change(mut self, hook: impl Fn(&FollowerChange) + Send + Sync + 'static) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Starts the runner, in the background.
    ///
    /// Over all processes that have the file open, or use the schema of the server, one runner of this follower runs. The others
    /// wait until it ends or dies.
    ///
    /// If the follower has several workers, the processes share them. Each partition runs in one process, and each process has as
    /// many of them as the others, or one more. A process that comes gets its share within a second or two, and the time of one
    /// transaction or one call of a reaction's handler. [`FollowerState::partitions`] says where each partition runs. Processes
    /// with different numbers of workers share nothing: those of one number have all partitions, until the last of them ends.
    ///
    /// All followers of a process share 8 threads. A follower that waits for events, a lease or a retry holds none
    /// of them. While all threads are blocked, the number doubles each 100 milliseconds; a thread that is idle
    /// ends. So 8 handlers that block delay another follower by 100 milliseconds, and 100 handlers by 400. Leases
    /// are renewed before anything else.
    ///
    /// A follower with several workers has a thread for each but the first, while one of them has something to do. The follower of a store without [`EventStore::watch`] has its own threads all the time.
    ///
    /// A reaction with `async` handlers runs them on the runtime of tokio that the caller's thread belongs to, or has entered:
    /// see [`Reaction`](crate::follow::Reaction#async-handlers).
    ///
    /// Fails with [`FollowError::Thread`] if the system can't start a thread, and with [`FollowError::NoRuntime`] if there are
    /// `async` handlers and no runtime.
    pub fn start(self) -> Result<RunningFollower<F>, FollowError> {
        let Self { mut follower, policy, lease, hook } = self;
        let runtime = if F::AWAITS {
            Some(Runtime::current().ok_or(FollowError::NoRuntime { follower: F::NAME })?)
        } else {
            None
        };
        let control = Arc::new(Control::with_hook(F::NAME, follower.report().take(), hook));
        let (events, letters, backlog) = (follower.events(), follower.letters(), follower.backlog());
        let (task, outcome) = (TaskId::reserve(), Arc::new(RunOutcome::default()));
        let waker = task.waker();
        let can_park = events.watch(&waker).is_ok_and(|watches| watches);
        let run = FollowerRun {
            follower: Some(follower),
            control: Arc::clone(&control),
            policy,
            session: Session::new(F::NAME, lease, can_park),
            events: Some(Arc::clone(&events)),
            waker: waker.clone(),
            outcome: Arc::clone(&outcome),
            runtime,
        };
        let started = if can_park {
            control.use_waker(waker);
            task.start(run, Instant::now())
        } else {
            let mut run = run;
            let thread = thread::Builder::new().name(format!("factum: {}", F::NAME));
            thread.spawn(move || run.run_here()).map(drop)
        };
        started.map_err(|source| FollowError::Thread { follower: F::NAME, source })?;
        Ok(RunningFollower {
            control,
            outcome: Some(outcome),
            process: process::id(),
            events,
            letters,
            backlog,
        })
    }
}

/// A follower while it runs.
struct FollowerRun<F: Follower> {
    /// `None` once it has ended.
    follower: Option<F>,
    control: Arc<Control>,
    policy: RetryPolicy,
    session: Session,
    /// `None` once the run has ended: the store may be closed as soon as a caller has the outcome.
    events: Option<Arc<dyn EventStore>>,
    waker: Waker,
    outcome: Arc<RunOutcome<Ended<F>>>,
    /// What `async` handlers run on.
    runtime: Option<Runtime>,
}

impl<F: Follower> Task for FollowerRun<F> {
    fn run(&mut self) -> Option<Instant> {
        let follower = self.follower.as_mut()?;
        let _runs = runs::enter(slice::from_ref(&self.control.run));
        let _runtime = self.runtime.as_ref().map(Runtime::enter);
        // Handlers' panics are errors of their events. This is for the progress callback.
        let result = catch_panic(|| follower.run(&self.control, &self.policy, &mut self.session))
            .unwrap_or_else(|_| Err(FollowError::Panicked { follower: F::NAME }.into()));
        let result = match result {
            Ok(Some(next)) => return Some(next),
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        *follower.report() = self.control.take_report();
        self.control.end(result.as_ref().err().map(|error| with_causes(error)));
        self.let_go();
        // The handlers may be dropped here, and they may own the handle: this thread is still part of the run.
        self.outcome.leave((self.follower.take()?, result));
        None
    }
}

impl<F: Follower> FollowerRun<F> {
    /// Runs until the follower has ended.
    fn run_here(&mut self) {
        while let Some(next) = self.run() {
            self.control.pause(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Drops what belongs to the store.
    fn let_go(&mut self) {
        (self.session.kept, self.session.leases) = (None, None);
        if let Some(events) = self.events.take() {
            events.unwatch(&self.waker);
        }
    }
}

/// Wakes the waiting callers, also if the runner could not be started.
impl<F: Follower> Drop for FollowerRun<F> {
    fn drop(&mut self) {
        if self.follower.is_some() {
            self.let_go();
            self.control.end(None);
            self.outcome.give_up();
        }
    }
}

impl<F: Follower> RunningFollower<F> {
    /// What the follower does, and how far it is behind the store.
    ///
    /// Reads the store, for the lag. A store in memory has one connection, so there the call waits for its
    /// writers.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Reaction)]
    /// # #[reaction(name = "mails", from(BankAccount), events(MoneyDeposited))]
    /// # struct Mails;
    /// # #[handlers]
    /// # impl Mails {
    /// #     #[react]
    /// #     fn deposited(&self, _: &MoneyDeposited) {}
    /// # }
    /// use factum::follow::Activity;
    ///
    /// # let store = SqliteStore::in_memory()?;
    /// let mails = SqliteReaction::new(&store, Mails)?.follow().start()?;
    /// let state = mails.state();
    /// let is_healthy = match state.activity {
    ///     Activity::Retrying { .. } | Activity::Stopped { .. } => false,
    ///     _ => state.lag.is_some_and(|lag| lag.time.as_secs() < 60),
    /// };
    /// # let _ = is_healthy;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> FollowerState {
        let position = self.control.position();
        let activity = self.control.activity();
        let lag = match activity {
            Activity::Starting | Activity::Rebuilding { .. } => None,
            _ => Lag::of(&*self.events, position),
        };
        FollowerState { follower: F::NAME, position, lag, activity, partitions: self.control.partitions() }
    }

    /// When the follower has something to do again.
    ///
    /// One that has ended has nothing to do. One that waits for another runner's lease is there to take over.
    pub(crate) fn next_run(&self) -> NextRun {
        let FollowerState { lag, activity, .. } = self.state();
        match activity {
            Activity::Stopped { .. } => NextRun::WithNextEvent,
            // The follower reports an error of the store.
            Activity::Running if lag.is_some_and(|lag| lag.events == 0) => {
                self.backlog.next_run().unwrap_or(NextRun::Now)
            }
            _ => NextRun::Now,
        }
    }

    /// The position up to which the follower has seen everything, as far as this runner knows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.control.position()
    }

    /// Whether the runner has ended by itself, as it does after an error. [`stop`](Self::stop) returns the
    /// error.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.control.has_ended()
    }

    /// Waits until the follower has seen the event at `position`.
    ///
    /// With the position from a command's outcome, the caller can read its own writes.
    ///
    /// Fails if the time runs out, or the runner ends before that. In a handler of this follower, or in a command that it
    /// sends, there is nothing to wait for: the call returns at once.
    pub fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        // A handler would wait for itself.
        let timeout = if runs::current().contains(&self.control.run) { Duration::ZERO } else { timeout };
        let end = self.control.wait_for(position, timeout);
        let (follower, wanted, position) = (F::NAME, position, end.position);
        match position {
            _ if position >= wanted => Ok(()),
            _ if end.ended => Err(WaitError::Ended { follower, position, wanted }),
            _ => Err(WaitError::TimedOut { follower, position, wanted }),
        }
    }

    pub(crate) fn control(&self) -> &Control {
        &self.control
    }

    /// Lets the runner stop after the transaction or the handler that it is in, and does not wait for it.
    ///
    /// To stop many followers in the time of one, call this for each, and then [`stop`](Self::stop) for each. Does
    /// nothing in a process that was forked after the start.
    pub fn begin_stop(&self) {
        if self.check_process().is_ok() {
            self.control.stop();
        }
    }

    /// Stops the runner after the transaction or the handler that it is in, and returns the follower.
    ///
    /// Fails if the runner has ended by itself, with the reason. Fails with
    ///
    /// * [`FollowError::OwnRunner`] in a handler of this follower, or in a command that it sends: the runner waits for
    ///   both. The runner ends after its step then;
    /// * [`FollowError::Forked`] in a process that was forked after the start.
    pub fn stop(mut self) -> Result<F, F::Error> {
        self.end().and_then(|(follower, result)| result.map(|()| follower))
    }

    /// Stops the runner as [`stop`](Self::stop) does, and waits for it at most this long.
    ///
    /// Fails with [`FollowError::StillRuns`] if the time runs out. The runner then ends after its step, by itself. An `async`
    /// handler is dropped where it awaits; its event comes again.
    pub fn stop_within(self, timeout: Duration) -> Result<F, F::Error> {
        self.begin_stop();
        let is_own = runs::current().contains(&self.control.run);
        if !is_own && self.check_process().is_ok() && !self.control.wait_for_end(timeout) {
            self.control.run.give_up();
            self.abandon();
            return Err(FollowError::StillRuns { follower: F::NAME, timeout }.into());
        }
        self.stop()
    }

    /// Gives up the handle of a runner that ends by itself.
    fn abandon(mut self) {
        if let Some(outcome) = self.outcome.take() {
            outcome.give_up();
        }
    }

    /// Fails in a process that was forked after the start: it has no thread of the runner.
    pub(crate) fn check_process(&self) -> Result<(), FollowError> {
        if process::id() == self.process { Ok(()) } else { Err(FollowError::Forked { follower: F::NAME }) }
    }

    /// Stops the runner and returns what it has ended with. A second call does nothing.
    fn end(&mut self) -> Result<Ended<F>, F::Error> {
        let follower = F::NAME;
        let outcome = self.outcome.take().ok_or(FollowError::Panicked { follower })?;
        self.check_process()?;
        self.control.stop();
        match runs::wait_for(&self.control.run, || outcome.wait()) {
            Some(Some(ended)) => Ok(ended),
            Some(None) => Err(FollowError::Panicked { follower }.into()),
            None => {
                outcome.give_up();
                Err(FollowError::OwnRunner { follower }.into())
            }
        }
    }
}

impl<F: Follower> Drop for RunningFollower<F> {
    fn drop(&mut self) {
        drop(self.end());
    }
}

impl<F: Follower> fmt::Debug for RunningFollower<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningFollower").field("control", &self.control).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::dead_letter::DeadLetter;
    use crate::follow::discarded_letter::DiscardedLetter;

    /// A follower that waits to be stopped.
    struct Idle(Option<Report>);

    impl sealed::Run for Idle {
        const NAME: &'static str = "idle";

        type Error = FollowError;

        fn run(
            &mut self,
            control: &Control,
            _: &RetryPolicy,
            _: &mut Session,
        ) -> Result<Option<Instant>, FollowError> {
            Ok((!control.is_stopping()).then(|| Instant::now() + Duration::from_mins(1)))
        }

        fn letters(&self) -> Box<dyn ListLetters> {
            Box::new(NoLetters)
        }

        fn backlog(&self) -> Box<dyn Backlog> {
            Box::new(NoLetters)
        }

        fn events(&self) -> Arc<dyn EventStore> {
            Arc::new(crate::memory::store::MemoryStore::new())
        }

        fn report(&mut self) -> &mut Option<Report> {
            &mut self.0
        }
    }

    struct NoLetters;

    impl Backlog for NoLetters {
        fn next_run(&self) -> Result<NextRun, FollowError> {
            Ok(NextRun::WithNextEvent)
        }
    }

    impl ListLetters for NoLetters {
        fn list(&self, _: Position, _: usize) -> Result<Vec<DeadLetter>, FollowError> {
            Ok(Vec::new())
        }

        fn find(&self, _: Position) -> Result<Option<DeadLetter>, FollowError> {
            Ok(None)
        }

        fn discarded(&self, _: Position, _: usize) -> Result<Vec<DiscardedLetter>, FollowError> {
            Ok(Vec::new())
        }
    }

    impl Follower for Idle {}

    /// A fork copies the handle but not the thread: a join would wait for a thread that does not exist.
    #[test]
    fn a_forked_process_does_not_wait_for_the_runner() {
        let mut running = FollowerBuilder::new(Idle(None)).start().unwrap();
        let control = Arc::clone(&running.control);
        running.process = process::id().wrapping_add(1);
        assert!(matches!(running.retry_dead_letters(), Err(FollowError::Forked { follower: "idle" })));
        assert!(matches!(running.stop(), Err(FollowError::Forked { follower: "idle" })));
        assert!(!control.is_stopping(), "the runner belongs to the other process");
        control.stop();
    }
}
