//! Views in memory that follow a store in the background.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::error::BoxError;
use crate::domain::position::Position;
use crate::follow::background::{Follower, RunningFollower, WaitError, sealed};
use crate::follow::control::Control;
use crate::follow::dead_letter::{ListLetters, NoLetters};
use crate::follow::definition::FollowerKind;
use crate::follow::dyn_follower::DynFollower;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::event_hooks::EventHooks;
use crate::follow::keeps::{FollowerOptions, Keeps, Started};
use crate::follow::next_run::{Backlog, NextRun};
use crate::follow::patience::{self, StoreFailures};
use crate::follow::policy::RetryPolicy;
use crate::follow::progress::Report;
use crate::follow::projection::Projection;
use crate::follow::seen::Seen;
use crate::follow::session::Session;
use crate::follow::state::FollowerState;
use crate::memory::projection::{Memory, project, seen_before_read};
use crate::store::event_store::EventStore;
use crate::store::lock::lock;
use crate::store::partition::Partition;
use crate::telemetry::measure;
use crate::telemetry::measure::Stepped;
use crate::trace::Span;

/// How many positions a view takes before its readers get their turn.
const BATCH: u64 = 1024;

/// How long a runner with a thread of its own waits before it checks whether it has to stop.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// A parked runner is woken by the store; this is for none to come.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// A view in memory, shared with its readers, and how far it is.
struct MemoryFollower<P, E> {
    view: Arc<Mutex<P>>,
    events: E,
    position: Position,
    seen: Seen,
    /// The event after the position that has failed.
    failed: Position,
    /// How often it has failed.
    attempts: u32,
    store_failures: StoreFailures,
    report: Option<Report>,
    hooks: EventHooks,
}

impl<P: Projection<Target = Memory>, E: EventStore> MemoryFollower<P, E> {
    /// Projects some events; whether all are.
    fn step(&mut self) -> Result<bool, FollowError> {
        let newest = self.events.position().map_err(FollowError::store(P::NAME))?;
        let before = self.position;
        measure::step(&Span::step(P::NAME, FollowerKind::Projection.name()), || {
            let result = self.step_to(newest);
            let events = self.position.distance_from(before);
            let position = result.is_ok().then_some(self.position);
            (result, Stepped { events, position, goal: newest })
        })
    }

    fn step_to(&mut self, newest: Position) -> Result<bool, FollowError> {
        self.seen.check(&self.events, P::NAME)?;
        let goal = newest.min(self.position.forward(BATCH));
        let mut position = self.position;
        if goal > position {
            self.seen = seen_before_read(&self.events, goal, P::NAME)?;
        }
        let watch = self.hooks.watch(self.failed, self.attempts);
        let projected =
            project(&self.events, &mut *lock(&self.view), watch, Partition::WHOLE, &mut position, goal);
        if position > self.position {
            (self.position, self.attempts) = (position, 0);
        }
        projected.map(|_| position >= newest)
    }

    /// When an event that has failed is tried again. Fails if it is not.
    fn retry(
        &mut self,
        error: FollowError,
        control: &Control,
        policy: &RetryPolicy,
    ) -> Result<Duration, FollowError> {
        let Some(failed) = error.position() else {
            return patience::wait_after(error, &mut self.store_failures, control, 0, policy);
        };
        self.failed = failed;
        self.attempts += 1;
        if self.attempts > policy.retries {
            return Err(error);
        }
        let delay = policy.delay(self.attempts);
        control.say_retry(0, error.position(), &error, self.attempts, delay);
        Ok(delay)
    }
}

impl<P, E> sealed::Run for MemoryFollower<P, E>
where
    P: Projection<Target = Memory> + Send + 'static,
    E: EventStore + Clone + 'static,
{
    const NAME: &'static str = P::NAME;

    type Error = ProjectionError;

    fn run(
        &mut self,
        control: &Control,
        policy: &RetryPolicy,
        session: &mut Session,
    ) -> Result<Option<Instant>, ProjectionError> {
        if !session.has_begun {
            control.begin(1, Position::START);
            session.has_begun = true;
        }
        while !control.is_stopping() {
            let rest = match self.step() {
                Ok(is_current) => {
                    self.store_failures = StoreFailures::default();
                    control.report_position(0, self.position);
                    if is_current { LONGEST_REST } else { Duration::ZERO }
                }
                Err(error) => {
                    control.report_position(0, self.position);
                    self.retry(error, control, policy)?
                }
            };
            if rest.is_zero() {
                continue;
            }
            if session.memory.is_some() {
                return Ok(Some(Instant::now() + rest));
            }
            if rest == LONGEST_REST {
                let wait = self.events.wait_for(self.position.next(), STOP_CHECK);
                wait.map_err(FollowError::store(P::NAME))?;
            } else {
                control.pause(rest);
            }
        }
        Ok(None)
    }

    fn events(&self) -> Arc<dyn EventStore> {
        Arc::new(self.events.clone())
    }

    fn letters(&self) -> Box<dyn ListLetters> {
        Box::new(NoLetters)
    }

    fn backlog(&self) -> Box<dyn Backlog> {
        Box::new(NoLetters)
    }

    fn report(&mut self) -> &mut Option<Report> {
        &mut self.report
    }
}

impl<P, E> Follower for MemoryFollower<P, E>
where
    P: Projection<Target = Memory> + Send + 'static,
    E: EventStore + Clone + 'static,
{
}

/// A view in memory that runs, beside the view itself.
struct Shown<P, E>
where
    P: Projection<Target = Memory> + Send + 'static,
    E: EventStore + Clone + 'static,
{
    running: RunningFollower<MemoryFollower<P, E>>,
    view: Arc<Mutex<P>>,
}

impl<P, E> DynFollower for Shown<P, E>
where
    P: Projection<Target = Memory> + Send + 'static,
    E: EventStore + Clone + 'static,
{
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn state(&self) -> FollowerState {
        self.running.state()
    }

    fn wait_for(&self, position: Position, timeout: Duration) -> Result<(), WaitError> {
        self.running.wait_for(position, timeout)
    }

    fn next_run(&self) -> NextRun {
        self.running.next_run()
    }

    fn watch(&self, waker: &Waker) {
        self.running.control().watch(waker);
    }

    fn unwatch(&self, waker: &Waker) {
        self.running.control().unwatch(waker);
    }

    fn begin_stop(&self) {
        self.running.begin_stop();
    }

    fn stop_within(self: Box<Self>, timeout: Duration) -> Result<(), BoxError> {
        self.running.stop_within(timeout).map(drop).map_err(Into::into)
    }

    fn view(&self) -> Option<&(dyn Any + Send + Sync)> {
        Some(&*self.view)
    }
}

/// Any store has views in memory.
impl<S: EventStore + Clone + 'static> Keeps<Memory> for S {
    fn follow<P, E>(&self, events: &E, view: P, options: &FollowerOptions) -> Started
    where
        P: Projection<Target = Memory> + Send + 'static,
        E: EventStore + Clone + 'static,
    {
        if options.has_dead_letters() {
            return Err(
                "a view in memory has no dead letters: it is gone before they could be retried".into()
            );
        }
        let view = Arc::new(Mutex::new(view));
        let follower = MemoryFollower {
            view: Arc::clone(&view),
            events: events.clone(),
            position: Position::START,
            seen: Seen::START,
            failed: Position::START,
            attempts: 0,
            store_failures: StoreFailures::default(),
            report: None,
            hooks: options.hooks.clone(),
        };
        Ok(Box::new(Shown { running: options.prepare(follower).start()?, view }))
    }
}
