//! The engine of a follower: its handlers and the home of its progress, and the ways to run them.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::control::Control;
use crate::follow::dead_letter::{Letters, RetriedLetters};
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::lease::LeaseHolder;
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::{CaughtUp, Report};
use crate::follow::progress_store::{ProgressHome, ProgressStore};
use crate::follow::redelivery::{LetterRequest, Redelivery};
use crate::follow::runner::{Runner, RunnerMemory};
use crate::follow::session::Session;
use crate::follow::worker::{Job, StepTarget, Worker};
use crate::follow::{checkpoint, patience, runs};
use crate::store::partition::Partition;

/// The handlers of a follower, one for each worker, and the home of its progress.
pub(crate) struct Engine<H, P> {
    pub(crate) definition: FollowerDefinition,
    pub(crate) home: ProgressHome<P>,
    /// At least one.
    pub(crate) handlers: Vec<H>,
    pub(crate) report: Option<Report>,
    /// How long one transaction may hold a file that other writers wait for.
    pub(crate) batch_time: Duration,
    run: Run<H, P>,
}

/// How long a transaction of a projection holds its file by default.
pub(crate) const BATCH_TIME: Duration = Duration::from_millis(10);

/// Runs all workers. A function pointer, as only handlers that are `Send` can run side by side.
type Run<H, P> = fn(
    Job<'_, P>,
    &RetryPolicy,
    Option<Position>,
    Option<&mut RunnerMemory>,
    &mut [H],
) -> Result<Option<Instant>, FollowError>;

impl<H: EventHandler, P: ProgressStore> Engine<H, P>
where
    H::Target: StepTarget<P>,
{
    pub(crate) fn new(definition: FollowerDefinition, home: ProgressHome<P>, handlers: H) -> Self {
        Self {
            definition,
            home,
            handlers: vec![handlers],
            report: None,
            batch_time: BATCH_TIME,
            run: run_single,
        }
    }

    /// Sets the number of workers of later runs.
    pub(crate) fn use_workers(&mut self, workers: u32)
    where
        H: Clone + Send,
    {
        let workers = usize::try_from(workers.max(1)).unwrap_or(usize::MAX);
        let first = self.handlers.first().cloned();
        self.handlers.extend(first.into_iter().cycle().take(workers - 1));
        self.handlers.truncate(workers);
        self.run = run_side_by_side;
    }

    /// The position up to which the follower has seen everything.
    pub(crate) fn position(&self) -> Result<Position, FollowError> {
        Ok(checkpoint::require(&self.home.progress, &self.definition)?.position())
    }

    /// The position at which a run begins.
    ///
    /// Checks that the store still has the events that the follower has seen. The caller reads the newest
    /// position after that: an inline view moves on with each append.
    fn begin(&self) -> Result<Position, FollowError> {
        let positions = checkpoint::require(&self.home.progress, &self.definition)?;
        positions.check(self.home.events(), self.definition.name)?;
        Ok(positions.position())
    }

    /// The dead letters of the follower.
    pub(crate) fn letters(&self) -> Letters<P> {
        Letters { home: self.home.clone(), follower: self.definition.name }
    }

    /// Does something with dead letters.
    pub(crate) fn redeliver(&mut self, request: &LetterRequest) -> Result<RetriedLetters, FollowError> {
        let Self { definition, home, handlers, .. } = self;
        let Some(handlers) = handlers.first_mut() else { return Ok(RetriedLetters::default()) };
        Redelivery { home, definition, handlers, control: None }.carry_out(request)
    }

    /// Handles all events that the store has when the call begins.
    pub(crate) fn catch_up(&mut self, lease: Option<&LeaseHolder>) -> Result<CaughtUp, FollowError> {
        let control = Control::new(self.report.take());
        let result = self.catch_up_under(&control, lease);
        self.report = control.into_report();
        result
    }

    fn catch_up_under(
        &mut self,
        control: &Control,
        lease: Option<&LeaseHolder>,
    ) -> Result<CaughtUp, FollowError> {
        let after = self.begin()?;
        let goal = self.home.newest(self.definition.name)?;
        control.begin_report(after, after, goal);
        control.begin(self.handlers.len(), after);
        let home = self.home.clone();
        self.run_to(&home, goal, control, &RetryPolicy::impatient(), lease)
    }

    /// Handles all events up to the position `goal`, with the progress kept in `home`.
    pub(crate) fn run_to(
        &mut self,
        home: &ProgressHome<P>,
        goal: Position,
        control: &Control,
        policy: &RetryPolicy,
        lease: Option<&LeaseHolder>,
    ) -> Result<CaughtUp, FollowError> {
        let before = control.events();
        let batch_time = self.batch_time;
        let job = Job { definition: &self.definition, home, control, lease, batch_time };
        (self.run)(job, policy, Some(goal), None, &mut self.handlers)?;
        let position = control.reached();
        if position < goal {
            return Err(FollowError::Stopped { follower: self.definition.name, position, goal });
        }
        Ok(CaughtUp { events: control.events() - before, position })
    }

    /// Handles all stored events, then new ones as they come, until the caller stops it or it is parked.
    pub(crate) fn follow(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        if !session.has_begun {
            let ends = || Ok((self.begin()?, self.home.newest(self.definition.name)?));
            let (after, newest) = patience::retry(control, policy, ends)?;
            control.begin(self.handlers.len(), after);
            control.begin_report(after, after, newest);
            session.has_begun = true;
        }
        let (home, batch_time, lease) = (&self.home, self.batch_time, &session.holder);
        let job = Job { definition: &self.definition, home, control, lease: Some(lease), batch_time };
        let result = (self.run)(job, policy, None, session.memory.as_mut(), &mut self.handlers);
        if !matches!(result, Ok(Some(_))) {
            // If the release fails, the next holder waits until the lease ends.
            let _ = self.home.progress.release_lease(&session.holder);
        }
        result
    }
}

fn run_single<H: EventHandler, P: ProgressStore>(
    job: Job<'_, P>,
    policy: &RetryPolicy,
    goal: Option<Position>,
    memory: Option<&mut RunnerMemory>,
    handlers: &mut [H],
) -> Result<Option<Instant>, FollowError>
where
    H::Target: StepTarget<P>,
{
    let Some(handlers) = handlers.first_mut() else { return Ok(None) };
    let worker = Worker::new(job, handlers, Partition::WHOLE);
    let Some(memory) = memory else { return Runner::new(worker, policy, goal).run() };
    let mut runner = Runner::resume(worker, policy, *memory);
    let result = runner.run();
    *memory = runner.memory();
    result
}

/// Runs each worker in a thread of its own. The first worker that fails stops all.
fn run_side_by_side<H: EventHandler + Send, P: ProgressStore>(
    job: Job<'_, P>,
    policy: &RetryPolicy,
    goal: Option<Position>,
    _: Option<&mut RunnerMemory>,
    handlers: &mut [H],
) -> Result<Option<Instant>, FollowError>
where
    H::Target: StepTarget<P>,
{
    let partitions = Partition::all(u32::try_from(handlers.len()).unwrap_or(u32::MAX));
    let (control, follower) = (job.control, job.definition.name);
    let of_this_thread = runs::current();
    thread::scope(|scope| {
        let of_this_thread = of_this_thread.as_slice();
        for (handlers, partition) in handlers.iter_mut().zip(partitions) {
            let mut runner = Runner::new(Worker::new(job, handlers, partition), policy, goal);
            let thread = thread::Builder::new().name(format!("factum: {follower} {}", partition.index()));
            let spawned = thread.spawn_scoped(scope, move || {
                let _runs = runs::enter(of_this_thread);
                // Handlers' panics are errors of their events. This is for the progress callback, which may
                // panic too.
                match catch_panic(|| runner.run()) {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => control.fail(error),
                    Err(_) => control.fail(FollowError::Panicked { follower }),
                }
            });
            if let Err(source) = spawned {
                control.fail(FollowError::Thread { follower, source });
            }
        }
    });
    control.take_error().map_or(Ok(None), Err)
}

impl<H, P: fmt::Debug> fmt::Debug for Engine<H, P>
where
    ProgressHome<P>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("home", &self.home).finish_non_exhaustive()
    }
}
