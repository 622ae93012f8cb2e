//! Sends the commands of timers when they are due: one after the other, in order of their times.
//!
//! | crash | state of the store | what follows |
//! |---|---|---|
//! | before a timer is taken | it waits | it is taken when it is due |
//! | after that, before its command was executed | it is taken | the next runner sends the command |
//! | after the command was executed, before that is recorded | it is taken | the command is sent again, and its key makes it happen once |

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::error::{BoxError, with_causes};
use crate::domain::panic::{HandlerPanicked, catch_panic};
use crate::domain::position::Position;
use crate::follow::background::{Follower, sealed};
use crate::follow::control::Control;
use crate::follow::dead_letter::{ListLetters, NoLetters};
use crate::follow::error::FollowError;
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::patience::{self, StoreFailures};
use crate::follow::policy::RetryPolicy;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::{Commands, SendError, SentCommand};
use crate::follow::progress::Report;
use crate::follow::session::Session;
use crate::follow::state::FollowerChange;
use crate::follow::timers::ScheduledCommand;
use crate::follow::timers::timer_store::{
    DueCommand, DueTimer, TimerLook, TimerResult, TimerStep, TimerStore, TimerTurn,
};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;

/// The name of the timers' runner and of its lease. No follower that is derived can have it.
pub(crate) const NAME: &str = "factum/timers";

/// How many timers are taken at a time.
const BATCH: usize = 64;

/// How often a runner looks for timers that another program has set.
const LOOK: Duration = Duration::from_secs(1);

/// How long a runner that is not parked waits before it looks.
const SHORT_LOOK: Duration = Duration::from_millis(20);

/// The shortest time between two attempts to send a command.
const SHORTEST_DELAY: Duration = Duration::from_millis(10);

/// How often a command is sent whose aggregate panics, before its timer is a dead letter.
const MOST_PANICS: u32 = 6;

/// The timers of a store, and what their commands are sent through.
pub(crate) struct TimerRunner<S> {
    store: S,
    commands: Arc<dyn Commands>,
    clock: Arc<dyn Clock>,
    kinds: &'static [ScheduledCommand],
    run: Run,
    report: Option<Report>,
}

/// What a run remembers from one step to the next.
#[derive(Default)]
struct Run {
    results: Vec<(i64, TimerResult)>,
    /// Timers whose commands are sent again later.
    later: HashMap<i64, Later>,
    failures: StoreFailures,
    /// Until when another runner has the lease, as far as this one knows.
    stands_by: Option<Instant>,
}

struct Later {
    failures: Failures,
    at: Instant,
}

/// How often a command has failed.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    count: u32,
    /// How many of these were panics of its aggregate.
    panics: u32,
}

/// Why a command has to be sent again.
enum Unsent {
    Failed(BoxError),
    /// Its aggregate has panicked, or something else that it runs through.
    Panicked(HandlerPanicked),
}

impl<S: TimerStore> TimerRunner<S> {
    pub(crate) fn new(
        store: S,
        commands: Arc<dyn Commands>,
        clock: Arc<dyn Clock>,
        kinds: &'static [ScheduledCommand],
    ) -> Self {
        Self { store, commands, clock, kinds, run: Run::default(), report: None }
    }

    fn follow(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        if !session.has_begun {
            control.begin(1, Position::START);
            if let Some(waker) = control.waker() {
                self.clock.watch(&waker);
            }
            let kept = self.store.keep_timers(&session.holder);
            session.kept = kept.map_err(|source| FollowError::Thread { follower: NAME, source })?;
            session.has_begun = true;
        }
        while !control.is_stopping() {
            control.refuse_requests();
            let until = match self.advance(control, policy, session) {
                Ok(None) => continue,
                Ok(Some(until)) => until,
                Err(error) => {
                    Instant::now() + patience::wait_after(error, &mut self.run.failures, control, 0, policy)?
                }
            };
            // A run that nothing wakes looks by itself.
            let is_parked = session.memory.is_some();
            return Ok(Some(if is_parked { until } else { until.min(Instant::now() + SHORT_LOOK) }));
        }
        // If this fails, the commands are sent again, and their keys make them happen once.
        let ended = if self.run.results.is_empty() { Ok(()) } else { self.step(session, 0).map(drop) };
        self.run = Run::default();
        session.kept = None;
        // If the release fails, the next holder waits until the lease ends.
        let _ = self.store.release_timers(&session.holder);
        ended.map(|()| None)
    }

    /// One step, if there is anything to do, and the commands that it finds. Returns until when there is nothing.
    fn advance(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &Session,
    ) -> Result<Option<Instant>, FollowError> {
        let now = Instant::now();
        if let Some(until) = self.run.stands_by.take_if(|until| *until > now) {
            self.run.stands_by = Some(until);
            return Ok(Some(until));
        }
        if let Some(until) = self.rest(now)? {
            if self.run.later.is_empty() {
                // Without anything to do, no runner has it.
                control.forget_lease(0);
            }
            return Ok(Some(until));
        }
        let due = match self.step(session, BATCH)? {
            TimerTurn::Taken(due) => due,
            TimerTurn::HeldBy(holder) => {
                // The other runner sends what this one has taken.
                (self.run.results, self.run.later) = Default::default();
                session.holder.set_held(false);
                control.report_lease(0, Some(holder));
                control.say(None);
                let until = Instant::now() + session.holder.stand_by_time();
                self.run.stands_by = Some(until);
                return Ok(Some(until));
            }
        };
        session.holder.set_held(!(due.is_empty() && self.run.later.is_empty()));
        control.report_lease(0, None);
        control.say(None);
        (self.run.results, self.run.failures) = Default::default();
        let failures: Vec<_> = due
            .iter()
            .map(|timer| self.run.later.remove(&timer.number).map(|later| later.failures).unwrap_or_default())
            .collect();
        // What is ready and was not found is gone.
        self.run.later.retain(|_, later| later.at > now);
        for (timer, failures) in due.iter().zip(failures) {
            if control.is_stopping() {
                break;
            }
            self.send(timer, failures, control, policy);
        }
        if self.run.later.is_empty() {
            // No command fails any more.
            control.report_position(0, Position::START);
        }
        Ok(None)
    }

    /// Until when there is nothing to do; `None` if there is.
    fn rest(&self, now: Instant) -> Result<Option<Instant>, FollowError> {
        let look = self.store.look_at_timers().map_err(FollowError::store(NAME))?;
        let due_in = look.first.map(|first| self.clock.now().until(first));
        let next = self.run.later.values().map(|later| later.at).min();
        let has_work = !self.run.results.is_empty()
            || look.taken > self.run.later.len()
            || due_in.is_some_and(|due_in| due_in.is_zero())
            || next.is_some_and(|next| next <= now);
        if has_work {
            return Ok(None);
        }
        let due = due_in.and_then(|due_in| now.checked_add(due_in));
        Ok([due, next].into_iter().flatten().chain([now + LOOK]).min())
    }

    /// One transaction: records what was sent, and takes what is due.
    fn step(&self, session: &Session, limit: usize) -> Result<TimerTurn, FollowError> {
        let (now, later) = (Instant::now(), &self.run.later);
        let is_ready = |number| later.get(&number).is_none_or(|later| later.at <= now);
        let step = TimerStep {
            results: &self.run.results,
            now: self.clock.now(),
            limit,
            is_ready: &is_ready,
            has_later: !later.is_empty(),
        };
        self.store.timer_step(&session.holder, &step).map_err(FollowError::store(NAME))
    }

    /// Sends the command of a timer, after these failures.
    fn send(&mut self, timer: &DueTimer, before: Failures, control: &Control, policy: &RetryPolicy) {
        let result = match self.sent(timer) {
            Ok(result) => Ok(result),
            Err(Unsent::Failed(error)) => Err((error, before.panics)),
            Err(Unsent::Panicked(panic)) => match before.panics.saturating_add(1) {
                MOST_PANICS.. => Ok(TimerResult::Failed(format!(
                    "the command was sent {MOST_PANICS} times, and panicked each time: {panic}"
                ))),
                panics => Err((panic.into(), panics)),
            },
        };
        let result = match result {
            Ok(result) => result,
            Err((source, panics)) => {
                let count = before.count.saturating_add(1);
                let delay = policy.delay(count).max(SHORTEST_DELAY);
                let (key, command) = (timer.key.clone(), timer.command.clone());
                let error = FollowError::Timer { follower: NAME, command, key, source };
                control.say_retry(0, None, &error, count, delay);
                let (failures, at) = (Failures { count, panics }, Instant::now() + delay);
                self.run.later.insert(timer.number, Later { failures, at });
                return;
            }
        };
        if let TimerResult::Failed(error) = &result {
            control.say(Some(FollowerChange::TimerFailed {
                follower: NAME,
                key: timer.key.clone(),
                command: timer.command.clone(),
                error: error.clone(),
            }));
        }
        self.run.results.push((timer.number, result));
    }

    /// Fails if the command has to be sent again.
    fn sent(&self, timer: &DueTimer) -> Result<TimerResult, Unsent> {
        let DueTimer { key, command, sent, .. } = timer;
        let DueCommand { id, version, content, cause } = match sent {
            Ok(sent) => sent,
            Err(problem) => return Ok(TimerResult::Failed(problem.clone())),
        };
        let kind = self.kinds.iter().find(|kind| (kind.has_name)(command));
        let upgraded = match kind.map(|kind| (kind.upgraded)(*version, content)).transpose() {
            Ok(upgraded) => upgraded.flatten(),
            Err(error) => return Ok(TimerResult::Failed(with_causes(&*error))),
        };
        let idempotency_key = format!("{NAME}/{key}/{id}");
        let content = upgraded.as_deref().unwrap_or(content);
        let name = kind.map_or(&**command, |kind| kind.name);
        let sent = SentCommand::new(name, content, &idempotency_key, cause);
        let mut refusal = None;
        let mut refused = |_: &dyn Any, text: &str| refusal = Some(text.to_owned());
        match catch_panic(|| self.commands.send(&sent, &mut refused)) {
            Err(panic) => Err(Unsent::Panicked(panic)),
            Ok(Ok(())) => Ok(TimerResult::Sent),
            Ok(Err(SendError::Failed(error))) => Err(Unsent::Failed(error)),
            Ok(Err(error)) => Ok(TimerResult::Failed(match refusal {
                Some(text) => format!("the command was refused: {text}"),
                None => with_causes(&error),
            })),
        }
    }
}

impl<S: TimerStore> Follower for TimerRunner<S> {}

impl<S: TimerStore> sealed::Run for TimerRunner<S> {
    const NAME: &'static str = NAME;

    type Error = FollowError;

    fn run(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        self.follow(control, policy, session)
    }

    fn events(&self) -> Arc<dyn EventStore> {
        Arc::new(TimerEvents(self.store.clone()))
    }

    fn letters(&self) -> Box<dyn ListLetters> {
        Box::new(NoLetters)
    }

    fn backlog(&self) -> Box<dyn Backlog> {
        Box::new(TimerBacklog { store: self.store.clone(), clock: Arc::clone(&self.clock) })
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.report
    }
}

impl<S> fmt::Debug for TimerRunner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerRunner").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// The timers that wait or are being sent.
pub(super) struct TimerBacklog<S> {
    pub(super) store: S,
    pub(super) clock: Arc<dyn Clock>,
}

impl<S: TimerStore> Backlog for TimerBacklog<S> {
    fn next_run(&self) -> Result<NextRun, FollowError> {
        let TimerLook { taken, first } = self.store.look_at_timers().map_err(FollowError::store(NAME))?;
        Ok(match first {
            _ if taken > 0 => NextRun::Now,
            Some(first) if first <= self.clock.now() => NextRun::Now,
            Some(first) => NextRun::At(first),
            None => NextRun::WithNextEvent,
        })
    }
}

/// The store of timers, which wakes their runner when a timer is set, and not with each append.
struct TimerEvents<S>(S);

impl<S: TimerStore> EventStore for TimerEvents<S> {
    crate::__delegate!(
        self => self.0; append, read_stream, read_all, stream_version, position, wait_for, outcome, forget_keys_before
    );

    fn watch(&self, waker: &Waker) -> Result<bool, StoreError> {
        self.0.watch_timers(waker);
        Ok(true)
    }

    fn unwatch(&self, waker: &Waker) {
        self.0.unwatch_timers(waker);
    }
}
