//! Takes the timers that are due, in order of their times, and hands their commands to the senders.
//!
//! | crash | state of the store | what follows |
//! |---|---|---|
//! | before a timer is taken | it waits | it is taken when it is due |
//! | after that, before its command was executed | it is taken | the next runner sends the command |
//! | after the command was executed, before that is recorded | it is taken | the command is sent again, and its key makes it happen once |

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, io};

use crate::domain::position::Position;
use crate::follow::background::{Follower, sealed};
use crate::follow::control::Control;
use crate::follow::dead_letter::{ListLetters, NoLetters};
use crate::follow::error::FollowError;
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::patience::{self, CommandFailures, StoreFailures};
use crate::follow::policy::RetryPolicy;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::Commands;
use crate::follow::progress::Report;
use crate::follow::session::Session;
use crate::follow::state::FollowerChange;
use crate::follow::timers::ScheduledCommand;
use crate::follow::timers::dispatch::{Sending, Sent, TimerDispatch, Unsent};
use crate::follow::timers::timer_store::{
    DueTimer, TimerLook, TimerResult, TimerStep, TimerStore, TimerTurn,
};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;

/// The name of the timers' runner and of its lease. No follower that is derived can have it.
pub(crate) const NAME: &str = "factum/timers";

/// How often a runner looks for timers that another program has set.
const LOOK: Duration = Duration::from_secs(1);

/// How long a runner that is not parked waits before it looks.
const SHORT_LOOK: Duration = Duration::from_millis(20);

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
    /// `None` before the run has begun.
    dispatch: Option<TimerDispatch>,
    results: Vec<(i64, TimerResult)>,
    /// Timers whose commands have failed, and are sent again.
    later: HashMap<i64, Later>,
    failures: StoreFailures,
    /// Until when another runner has the lease, as far as this one knows.
    stands_by: Option<Instant>,
}

struct Later {
    failures: Failures,
    /// When it is sent again; `None` if it is being sent.
    at: Option<Instant>,
}

/// How often a command has failed.
#[derive(Debug, Clone, Copy, Default)]
struct Failures {
    all: CommandFailures,
    /// How many of these were panics of its aggregate.
    panics: u32,
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
        let result = self.follow_until_parked(control, policy, session);
        if matches!(result, Ok(Some(_))) {
            return result;
        }
        // The first error counts.
        let ended = self.end(control, policy, session);
        result.and_then(|_| ended.map(|()| None))
    }

    fn follow_until_parked(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, FollowError> {
        if !session.has_begun {
            self.begin(control, session).map_err(|source| FollowError::Thread { follower: NAME, source })?;
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
        Ok(None)
    }

    fn begin(&mut self, control: &Control, session: &mut Session) -> io::Result<()> {
        control.begin(1, Position::START);
        let runner = control.waker();
        if let Some(waker) = &runner {
            self.clock.watch(waker);
        }
        session.kept = self.store.keep_timers(&session.holder)?;
        let (commands, kinds) = (Arc::clone(&self.commands), self.kinds);
        let sending = Sending { commands, kinds, run: control.run.clone(), runner };
        self.run = Run { dispatch: Some(TimerDispatch::start(sending)?), ..Run::default() };
        session.has_begun = true;
        Ok(())
    }

    /// Ends the senders, records what they have sent, and releases the lease.
    fn end(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<(), FollowError> {
        if let Some(dispatch) = &mut self.run.dispatch {
            dispatch.end();
        }
        self.take_sent(control, policy);
        // If this fails, the commands are sent again, and their keys make them happen once.
        let ended = if self.run.results.is_empty() { Ok(()) } else { self.step(session, 0).map(drop) };
        self.run = Run::default();
        session.kept = None;
        // If the release fails, the next holder waits until the lease ends.
        let _ = self.store.release_timers(&session.holder);
        ended
    }

    /// One step, if there is anything to do: it finds the commands that are sent next. Returns until when there is nothing.
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
        self.take_sent(control, policy);
        let (known, room) = self.dispatch().map_or((0, 0), |dispatch| (dispatch.known(), dispatch.room()));
        if let Some(until) = self.rest(now, known, room)? {
            if self.run.later.is_empty() && known == 0 {
                // Without anything to do, no runner has it.
                control.forget_lease(0);
            }
            return Ok(Some(until));
        }
        let due = match self.step(session, room)? {
            TimerTurn::Taken(due) => due,
            TimerTurn::HeldBy(holder) => {
                // The other runner sends what this one has taken.
                (self.run.results, self.run.later) = Default::default();
                if let Some(dispatch) = self.dispatch() {
                    dispatch.forget_all();
                }
                session.holder.set_held(false);
                control.report_lease(0, Some(holder));
                control.say(None);
                let until = Instant::now() + session.holder.stand_by_time();
                self.run.stands_by = Some(until);
                return Ok(Some(until));
            }
        };
        session.holder.set_held(!(due.is_empty() && self.run.later.is_empty() && known == 0));
        control.report_lease(0, None);
        control.say(None);
        (self.run.results, self.run.failures) = Default::default();
        for timer in &due {
            if let Some(later) = self.run.later.get_mut(&timer.number) {
                later.at = None;
            }
        }
        let is_all = due.len() < room;
        let Run { dispatch: Some(dispatch), later, .. } = &mut self.run else { return Ok(None) };
        dispatch.add(due);
        if is_all {
            // What is ready and was not found is gone.
            let is_known = dispatch.knows();
            later.retain(|number, later| later.at.is_some_and(|at| at > now) || is_known(*number));
        }
        if later.is_empty() {
            // No command fails any more.
            control.report_position(0, Position::START);
        }
        Ok(None)
    }

    fn dispatch(&self) -> Option<&TimerDispatch> {
        self.run.dispatch.as_ref()
    }

    /// Until when there is nothing to do; `None` if there is. So many timers are known to the senders, and so many more have
    /// room there.
    fn rest(&self, now: Instant, known: usize, room: usize) -> Result<Option<Instant>, FollowError> {
        let look = self.store.look_at_timers().map_err(FollowError::store(NAME))?;
        let due_in = look.first.map(|first| self.clock.now().until(first));
        let waiting = self.run.later.values().filter_map(|later| later.at);
        let next = waiting.clone().min();
        let has_next = look.taken > waiting.count() + known
            || due_in.is_some_and(|due_in| due_in.is_zero())
            || next.is_some_and(|next| next <= now);
        if !self.run.results.is_empty() || (has_next && room > 0) {
            return Ok(None);
        }
        // Without room, the senders wake the runner.
        let due = due_in.and_then(|due_in| now.checked_add(due_in)).filter(|_| room > 0);
        Ok([due, next.filter(|_| room > 0)].into_iter().flatten().chain([now + LOOK]).min())
    }

    /// One transaction: records what was sent, and takes what is due.
    fn step(&self, session: &Session, limit: usize) -> Result<TimerTurn, FollowError> {
        let (now, later, dispatch) = (Instant::now(), &self.run.later, self.dispatch());
        let is_known = |number| dispatch.is_some_and(|dispatch| dispatch.knows()(number));
        let is_ready = |number| {
            !is_known(number)
                && later.get(&number).is_none_or(|later: &Later| later.at.is_none_or(|at| at <= now))
        };
        let step = TimerStep {
            results: &self.run.results,
            now: self.clock.now(),
            limit,
            is_ready: &is_ready,
            has_later: !later.is_empty() || dispatch.is_some_and(|dispatch| dispatch.known() > 0),
        };
        self.store.timer_step(&session.holder, &step).map_err(FollowError::store(NAME))
    }

    /// Takes over what has become of commands.
    fn take_sent(&mut self, control: &Control, policy: &RetryPolicy) {
        let sent = self.dispatch().map(TimerDispatch::take_sent).unwrap_or_default();
        for (timer, sent) in sent {
            self.settle(timer, sent, control, policy);
        }
    }

    /// Takes over what has become of the command of a timer.
    fn settle(&mut self, timer: DueTimer, sent: Sent, control: &Control, policy: &RetryPolicy) {
        let before = self.run.later.remove(&timer.number).map(|later| later.failures).unwrap_or_default();
        let result = match sent {
            Ok(result) => Ok(result),
            Err(Unsent::Failed(error)) => Err((error, before.panics)),
            Err(Unsent::Panicked(panic)) => match before.panics.saturating_add(1) {
                MOST_PANICS.. => Ok(TimerResult::Failed(format!(
                    "the command was sent {MOST_PANICS} times, and panicked each time: {panic}"
                ))),
                panics => Err((panic.into(), panics)),
            },
        };
        let DueTimer { number, key, command, .. } = timer;
        let result = match result {
            Ok(result) => result,
            Err((source, panics)) => {
                let mut all = before.all;
                let resend = all.add(&*source, policy);
                resend.say(control, &FollowError::Timer { follower: NAME, command, key, source });
                let (failures, at) = (Failures { all, panics }, Some(Instant::now() + resend.delay));
                self.run.later.insert(number, Later { failures, at });
                return;
            }
        };
        if let TimerResult::Failed(error) = &result {
            let error = error.clone();
            control.say(Some(FollowerChange::TimerFailed { follower: NAME, key, command, error }));
        }
        self.run.results.push((number, result));
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
