//! Drives one worker, step by step.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::domain::error::with_causes;
use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::error::FollowError;
use crate::follow::handler::EventHandler;
use crate::follow::lease::LeaseHolder;
use crate::follow::partitions::PartitionPositions;
use crate::follow::patience::StoreFailures;
use crate::follow::policy::{OnFailure, RetryPolicy};
use crate::follow::progress_store::{ProgressStore, StoredLetter};
use crate::follow::redelivery::Redelivery;
use crate::follow::state::FollowerChange;
use crate::follow::step::{FailedStep, Step, StepSize};
use crate::follow::worker::{StepTarget, Worker, WorkerMemory};
use crate::follow::{checkpoint, dead_letter, patience};
use crate::store::lock::lock;
use crate::store::partition::Partition;
use crate::telemetry::measure;
use crate::telemetry::measure::Stepped;
use crate::trace::Span;

/// How often a runner looks for letters that wait no longer: another process may have ended after it has dealt
/// with the one before them.
const READY_CHECK: Duration = Duration::from_secs(1);

/// How long a runner waits before it checks whether it has to stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// How long a runner rests that nothing wakes.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// How long a runner without the lease waits for the handlers of the runner that has it.
const HANDLING: Duration = Duration::from_millis(5);

/// What a runner remembers while its follower is parked.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RunnerMemory {
    worker: WorkerMemory,
    looked_for_ready: Option<Instant>,
    store_failures: StoreFailures,
    rest: Option<Rest>,
}

/// Why a runner has nothing to do for a while.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// It has seen everything up to a position.
    CaughtUp(Position),
    /// Another runner has the lease. This one asks for it again at a time.
    StandBy {
        until: Instant,
        /// How long it waits before it looks how far the other one is, if that is behind.
        look: Duration,
    },
    /// An event, or the store, is tried again at this time.
    Retry(Instant),
}

/// What follows a step.
#[derive(Debug, Clone, Copy)]
enum Next {
    Step,
    /// Nothing, until this time or until something wakes the runner.
    Rest(Instant),
    /// The runner is at its goal.
    End,
}

/// How many of a follower's workers are at rest.
pub(crate) struct Resting {
    workers: usize,
    resting: Mutex<usize>,
}

impl Resting {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers, resting: Mutex::new(0) }
    }

    /// A worker begins to rest. Returns whether all do.
    fn begin(&self) -> bool {
        let mut resting = lock(&self.resting);
        *resting += 1;
        *resting >= self.workers
    }

    /// A worker rests no more, unless all do. Returns whether all do.
    fn end(&self) -> bool {
        let mut resting = lock(&self.resting);
        let all_rest = *resting >= self.workers;
        *resting -= usize::from(!all_rest);
        all_rest
    }
}

/// A worker with its retry policy and its goal.
pub(crate) struct Runner<'e, H, P> {
    worker: Worker<'e, H, P>,
    policy: &'e RetryPolicy,
    /// The position to end at. Without a goal, the runner ends only when stopped.
    goal: Option<Position>,
    /// Whether this runner, and none of the others, looks for letters that wait no longer.
    looks_for_ready: bool,
    looked_for_ready: Option<Instant>,
    /// How often the store or the disk has failed since the last step.
    store_failures: StoreFailures,
    /// What outlives this run, if the runner is parked where it would wait.
    memory: Option<&'e mut RunnerMemory>,
    rest: Option<Rest>,
}

impl<'e, H: EventHandler, P: ProgressStore> Runner<'e, H, P>
where
    H::Target: StepTarget<P>,
{
    /// A runner with a memory continues where it was parked, and is parked again instead of waiting.
    pub(crate) fn new(
        mut worker: Worker<'e, H, P>,
        policy: &'e RetryPolicy,
        goal: Option<Position>,
        memory: Option<&'e mut RunnerMemory>,
    ) -> Self {
        let looks_for_ready = worker.partition().index() == 0;
        let before = memory.as_deref().copied().unwrap_or_default();
        worker.memory = before.worker;
        worker.memory.takeovers = worker.home().events().takeovers();
        let RunnerMemory { looked_for_ready, store_failures, rest, .. } = before;
        Self { worker, policy, goal, looks_for_ready, looked_for_ready, store_failures, memory, rest }
    }

    /// Runs until it has to stop, or is at its goal. A runner that is parked returns the time of its next run.
    pub(crate) fn run(&mut self) -> Result<Option<Instant>, FollowError> {
        let result = self.run_steps();
        if !matches!(result, Ok(Some(_))) {
            self.worker.end();
        }
        self.remember();
        result
    }

    fn remember(&mut self) {
        let Self { looked_for_ready, store_failures, rest, .. } = *self;
        if let Some(memory) = &mut self.memory {
            **memory = RunnerMemory { worker: self.worker.memory, looked_for_ready, store_failures, rest };
        }
    }

    /// Runs as [`run`](Self::run) does, and is not parked before all workers are at rest.
    pub(crate) fn run_beside(&mut self, others: &Resting) -> Result<Option<Instant>, FollowError> {
        loop {
            let Some(until) = self.run()? else { return Ok(None) };
            if others.begin() {
                return Ok(Some(until));
            }
            match self.rest {
                Some(Rest::CaughtUp(position)) => {
                    // The next step reports an error.
                    let _ = self.worker.home().wait_for(self.name(), position.next(), STOP_CHECK);
                }
                _ => {
                    let left = until.saturating_duration_since(Instant::now());
                    self.worker.control().pause(left.min(STOP_CHECK));
                }
            }
            if others.end() {
                return Ok(Some(until));
            }
        }
    }

    /// Until when a runner that was parked has nothing to do; `None` if it has to run.
    pub(crate) fn rests_until(&mut self) -> Option<Instant> {
        if self.worker.control().is_stopping() || self.has_requests() || self.worker.look().is_err() {
            return None;
        }
        let rests = self.continue_rest();
        self.remember();
        match rests {
            Ok(Some(Next::Rest(until))) => Some(until),
            // If there is an error, the next step reports it.
            _ => None,
        }
    }

    fn run_steps(&mut self) -> Result<Option<Instant>, FollowError> {
        while !self.worker.control().is_stopping() {
            self.answer_requests();
            match self.advance().or_else(|failed| self.fail(failed)) {
                Ok(Next::End) => break,
                Ok(Next::Rest(until)) => return Ok(Some(until)),
                Ok(Next::Step) => {}
                // The goal may be beyond what the new server has: the caller finds another one.
                Err(error) if self.goal.is_some() && self.worker.confirm().is_err() => return Err(error),
                Err(error) => {
                    let (control, worker) = (self.worker.control(), self.worker.partition().index() as usize);
                    let failures = &mut self.store_failures;
                    let delay = patience::wait_after(error, failures, control, worker, self.policy)?;
                    if self.is_parked() {
                        let until = Instant::now() + delay;
                        self.rest = Some(Rest::Retry(until));
                        return Ok(Some(self.until_next_look(until)));
                    }
                    control.pause(delay);
                }
            }
        }
        Ok(None)
    }

    /// Whether the runner ends its run where it would wait, and runs again later.
    fn is_parked(&self) -> bool {
        self.memory.is_some()
    }

    /// One step, and the wait for the next.
    fn advance(&mut self) -> Result<Next, FailedStep> {
        self.worker.look()?;
        if let Some(next) = self.continue_rest()? {
            return Ok(next);
        }
        let step = if self.worker.may_run() {
            let newest = match self.goal {
                Some(goal) => goal,
                None => self.worker.newest()?,
            };
            self.step(newest)?
        } else {
            self.worker.leave()?;
            Step::NoLease(self.worker.stored_position()?)
        };
        self.store_failures = StoreFailures::default();
        self.worker.report_position(step.position());
        self.worker.control().say(None);
        if !matches!(step, Step::NoLease(_)) {
            self.retry_ready()?;
        }
        match step {
            Step::CaughtUp(_) if self.goal.is_some() => return Ok(Next::End),
            Step::CaughtUp(position) if self.is_parked() => return self.begin_rest(Rest::CaughtUp(position)),
            Step::CaughtUp(position) => self.wait_for_more(position)?,
            Step::More(_) => {}
            Step::NoLease(position) | Step::Wait(position)
                if self.goal.is_some_and(|goal| position >= goal) =>
            {
                return Ok(Next::End);
            }
            Step::NoLease(_) if self.is_parked() => {
                let until = Instant::now() + self.stand_by_time();
                let until = self.worker.next_look().map_or(until, |next_look| until.min(next_look));
                return self.begin_rest(Rest::StandBy { until, look: HANDLING });
            }
            Step::NoLease(position) => self.stand_by(position)?,
            Step::Wait(_) => self.worker.control().pause(HANDLING),
        }
        Ok(Next::Step)
    }

    fn begin_rest(&mut self, rest: Rest) -> Result<Next, FailedStep> {
        if let Rest::CaughtUp(position) = rest {
            self.worker.park(position);
        }
        self.rest = Some(rest);
        // An event may have come before the rest began.
        Ok(self.continue_rest()?.unwrap_or(Next::Step))
    }

    /// Rests again, if something has woken the runner before there is anything to do.
    fn continue_rest(&mut self) -> Result<Option<Next>, FollowError> {
        let Some(rest) = self.rest.take() else { return Ok(None) };
        let now = Instant::now();
        let until = match rest {
            Rest::CaughtUp(position) => {
                let is_over = !self.worker.may_run()
                    || self.worker.needs_step()
                    || self.worker.home().newest(self.name())? != position;
                if is_over {
                    self.worker.unpark();
                }
                let until = self.worker.next_look().unwrap_or(now + LONGEST_REST);
                (!is_over).then_some(until)
            }
            Rest::StandBy { .. } if self.worker.was_given_lease() => None,
            Rest::StandBy { until, look } => {
                let position = self.report_holders_position()?;
                if self.worker.home().newest(self.name())? > position && until > now + look {
                    // Give the holder of the lease time to handle the event: a caller may wait for it here.
                    self.rest = Some(Rest::StandBy { until, look: (look * 2).min(STOP_CHECK) });
                    return Ok(Some(Next::Rest(now + look)));
                }
                Some(until)
            }
            Rest::Retry(until) if until > now && self.worker.may_run() => {
                self.rest = Some(rest);
                return Ok(Some(Next::Rest(self.until_next_look(until))));
            }
            // The next runner of the partition begins with a first attempt.
            Rest::Retry(_) => None,
        };
        let until = until.filter(|until| *until > now);
        self.rest = until.map(|_| rest);
        Ok(until.map(Next::Rest))
    }

    /// Until when a runner rests that has nothing to do until a time: it looks for partitions before that. A look that is due may
    /// have failed: a part of what is tried again.
    fn until_next_look(&self, until: Instant) -> Instant {
        let next_look = self.worker.next_look().filter(|next_look| *next_look > Instant::now());
        next_look.map_or(until, |next_look| until.min(next_look))
    }

    /// Retries letters that wait no longer, now and then.
    fn retry_ready(&mut self) -> Result<(), FollowError> {
        if self.looks_for_ready && self.looked_for_ready.is_none_or(|looked| looked.elapsed() >= READY_CHECK)
        {
            self.redelivery().retry_ready()?;
            self.looked_for_ready = Some(Instant::now());
        }
        Ok(())
    }

    /// Reports the position of the runner that has the lease.
    fn report_holders_position(&self) -> Result<Position, FollowError> {
        let position = self.worker.stored_position()?;
        self.worker.report_position(position);
        Ok(position)
    }

    /// How long a runner waits before it asks again for the lease of another one.
    fn stand_by_time(&self) -> Duration {
        self.worker.lease_holder().map_or(Duration::ZERO, LeaseHolder::stand_by_time)
    }

    fn name(&self) -> &'static str {
        self.worker.definition().name
    }

    fn step(&mut self, goal: Position) -> Result<Step, FailedStep> {
        let before = self.worker.handled();
        measure::step(&Span::step(self.name(), self.worker.definition().kind.name()), || {
            let result = self.step_unmeasured(goal);
            let position = result.as_ref().ok().map(|step| step.position());
            let stepped = Stepped { events: self.worker.handled() - before, position, goal };
            (result, stepped)
        })
    }

    fn step_unmeasured(&mut self, goal: Position) -> Result<Step, FailedStep> {
        let mut result = H::Target::step(&mut self.worker, goal, StepSize::Batch);
        loop {
            match result {
                Err(failed) if failed.handled > 0 => {
                    // The failure has rolled the step back. Handle the events before the failed one again, and
                    // commit them. If one of these fails now, there are fewer before it. If the commit was refused, these
                    // are the first half.
                    let size = StepSize::Before { events: failed.handled };
                    result = H::Target::step(&mut self.worker, goal, size);
                    match &result {
                        // Which event is the reason turns out when a step has that one alone.
                        Ok(_) if failed.is_commit() => {
                            discard(failed);
                            return result;
                        }
                        Ok(step) => {
                            self.worker.report_position(step.position());
                            return Err(failed);
                        }
                        Err(_) => discard(failed),
                    }
                }
                result => return result,
            }
        }
    }

    /// Waits for an event beyond `position`. Now and then, a step has to look whether another process has moved the
    /// partition.
    fn wait_for_more(&self, position: Position) -> Result<(), FollowError> {
        let (begun, longest) = (Instant::now(), self.worker.lease_holder().map(LeaseHolder::renew_after));
        while !self.worker.control().is_stopping()
            && self.worker.home().wait_for(self.name(), position.next(), STOP_CHECK)? <= position
        {
            if self.has_requests()
                || longest.is_none_or(|longest| begun.elapsed() >= longest)
                || self.is_time_to_look()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reports the position of the runner that has the lease, until it is time to ask for the lease again.
    fn stand_by(&self, mut position: Position) -> Result<(), FollowError> {
        let (control, home) = (self.worker.control(), self.worker.home());
        let (begun, time) = (Instant::now(), self.stand_by_time());
        while !control.is_stopping()
            && !self.has_requests()
            && self.goal.is_none_or(|goal| position < goal)
            && begun.elapsed() < time
            && !self.is_time_to_look()
        {
            if home.wait_for(self.name(), position.next(), STOP_CHECK)? > position {
                // Give the holder of the lease time to handle the event: a caller may wait for it here.
                control.pause(HANDLING);
            }
            position = self.report_holders_position()?;
        }
        Ok(())
    }

    /// Whether another program is to have the partition. If there is an error, the next step reports it.
    fn is_time_to_leave(&self) -> bool {
        self.worker.look().is_err() || !self.worker.may_run()
    }

    fn is_time_to_look(&self) -> bool {
        self.worker.next_look().is_some_and(|next_look| Instant::now() >= next_look)
    }

    /// Whether a caller wants something. A run that its caller waits for, or that rebuilds a view, has no callers.
    fn has_requests(&self) -> bool {
        self.goal.is_none() && self.worker.control().has_requests()
    }

    fn answer_requests(&mut self) {
        while self.has_requests()
            && let Some(request) = self.worker.control().take_request()
        {
            let result = self.redelivery().carry_out(&request.letters);
            // The caller may have given up.
            let _ = request.answer.send(result);
        }
    }

    fn redelivery(&mut self) -> Redelivery<'_, H, P> {
        let (home, control) = (self.worker.home(), self.worker.control());
        let definition = self.worker.definition();
        Redelivery { home, definition, handlers: self.worker.handlers(), control: Some(control) }
    }

    /// Waits until a failed event is due again. Callers get their answers meanwhile.
    fn wait_for_retry(&mut self, delay: Duration) {
        let begun = Instant::now();
        while !self.worker.control().is_stopping()
            && !self.is_time_to_leave()
            && let Some(left) = delay.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
        {
            if self.goal.is_some() {
                self.worker.control().pause(left);
            } else {
                let look = self
                    .worker
                    .next_look()
                    .map(|next_look| next_look.saturating_duration_since(Instant::now()));
                self.worker.control().pause_or_request(look.map_or(left, |look| left.min(look)));
                self.answer_requests();
            }
        }
    }

    /// Deals with an event that fails: retries it later, moves it to the dead letters, or stops the runner.
    fn fail(&mut self, failed: FailedStep) -> Result<Next, FollowError> {
        let FailedStep { partition, after, error, .. } = failed;
        let Some(position) = error.position() else { return Err(error) };
        let attempts = self.worker.count_failure(position);
        if attempts <= self.policy.retries {
            let delay = self.policy.delay(attempts);
            self.worker.say_retry(Some(position), &error, attempts, delay);
            discard(error);
            if self.is_parked() {
                // The next step looks for partitions, and rests: the handler may have taken longer than the time between two looks.
                self.rest = Some(Rest::Retry(Instant::now() + delay));
                return Ok(Next::Step);
            }
            self.wait_for_retry(delay);
            return Ok(Next::Step);
        }
        match self.policy.on_failure {
            OnFailure::Stop => Err(error),
            OnFailure::DeadLetter | OnFailure::SequencedDeadLetter => {
                self.move_to_dead_letters((partition, after), position, &error, attempts)?;
                discard(error);
                Ok(Next::Step)
            }
        }
    }

    /// Moves an event to the dead letters, in one transaction with the checkpoint that skips it.
    ///
    /// `after` is where the partition has to be: a partition that is elsewhere was moved, as by a rewind, and the
    /// next step decides again.
    fn move_to_dead_letters(
        &mut self,
        (partition, after): (Partition, Position),
        position: Position,
        error: &FollowError,
        attempts: u32,
    ) -> Result<(), FollowError> {
        let (home, definition) = (self.worker.home(), self.worker.definition());
        let follower = definition.name;
        let stream = match self.policy.on_failure {
            OnFailure::SequencedDeadLetter => {
                let event = dead_letter::event_at(home, follower, position)?;
                Some(event.as_stored(position).envelope.stream().to_string())
            }
            OnFailure::Stop | OnFailure::DeadLetter => None,
        };
        let error = with_causes(error);
        let letter = StoredLetter {
            position,
            error: error.clone(),
            attempts,
            failed_at: Timestamp::now(),
            stream,
            behind: None,
        };
        let is_moved = home.in_transaction(definition.name, |transaction| {
            // If another runner has taken the lease, that runner handles the event.
            let is_due = |positions: &PartitionPositions| positions.of(partition) == Some(after);
            let is_ours = self.worker.take_lease(transaction, partition)?
                && is_due(&checkpoint::require_in::<P>(transaction, definition)?);
            if is_ours {
                P::save_letter(transaction, follower, &letter).map_err(FollowError::store(follower))?;
                self.worker.save_position(transaction, partition, position)?;
            }
            Ok::<_, FollowError>(is_ours)
        })?;
        if is_moved && partition == self.worker.partition() {
            self.worker.report_position(position);
        }
        let change = FollowerChange::DeadLetter { follower, position, error, attempts };
        self.worker.control().say(is_moved.then_some(change));
        Ok(())
    }
}
