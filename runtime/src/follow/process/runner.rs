//! Drives a process: one step after the other, until there is nothing to do.

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, slice};

use crate::domain::panic::discard;
use crate::domain::position::Position;
use crate::follow::checkpoint;
use crate::follow::control::Control;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::FollowError;
use crate::follow::lease::LeaseHolder;
use crate::follow::lease_keeper::LeaseKeeper;
use crate::follow::patience::{self, StoreFailures};
use crate::follow::policy::RetryPolicy;
use crate::follow::process::Process;
use crate::follow::process::circles::TimeoutRows;
use crate::follow::process::clock::{Clock, SystemClock};
use crate::follow::process::commands::Commands;
use crate::follow::process::dispatch::{Dispatch, SendFailure, SendResult, Sending};
use crate::follow::process::process_store::{ProcessStore, StoredCommand};
use crate::follow::process::replay::Replays;
use crate::follow::process::step::{EventSpan, ProcessStep};
use crate::follow::progress::{CaughtUp, Report};
use crate::follow::progress_store::ProgressHome;
use crate::follow::session::Session;
use crate::follow::step::{Opening, Share, Step};
use crate::follow::worker::{Job, Lease, Worker, WorkerMemory};
use crate::store::partition::Partition;
use crate::telemetry::measure;
use crate::telemetry::measure::Stepped;
use crate::trace::Span;

/// How many positions one step covers at most, where few events are the process's.
const WINDOW: u64 = 20_000;

/// How many events one step handles at most.
const BATCH: usize = 1_000;

/// How long one step takes at most, beside its last event.
const STEP_TIME: Duration = Duration::from_millis(10);

/// How many commands are sent at a time, unless the caller says so.
const SENDERS: u32 = 4;

/// How often a runner looks for dead letters that a caller has released, in this process or in another one.
const LOOK_FOR_WORK: Duration = Duration::from_secs(1);

/// How long a runner that is not parked waits before it looks for events and time-outs.
const LOOK: Duration = Duration::from_millis(20);

/// A process, and the home of its progress and its instances.
pub(crate) struct ProcessRunner<P, S> {
    pub(crate) definition: FollowerDefinition,
    pub(crate) home: ProgressHome<S>,
    pub(crate) initial: P,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) senders: u32,
    pub(crate) report: Option<Report>,
    run: Run<P>,
}

/// What a run remembers from one step to the next.
#[derive(Debug)]
struct Run<P> {
    dispatch: Option<Dispatch>,
    worker: WorkerMemory,
    failures: StoreFailures,
    /// The event that has failed, and how often.
    failed: Option<(Position, u32)>,
    rest: Option<Rest>,
    loaded: Option<Loaded>,
    rows: TimeoutRows,
    replays: Replays<P>,
}

impl<P> Default for Run<P> {
    fn default() -> Self {
        Self {
            dispatch: None,
            worker: WorkerMemory::default(),
            failures: StoreFailures::default(),
            failed: None,
            rest: None,
            loaded: None,
            rows: TimeoutRows::default(),
            replays: Replays::default(),
        }
    }
}

/// Up to which command all that wait, and are not held, are known. Only later ones have to be read.
#[derive(Debug, Clone, Copy)]
struct Loaded {
    through: i64,
    /// [`Dispatch::unsent`] as it was then.
    unsent: u64,
    /// When it is forgotten: before the lease could have ended, and soon enough for what callers release.
    until: Instant,
}

/// Why a runner has nothing to do.
#[derive(Debug, Clone, Copy)]
enum Rest {
    /// It has handled everything up to a position. The first time-out is due in the future.
    CaughtUp { position: Position, due: Option<Instant> },
    /// Until a time: another runner has the lease, or an event is tried again.
    Until(Instant),
}

/// The result of a step.
enum Turned {
    More(Position),
    NoLease(Position),
    /// Nothing is left but what is being sent. The first time-out is due after a time.
    CaughtUp {
        position: Position,
        due_in: Option<Duration>,
    },
}

impl Turned {
    /// The position up to which everything is handled.
    fn position(&self) -> Position {
        let (Self::More(position) | Self::NoLease(position) | Self::CaughtUp { position, .. }) = *self;
        position
    }
}

impl<P: Process, S: ProcessStore> ProcessRunner<P, S> {
    pub(crate) fn new(home: ProgressHome<S>, initial: P, commands: Arc<dyn Commands>) -> Self {
        Self {
            definition: FollowerDefinition::of_process::<P>(),
            home,
            initial,
            commands,
            clock: Arc::new(SystemClock),
            senders: SENDERS,
            report: None,
            run: Run::default(),
        }
    }

    /// Handles and sends until nothing is left: neither events, nor time-outs that are due, nor commands.
    pub(crate) fn catch_up(&mut self, holder: &LeaseHolder) -> Result<CaughtUp, FollowError> {
        let control = Control::new(P::NAME, self.report.take());
        let policy = RetryPolicy::impatient();
        let result = self.begin(&control, &policy, holder).and_then(|()| self.settle_all(&control, holder));
        let result = self.end(&control, holder).and(result);
        let events = control.events();
        self.report = control.into_report();
        result.map(|position| CaughtUp { events, position })
    }

    fn settle_all(&mut self, control: &Control, holder: &LeaseHolder) -> Result<Position, FollowError> {
        loop {
            if control.is_stopping() {
                let goal = self.home.newest(P::NAME)?;
                return Err(FollowError::Stopped { follower: P::NAME, position: control.reached(), goal });
            }
            let turned = self.turn(control, holder, true)?;
            if let Some(failure) = self.dispatch().and_then(|dispatch| dispatch.failures().into_iter().next())
            {
                return Err(sending_failed::<P>(failure));
            }
            match turned {
                Turned::More(_) => {}
                Turned::NoLease(position) => {
                    let newest = self.home.newest(P::NAME)?;
                    if position >= newest {
                        return Ok(position);
                    }
                    control.pause(LOOK);
                }
                Turned::CaughtUp { position, .. } => match self.dispatch() {
                    Some(dispatch) if dispatch.known() > 0 => dispatch.wait(LOOK),
                    _ if self.home.newest(P::NAME)? > position => {}
                    _ => return Ok(position),
                },
            }
        }
    }

    /// Handles and sends until the caller stops it, or until it is parked: then it returns the time of its next run.
    pub(crate) fn follow(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        let result = self.follow_until_parked(control, policy, session);
        if matches!(result, Ok(Some(_))) {
            return result;
        }
        // The first error counts.
        let ended = self.end(control, &session.holder);
        session.kept = None;
        result.and_then(|_| ended.map(|()| None))
    }

    fn follow_until_parked(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        if !session.has_begun {
            if let Err(error) = self.begin(control, policy, &session.holder) {
                return session.begin_later(error, control, policy);
            }
            let kept = LeaseKeeper::keep(&self.home.progress, &session.holder);
            session.kept = Some(kept.map_err(|source| FollowError::Thread { follower: P::NAME, source })?);
            session.has_begun = true;
        }
        while !control.is_stopping() {
            control.refuse_requests();
            let until = match self.advance(control, &session.holder) {
                Ok(None) => continue,
                Ok(Some(until)) => until,
                Err(error) => match self.fail(control, policy, error)? {
                    Some(until) => until,
                    None => continue,
                },
            };
            // A run that nothing wakes looks by itself.
            let is_parked = session.memory.is_some();
            return Ok(Some(if is_parked { until } else { until.min(Instant::now() + LOOK) }));
        }
        Ok(None)
    }

    fn begin(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        holder: &LeaseHolder,
    ) -> Result<(), FollowError> {
        let positions = checkpoint::require(&self.home.progress, &self.definition)?;
        positions.check(self.home.events(), P::NAME)?;
        let (after, newest) = (positions.position(), self.home.newest(P::NAME)?);
        control.begin(1, after);
        control.begin_report(after, after, newest);
        let waker = control.waker();
        if let Some(waker) = &waker {
            self.clock.watch(waker);
        }
        let sending = Sending {
            home: self.home.clone(),
            initial: self.initial.duplicate(),
            commands: Arc::clone(&self.commands),
            clock: Arc::clone(&self.clock),
            holder: holder.clone(),
            policy: policy.clone(),
            run: control.run.clone(),
        };
        let dispatch = Dispatch::start(sending, self.senders, waker)
            .map_err(|source| FollowError::Thread { follower: P::NAME, source })?;
        self.run = Run { dispatch: Some(dispatch), ..Run::default() };
        Ok(())
    }

    /// Ends the senders, records what they have sent, and releases the lease.
    fn end(&mut self, control: &Control, holder: &LeaseHolder) -> Result<(), FollowError> {
        if let Some(dispatch) = &mut self.run.dispatch {
            dispatch.end_senders();
        }
        let has_results = self.dispatch().is_some_and(Dispatch::has_results);
        // If this fails, the commands are sent again, and their keys make them happen once.
        let recorded = if has_results { self.turn(control, holder, false).map(drop) } else { Ok(()) };
        self.run = Run::default();
        // If the release fails, the next holder waits until the lease ends.
        let _ = self.home.progress.release_leases(slice::from_ref(holder));
        recorded
    }

    fn dispatch(&self) -> Option<&Dispatch> {
        self.run.dispatch.as_ref()
    }

    /// One step, if there is anything to do. Returns until when there is nothing.
    fn advance(&mut self, control: &Control, holder: &LeaseHolder) -> Result<Option<Instant>, FollowError> {
        let resumes = self.resume(control);
        if let Some(rest) = self.run.rest.take() {
            let until = match rest {
                Rest::Until(until) => Some(until),
                Rest::CaughtUp { position, due } => {
                    let look = Instant::now() + LOOK_FOR_WORK;
                    (!self.has_work(position)?).then(|| due.map_or(look, |due| due.min(look)))
                }
            };
            if let Some(until) = until.filter(|until| *until > Instant::now()) {
                self.run.rest = Some(rest);
                return Ok(Some(resumes.map_or(until, |resumes| until.min(resumes))));
            }
            // The work may be a command that a caller has released.
            self.run.loaded = None;
        }
        let turned = self.turn(control, holder, true)?;
        self.run.failures = StoreFailures::default();
        let now = Instant::now();
        self.run.rest = match turned {
            Turned::More(_) => None,
            Turned::NoLease(_) => Some(Rest::Until(now + holder.stand_by_time())),
            Turned::CaughtUp { position, due_in } => {
                Some(Rest::CaughtUp { position, due: due_in.and_then(|due_in| now.checked_add(due_in)) })
            }
        };
        // Something may have come before the rest began: the next call looks.
        Ok(None)
    }

    /// Whether there is anything to do for a runner that has handled everything up to a position.
    fn has_work(&self, position: Position) -> Result<bool, FollowError> {
        let failed = FollowError::store(P::NAME);
        let Some(dispatch) = self.dispatch() else { return Ok(false) };
        if dispatch.has_results() || self.home.newest(P::NAME)? != position {
            return Ok(true);
        }
        let (now, room) = (self.clock.now(), dispatch.room(0));
        self.home.progress.has_work(P::NAME, now, room, &dispatch.is_new()).map_err(failed)
    }

    /// Lets commands be sent again whose time has come, and reports failures.
    fn resume(&self, control: &Control) -> Option<Instant> {
        let dispatch = self.dispatch()?;
        for failure in dispatch.failures() {
            failure.resend.say(control, &sending_failed::<P>(failure));
        }
        dispatch.resume()
    }

    fn worker<'w>(
        &'w self,
        control: &'w Control,
        holder: &'w LeaseHolder,
        handlers: &'w mut (),
    ) -> Worker<'w, (), S> {
        let (definition, home) = (&self.definition, &self.home);
        let lease = Some(Lease::OfFollower(holder));
        let job = Job { definition, home, control, lease, batch_time: STEP_TIME };
        let mut worker = Worker::new(job, handlers, Partition::WHOLE);
        worker.memory = self.run.worker;
        worker
    }

    /// One transaction: records what was sent, and handles events and time-outs, if `handles` says so.
    fn turn(
        &mut self,
        control: &Control,
        holder: &LeaseHolder,
        handles: bool,
    ) -> Result<Turned, FollowError> {
        self.run.worker.takeovers = self.home.events().takeovers();
        let (before, newest) = (control.events(), self.home.newest(P::NAME)?);
        measure::step(&Span::step(P::NAME, self.definition.kind.name()), || {
            let result = self.turn_to(newest, control, holder, handles);
            let events = control.events() - before;
            let position = result.as_ref().ok().map(Turned::position);
            (result, Stepped { events, position, goal: newest })
        })
    }

    fn turn_to(
        &mut self,
        newest: Position,
        control: &Control,
        holder: &LeaseHolder,
        handles: bool,
    ) -> Result<Turned, FollowError> {
        let failed = FollowError::store(P::NAME);
        let goal = if handles { newest } else { Position::START };
        // First the count: a command that fails after it keeps later ones of its instance from being added.
        let (unsent, results) =
            self.dispatch().map_or_else(Default::default, |dispatch| (dispatch.unsent(), dispatch.results()));
        let begun = Instant::now();
        let loaded = self.run.loaded.take().filter(|known| known.unsent == unsent && begun < known.until);
        let (mut unit, now) = ((), self.clock.now());
        let mut worker = self.worker(control, holder, &mut unit);
        let turn = |transaction: &S::Transaction<'_>| {
            let share = match worker.open(transaction, goal)? {
                Opening::Over(Step::NoLease(position)) => {
                    return Ok((Turned::NoLease(position), Vec::new(), None));
                }
                Opening::Over(Step::CaughtUp(position)) => (position, None),
                Opening::Over(step) => return Ok((Turned::More(step.position()), Vec::new(), None)),
                Opening::Handle(share) => (share.after, Some(share)),
            };
            let watch = self.home.hooks.watch(Position::START, 0);
            let step: ProcessStep<'_, '_, P, S> = ProcessStep::new(
                transaction,
                &self.home,
                &self.initial,
                now,
                (&self.run.rows, &self.run.replays),
                watch,
            );
            record(&step, &results)?;
            let turned =
                if handles { self.handle(&step, &worker, control, share)? } else { Turned::More(share.0) };
            let Some(dispatch) = self.dispatch() else { return Ok((turned, Vec::new(), None)) };
            let (room, has_delayed) = (dispatch.room(results.len()), dispatch.has_delayed());
            let fresh = Loaded { through: 0, unsent, until: begun + LOOK_FOR_WORK.min(holder.lasts / 2) };
            let known = loaded.filter(|_| !step.has_met_released()).unwrap_or(fresh);
            let commands =
                S::commands(transaction, P::NAME, known.through, room, &dispatch.is_new()).map_err(failed)?;
            let through = commands.last().map_or(known.through, |last| last.id);
            let known = Loaded { through, ..known };
            // Later commands of an instance whose first one is sent again later are left out.
            Ok::<_, FollowError>((turned, commands, (!has_delayed).then_some(known)))
        };
        let turned = self.home.progress.in_step(P::NAME, turn, failed);
        self.run.worker = worker.memory;
        let Some(dispatch) = self.run.dispatch.as_ref() else { return turned.map(|(turned, ..)| turned) };
        let (turned, commands, loaded) = match turned {
            Ok(turned) => turned,
            Err(error) => {
                self.run.rows.clear();
                dispatch.give_back(results);
                return Err(error);
            }
        };
        match turned {
            Turned::NoLease(_) => {
                self.run.replays.clear();
                dispatch.forget_all();
            }
            _ => dispatch.forget(&results),
        }
        control.report_position(0, turned.position());
        control.say(None);
        let has_all = commands.is_empty() || dispatch.add(commands, unsent);
        self.run.loaded = loaded.filter(|_| has_all);
        Ok(if has_all { turned } else { Turned::More(turned.position()) })
    }

    /// Handles what has waited, events and time-outs, in one transaction.
    fn handle(
        &self,
        step: &ProcessStep<'_, '_, P, S>,
        worker: &Worker<'_, (), S>,
        control: &Control,
        (after, share): (Position, Option<Share>),
    ) -> Result<Turned, FollowError> {
        let failed = FollowError::store(P::NAME);
        let deadline = Instant::now() + STEP_TIME;
        if !step.waiting(deadline)? {
            return Ok(Turned::More(after));
        }
        let mut position = after;
        if let Some(share) = share {
            let next = match step.source {
                Some(source) => source.next_position(share.after),
                None => S::next_position_in(step.transaction, share.after),
            };
            let until = share.until(WINDOW, next.map_err(failed)?);
            let handled = step
                .events(&self.definition, EventSpan { after: share.after, until, limit: BATCH, deadline })?;
            position = handled.reached;
            if let Some(error) = handled.error
                && handled.count == 0
            {
                return Err(error);
            }
            control.count(handled.count);
            worker.save_position(step.transaction, Partition::WHOLE, position)?;
            if position < share.goal {
                return Ok(Turned::More(position));
            }
        }
        if !step.time_outs(step.now, deadline)? {
            return Ok(Turned::More(position));
        }
        self.run.rows.clear();
        self.run.replays.clear();
        let first = S::first_timeout(step.transaction, P::NAME).map_err(failed)?;
        Ok(Turned::CaughtUp { position, due_in: first.map(|first| step.now.until(first.due)) })
    }

    /// Deals with an error: waits, and tries again, or ends the run. Returns until when to wait.
    fn fail(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        error: FollowError,
    ) -> Result<Option<Instant>, FollowError> {
        let Some(position) = error.position() else {
            let delay = patience::wait_after(error, &mut self.run.failures, control, 0, policy)?;
            let until = Instant::now() + delay;
            self.run.rest = Some(Rest::Until(until));
            return Ok(Some(until));
        };
        let earlier =
            self.run.failed.filter(|(failed, _)| *failed == position).map_or(0, |(_, attempts)| attempts);
        let attempts = earlier.saturating_add(1);
        self.run.failed = Some((position, attempts));
        // An event whose instance is not known can't hold it. The process stops rather than skip it.
        if attempts > policy.retries {
            return Err(error);
        }
        let delay = policy.delay(attempts);
        control.say_retry(0, Some(position), &error, attempts, delay);
        discard(error);
        let until = Instant::now() + delay;
        self.run.rest = Some(Rest::Until(until));
        Ok(Some(until))
    }
}

/// Records what has become of commands.
fn record<P: Process, S: ProcessStore>(
    step: &ProcessStep<'_, '_, P, S>,
    results: &[(StoredCommand, SendResult)],
) -> Result<(), FollowError> {
    for (command, result) in results {
        match result {
            SendResult::Sent => step.sent(command)?,
            SendResult::Recorded | SendResult::Settled => {}
            SendResult::Unsendable(error) => step.unsendable(command, error.clone())?,
        }
    }
    Ok(())
}

fn sending_failed<P: Process>(failure: SendFailure) -> FollowError {
    let SendFailure { command, instance, error, .. } = failure;
    FollowError::Send { follower: P::NAME, command, instance, source: error }
}

impl<P, S> fmt::Debug for ProcessRunner<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessRunner").field("definition", &self.definition).finish_non_exhaustive()
    }
}
