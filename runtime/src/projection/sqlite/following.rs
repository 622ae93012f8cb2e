//! A projection that runs by itself: catches up, then follows the store, in a thread of its own.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::batch::{self, BATCH, Failed, WINDOW, in_transaction};
use super::checkpoint::{known_checkpoint, save};
use super::dead_letters::set_aside;
use super::lease::Holder;
use super::{Sqlite, SqliteProjection};
use crate::error::StoreError;
use crate::projection::{Projection, ProjectionError};
use crate::store::EventStore as _;
use crate::store::sqlite::store_error;

/// How long a runner waits before it looks whether it is to stop.
const SLICE: Duration = Duration::from_millis(50);

/// What is done with an event that a projection can't take, after all retries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The runner ends with the error; what comes before the event counts. Another start tries it again.
    #[default]
    Stop,
    /// The event is set aside with its error, and the runner goes on;
    /// see [`dead_letters`](SqliteProjection::dead_letters).
    SetAside,
}

/// How a projection follows its store: made by [`SqliteProjection::follow`], begun by [`start`](Self::start).
#[derive(Debug)]
pub struct Follow<P> {
    projection: SqliteProjection<P>,
    retries: u32,
    first_delay: Duration,
    longest_delay: Duration,
    on_failure: OnFailure,
    lease: Duration,
}

/// A projection that follows its store, until it is [stopped](Self::stop) or this is dropped.
pub struct Following<P> {
    progress: Arc<Progress>,
    runner: Option<JoinHandle<SqliteProjection<P>>>,
}

/// What the runner tells, and is told.
#[derive(Debug, Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The position up to which the view has seen everything.
    position: u64,
    stop: bool,
    ended: bool,
    error: Option<ProjectionError>,
}

/// Why a wait for a projection ended without what was waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time ran out.
    #[error("projection `{projection}` has come to position {position} in the time given, not to {wanted}")]
    #[non_exhaustive]
    TimedOut {
        /// The projection.
        projection: &'static str,
        /// How far it has come.
        position: u64,
        /// How far it should have come.
        wanted: u64,
    },
    /// The runner has ended: [`Following::stop`] tells why.
    #[error("projection `{projection}` has ended at position {position}, before {wanted}")]
    #[non_exhaustive]
    Ended {
        /// The projection.
        projection: &'static str,
        /// How far it has come.
        position: u64,
        /// How far it should have come.
        wanted: u64,
    },
}

impl<P: Projection<Target = Sqlite>> SqliteProjection<P> {
    /// Has the projection follow the store: no retries, [`OnFailure::Stop`], a lease of 10 seconds.
    pub fn follow(self) -> Follow<P> {
        Follow {
            projection: self,
            retries: 0,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(10),
            on_failure: OnFailure::Stop,
            lease: Duration::from_secs(10),
        }
    }
}

impl<P: Projection<Target = Sqlite>> Follow<P> {
    /// How often an event that fails is tried again, the first time after `delay`, then after twice as long each time, up to
    /// 10 seconds.
    pub fn retry(mut self, times: u32, delay: Duration) -> Self {
        (self.retries, self.first_delay) = (times, delay);
        self
    }

    /// What is done with an event that fails after all retries.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// How long a runner that has died is waited for, before another takes its place.
    pub fn lease(mut self, lasts: Duration) -> Self {
        self.lease = lasts;
        self
    }

    /// Starts the runner, in a thread of its own.
    ///
    /// Of all runners of this projection, over all processes that have the file open, one projects; the others wait for it to
    /// end or to die.
    ///
    /// Fails if the system gives no thread.
    pub fn start(self) -> std::io::Result<Following<P>>
    where
        P: Send + 'static,
    {
        let progress = Arc::new(Progress::default());
        let mut runner = Runner {
            holder: Holder::new(P::NAME, self.lease),
            progress: Arc::clone(&progress),
            taken: None,
            follow: self,
        };
        let runner = thread::Builder::new().name(format!("factum: {}", P::NAME)).spawn(move || {
            let ended = Ended(Arc::clone(&runner.progress));
            let result = runner.run();
            runner.give_back();
            ended.0.lock().error = result.err();
            drop(ended);
            runner.follow.projection
        })?;
        Ok(Following { progress, runner: Some(runner) })
    }
}

/// Nobody waits for a runner that has ended, however it did.
struct Ended(Arc<Progress>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_all();
    }
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.lock().stop
    }

    fn tell(&self, position: u64) {
        self.lock().position = position;
        self.changed.notify_all();
    }

    /// Waits so long, or until the runner is to stop.
    fn pause(&self, time: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stop));
    }
}

struct Runner<P> {
    follow: Follow<P>,
    holder: Holder,
    progress: Arc<Progress>,
    /// When the lease was taken last.
    taken: Option<Instant>,
}

impl<P: Projection<Target = Sqlite>> Runner<P> {
    fn run(&mut self) -> Result<(), ProjectionError> {
        let mut failed_at = (0, 0);
        while !self.progress.is_stopping() {
            let result = self.go_on().or_else(|error| self.fail(error, &mut failed_at));
            match result {
                // Whoever holds the file lets go of it one day.
                Err(ProjectionError::Store { source: StoreError::Busy, .. }) => self.progress.pause(SLICE),
                result => result?,
            }
        }
        Ok(())
    }

    /// One step, and the wait for the next.
    fn go_on(&mut self) -> Result<(), ProjectionError> {
        let step = self.step()?;
        self.progress.tell(step.position());
        match step {
            Step::Caught(position) => self.wait_for_more(position)?,
            Step::More(_) => {}
            Step::NotOurs(_) => {
                self.progress.pause((self.holder.lasts() / 4).min(Duration::from_millis(500)));
            }
        }
        Ok(())
    }

    /// One transaction of many events.
    fn step(&mut self) -> Result<Step, ProjectionError> {
        let newest = self.follow.projection.store.position().map_err(ProjectionError::store::<P>)?;
        match self.transact(newest, BATCH) {
            Err(Failed { before, error }) => {
                if before > 0 {
                    // What stands before the event that failed is done again, and kept.
                    let step = self.transact(newest, before).map_err(|failed| failed.error)?;
                    self.progress.tell(step.position());
                }
                Err(error)
            }
            Ok(step) => Ok(step),
        }
    }

    /// At most `limit` events up to `newest`, under the lease.
    fn transact(&mut self, newest: u64, limit: usize) -> Result<Step, Failed> {
        let SqliteProjection { store, projection } = &mut self.follow.projection;
        let holder = self.holder;
        let step = in_transaction::<P, _, Failed>(store, |transaction| {
            let after = known_checkpoint::<P>(transaction)?;
            if !holder.take(transaction).map_err(|error| ProjectionError::store::<P>(store_error(error)))? {
                return Ok(Step::NotOurs(after));
            }
            if after > newest {
                // Somebody has appended since, and projected it; or the store has lost events.
                return Ok(ahead::<P>(transaction, after)?);
            }
            let until = newest.min(after + WINDOW);
            let batch = batch::project(projection, transaction, until, limit)?;
            let step = if batch.position < newest { Step::More } else { Step::Caught };
            Ok(step(batch.position))
        })?;
        self.taken = Some(Instant::now());
        Ok(step)
    }

    /// Waits for an event beyond `position`, and keeps the lease meanwhile.
    fn wait_for_more(&mut self, position: u64) -> Result<(), ProjectionError> {
        let store = &self.follow.projection.store;
        let failed = ProjectionError::store::<P>;
        while !self.progress.is_stopping() && store.wait_for(position + 1, SLICE).map_err(failed)? <= position
        {
            if self.taken.is_none_or(|taken| taken.elapsed() > self.holder.lasts() / 3) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What becomes of an event that fails: it is tried again later, set aside, or the end.
    fn fail(&mut self, error: ProjectionError, failed_at: &mut (u64, u32)) -> Result<(), ProjectionError> {
        let Some(position) = error.position() else { return Err(error) };
        let attempts = if failed_at.0 == position { failed_at.1 + 1 } else { 1 };
        *failed_at = (position, attempts);
        if attempts <= self.follow.retries {
            let factor = 2_u32.saturating_pow(attempts - 1);
            let delay = self.follow.first_delay.saturating_mul(factor).min(self.follow.longest_delay);
            self.progress.pause(delay);
            return Ok(());
        }
        match self.follow.on_failure {
            OnFailure::Stop => Err(error),
            OnFailure::SetAside => {
                let holder = self.holder;
                in_transaction::<P, _, ProjectionError>(&self.follow.projection.store, |transaction| {
                    let failed = |error| ProjectionError::store::<P>(store_error(error));
                    // If it is another's by now, so is the event.
                    if holder.take(transaction).map_err(failed)?
                        && known_checkpoint::<P>(transaction)? < position
                    {
                        set_aside::<P>(transaction, position, &error, attempts)?;
                        save::<P>(transaction, position)?;
                    }
                    Ok(())
                })
            }
        }
    }

    /// The next runner need not wait. If this fails, it waits.
    fn give_back(&self) {
        if let Ok(writer) = self.follow.projection.store.writer() {
            let _ = self.holder.give_back(&writer);
        }
    }
}

enum Step {
    /// The view has seen everything up to here, which was all there was.
    Caught(u64),
    /// There is more.
    More(u64),
    /// Somebody else has the lease; the view has come so far.
    NotOurs(u64),
}

impl Step {
    fn position(&self) -> u64 {
        match self {
            Self::Caught(position) | Self::More(position) | Self::NotOurs(position) => *position,
        }
    }
}

fn ahead<P: Projection>(connection: &rusqlite::Connection, seen: u64) -> Result<Step, ProjectionError> {
    let newest = crate::store::sqlite::position(connection).map_err(ProjectionError::store::<P>)?;
    if seen > newest {
        return Err(ProjectionError::Ahead { projection: P::NAME, seen, newest });
    }
    Ok(Step::Caught(seen))
}

impl<P: Projection<Target = Sqlite>> Following<P> {
    /// The position up to which the view has seen everything, as far as this runner knows.
    pub fn position(&self) -> u64 {
        self.progress.lock().position
    }

    /// Whether the runner has ended by itself, as it does after an error; [`stop`](Self::stop) tells which.
    pub fn has_ended(&self) -> bool {
        self.progress.lock().ended
    }

    /// Waits until the view has seen the event at `position`, as of a command's outcome: to read one's own writes.
    ///
    /// Fails if the time runs out or the runner ends before.
    pub fn wait_for(&self, position: u64, timeout: Duration) -> Result<(), WaitError> {
        let state = self.progress.lock();
        let waiting = |state: &mut State| state.position < position && !state.ended;
        let state = self.progress.changed.wait_timeout_while(state, timeout, waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner).0;
        let (projection, wanted) = (P::NAME, position);
        match state.position {
            position if position >= wanted => Ok(()),
            position if state.ended => Err(WaitError::Ended { projection, position, wanted }),
            position => Err(WaitError::TimedOut { projection, position, wanted }),
        }
    }

    /// Stops the runner, after the transaction that it is in, and gives the projection back.
    ///
    /// Fails if the runner has ended by itself, with what made it end.
    pub fn stop(mut self) -> Result<SqliteProjection<P>, ProjectionError> {
        let projection = self.join();
        match (self.progress.lock().error.take(), projection) {
            (None, Some(projection)) => Ok(projection),
            (Some(error), _) => Err(error),
            (None, None) => Err(ProjectionError::Gone { projection: P::NAME }),
        }
    }
}

impl<P> Following<P> {
    fn join(&mut self) -> Option<SqliteProjection<P>> {
        self.progress.lock().stop = true;
        self.progress.changed.notify_all();
        self.runner.take()?.join().ok()
    }
}

impl<P> Drop for Following<P> {
    fn drop(&mut self) {
        drop(self.join());
    }
}

impl<P> fmt::Debug for Following<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Following").field("progress", &self.progress).finish_non_exhaustive()
    }
}
