//! The engine of a follower: its handlers and the home of its progress, and the ways to run them.

use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{fmt, thread};

use crate::domain::panic::catch_panic;
use crate::domain::position::Position;
use crate::follow::checkpoint::FoundCheckpoint;
use crate::follow::control::Control;
use crate::follow::dead_letter::{Letters, RetriedLetters};
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::lease::LeaseHolder;
use crate::follow::partition_leases::PartitionLeases;
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::{CaughtUp, Report};
use crate::follow::progress_store::{ProgressHome, ProgressStore};
use crate::follow::redelivery::{LetterRequest, Redelivery};
use crate::follow::runner::{Resting, Runner, RunnerMemory};
use crate::follow::session::Session;
use crate::follow::worker::{Job, Lease, StepTarget, Worker};
use crate::follow::{checkpoint, runs};
use crate::runtime::Runtime;
use crate::store::lock::lock;
use crate::store::partition::Partition;

/// More workers would need more threads than a system likes to give.
const MOST_WORKERS: u32 = 1_000;

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
    Option<&mut Vec<RunnerMemory>>,
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
        let workers = usize::try_from(workers.clamp(1, MOST_WORKERS)).unwrap_or(1);
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

    /// Whether a catch-up has nothing to do. It reads only, so another process may hold the file.
    pub(crate) fn is_caught_up(&self) -> Result<bool, FollowError> {
        if !matches!(checkpoint::find(&self.home.progress, &self.definition)?, FoundCheckpoint::Current(_)) {
            return Ok(false);
        }
        let position = self.begin()?;
        let ready = self.home.progress.ready_letter(self.definition.name);
        let has_ready = ready.map_err(FollowError::store(self.definition.name))?.is_some();
        Ok(!has_ready && position >= self.home.newest(self.definition.name)?)
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
    pub(crate) fn catch_up(&mut self) -> Result<CaughtUp, FollowError> {
        self.catch_up_with(None)
    }

    /// Handles all events that the store has when the call begins, under leases that last so long. If other runners have
    /// partitions, waits for these instead.
    pub(crate) fn catch_up_leased(&mut self, lasts: Duration) -> Result<CaughtUp, FollowError> {
        let follower = self.definition.name;
        let leases = self.leases(LeaseHolder::new(follower, lasts))?;
        let result = self.catch_up_with(Some(&leases));
        leases.release(&self.home.progress);
        result
    }

    fn catch_up_with(&mut self, leases: Option<&PartitionLeases>) -> Result<CaughtUp, FollowError> {
        let control = Control::new(self.definition.name, self.report.take());
        let result = self.catch_up_under(&control, leases);
        self.report = control.into_report();
        result
    }

    /// The leases that the workers need, which are renewed from now on.
    fn leases(&self, first: LeaseHolder) -> Result<PartitionLeases, FollowError> {
        let follower = self.definition.name;
        let leases = PartitionLeases::new(follower, first, self.handlers.len());
        let kept = leases.keep(&self.home.progress);
        kept.map(|()| leases).map_err(|source| FollowError::Thread { follower, source })
    }

    fn catch_up_under(
        &mut self,
        control: &Control,
        leases: Option<&PartitionLeases>,
    ) -> Result<CaughtUp, FollowError> {
        let after = self.begin()?;
        let goal = self.home.newest(self.definition.name)?;
        control.begin_report(after, after, goal);
        control.begin(self.handlers.len(), after);
        let home = self.home.clone();
        self.run_to(&home, goal, control, &RetryPolicy::impatient(), leases)
    }

    /// Handles all events up to the position `goal`, with the progress kept in `home`.
    pub(crate) fn run_to(
        &mut self,
        home: &ProgressHome<P>,
        goal: Position,
        control: &Control,
        policy: &RetryPolicy,
        leases: Option<&PartitionLeases>,
    ) -> Result<CaughtUp, FollowError> {
        let before = control.events();
        let batch_time = self.batch_time;
        let lease = leases.map(Lease::OfPartitions);
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
            let (after, newest) = match ends() {
                Ok(ends) => ends,
                Err(error) => return session.begin_later(error, control, policy),
            };
            control.begin(self.handlers.len(), after);
            control.begin_report(after, after, newest);
            session.leases = Some(self.leases(session.holder.clone())?);
            session.has_begun = true;
        }
        let (home, batch_time) = (&self.home, self.batch_time);
        let lease = session.leases.as_ref().map(Lease::OfPartitions);
        let job = Job { definition: &self.definition, home, control, lease, batch_time };
        let result = (self.run)(job, policy, None, session.memory.as_mut(), &mut self.handlers);
        if !matches!(result, Ok(Some(_)))
            && let Some(leases) = session.leases.take()
        {
            leases.release(&self.home.progress);
        }
        result
    }
}

/// The memories of so many runners, if they are parked.
fn memories(
    memory: Option<&mut Vec<RunnerMemory>>,
    runners: usize,
) -> impl Iterator<Item = Option<&mut RunnerMemory>> {
    let is_parked = memory.is_some();
    let memories = memory.map(|memory| {
        memory.resize_with(runners, RunnerMemory::default);
        memory.iter_mut().map(Some)
    });
    let without = (!is_parked).then(|| std::iter::repeat_with(|| None).take(runners));
    memories.into_iter().flatten().chain(without.into_iter().flatten())
}

fn run_single<H: EventHandler, P: ProgressStore>(
    job: Job<'_, P>,
    policy: &RetryPolicy,
    goal: Option<Position>,
    memory: Option<&mut Vec<RunnerMemory>>,
    handlers: &mut [H],
) -> Result<Option<Instant>, FollowError>
where
    H::Target: StepTarget<P>,
{
    let Some(handlers) = handlers.first_mut() else { return Ok(None) };
    let memory = memories(memory, 1).next().flatten();
    Runner::new(Worker::new(job, handlers, Partition::WHOLE), policy, goal, memory).run()
}

/// Runs each worker in a thread, the first one in this. The first worker that fails stops all.
///
/// If the runners can be parked, the threads end when all of them are at rest.
fn run_side_by_side<H: EventHandler + Send, P: ProgressStore>(
    job: Job<'_, P>,
    policy: &RetryPolicy,
    goal: Option<Position>,
    memory: Option<&mut Vec<RunnerMemory>>,
    handlers: &mut [H],
) -> Result<Option<Instant>, FollowError>
where
    H::Target: StepTarget<P>,
{
    let partitions = Partition::all(u32::try_from(handlers.len()).unwrap_or(u32::MAX));
    let (control, follower) = (job.control, job.definition.name);
    let (of_this_thread, runtime) = (runs::current(), Runtime::current());
    let (resting, ends) = (Resting::new(handlers.len()), Mutex::new(Vec::new()));
    let run = |mut runner: Runner<'_, H, P>| {
        let _runs = runs::enter(&of_this_thread);
        let _runtime = runtime.as_ref().map(Runtime::enter);
        // Handlers' panics are errors of their events. This is for the progress callback, which may panic too.
        match catch_panic(|| runner.run_beside(&resting)) {
            Ok(Ok(until)) => lock(&ends).push(until),
            Ok(Err(error)) => control.fail(error),
            Err(_) => control.fail(FollowError::Panicked { follower }),
        }
    };
    let memories = memories(memory, handlers.len());
    let workers = handlers.iter_mut().zip(partitions).zip(memories);
    let mut runners: Vec<_> = workers
        .map(|((handlers, partition), memory)| {
            Runner::new(Worker::new(job, handlers, partition), policy, goal, memory)
        })
        .collect();
    // If there is nothing to do, no thread is needed for that.
    let rests: Option<Vec<_>> = runners.iter_mut().map(Runner::rests_until).collect();
    if let Some(until) = rests.and_then(|rests| rests.into_iter().min()) {
        return Ok(Some(until));
    }
    thread::scope(|scope| {
        let run = &run;
        let mut runners = runners.into_iter();
        let first = runners.next();
        for (runner, number) in runners.zip(1..) {
            let thread = thread::Builder::new().name(format!("factum: {follower} {number}"));
            if let Err(source) = thread.spawn_scoped(scope, move || run(runner)) {
                control.fail(FollowError::Thread { follower, source });
            }
        }
        first.map(run);
    });
    let next = lock(&ends).drain(..).collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
    control.take_error().map_or(Ok(next), Err)
}

impl<H, P: fmt::Debug> fmt::Debug for Engine<H, P>
where
    ProgressHome<P>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("home", &self.home).finish_non_exhaustive()
    }
}
