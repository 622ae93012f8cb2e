//! The state that runners and their callers share: positions, errors, and the request to stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::position::Position;
use crate::follow::error::FollowError;
use crate::follow::lease::LeaseInfo;
use crate::follow::progress::Report;
use crate::follow::runs::RunId;
use crate::store::lock::lock;

/// The state that the runners of a follower share with its callers.
#[derive(Debug, Default)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Locked while the user's callback runs. For that reason, never locked together with the state.
    report: Mutex<Option<Report>>,
    /// Tells this run from others.
    pub(crate) run: RunId,
    /// How many events all handlers have handled.
    events: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The position that each worker has reached.
    positions: Vec<Position>,
    /// The workers rebuild the view. Waiting callers can't see the new view yet.
    is_hidden: bool,
    /// The lease of another runner, which the workers wait for.
    lease: Option<LeaseInfo>,
    stop: bool,
    ended: bool,
    error: Option<FollowError>,
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    pub(crate) position: Position,
    pub(crate) ended: bool,
}

impl Control {
    pub(crate) fn new(report: Option<Report>) -> Self {
        Self { report: Mutex::new(report), ..Self::default() }
    }

    /// Starts over with this many workers, each at `position`.
    pub(crate) fn begin(&self, workers: usize, position: Position) {
        let mut state = lock(&self.state);
        (state.positions, state.is_hidden) = (vec![position; workers], false);
        drop(state);
        self.changed.notify_all();
    }

    /// Starts over with this many workers, each at `position`, in a view that no caller can see yet.
    pub(crate) fn begin_hidden(&self, workers: usize, position: Position) {
        let mut state = lock(&self.state);
        (state.positions, state.is_hidden) = (vec![position; workers], true);
    }

    /// See [`Report::begin`].
    pub(crate) fn begin_report(&self, from: Position, after: Position, to: Position) {
        if let Some(report) = &mut *lock(&self.report) {
            report.begin(from, after, to);
        }
    }

    /// Records the position that a worker has reached, and calls the callback.
    pub(crate) fn report_position(&self, worker: usize, position: Position) {
        let mut state = lock(&self.state);
        if let Some(known) = state.positions.get_mut(worker) {
            *known = position;
        }
        let all = state.position();
        drop(state);
        self.changed.notify_all();
        if lock(&self.report).as_mut().is_some_and(|report| report.at(all).is_break()) {
            self.stop();
        }
    }

    /// Records whose lease the workers wait for; `None` if they have it.
    pub(crate) fn report_lease(&self, holder: Option<LeaseInfo>) {
        lock(&self.state).lease = holder;
    }

    /// The lease of another runner, which the workers wait for.
    pub(crate) fn lease(&self) -> Option<LeaseInfo> {
        lock(&self.state).lease.clone()
    }

    /// Counts events that the handlers of a worker have handled.
    pub(crate) fn count(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    pub(crate) fn into_report(self) -> Option<Report> {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_report(&self) -> Option<Report> {
        lock(&self.report).take()
    }

    /// The position up to which all workers have seen everything.
    pub(crate) fn reached(&self) -> Position {
        lock(&self.state).position()
    }

    /// The position up to which callers can see everything.
    pub(crate) fn position(&self) -> Position {
        lock(&self.state).shown()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        lock(&self.state).stop
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).stop = true;
        self.changed.notify_all();
    }

    /// Records that the runner has ended.
    pub(crate) fn end(&self) {
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.state).ended
    }

    /// Stops all workers with an error; the first error counts.
    pub(crate) fn fail(&self, error: FollowError) {
        let mut state = lock(&self.state);
        state.error.get_or_insert(error);
        state.stop = true;
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn take_error(&self) -> Option<FollowError> {
        lock(&self.state).error.take()
    }

    /// Waits for `time`, or until the workers have to stop.
    pub(crate) fn pause(&self, time: Duration) {
        let state = lock(&self.state);
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stop));
    }

    /// Waits until all workers have reached `position` or have ended, at most `timeout`.
    pub(crate) fn wait_for(&self, position: Position, timeout: Duration) -> Waited {
        let state = lock(&self.state);
        let waiting = |state: &mut State| state.shown() < position && !state.ended;
        let state = self.changed.wait_timeout_while(state, timeout, waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner).0;
        Waited { position: state.shown(), ended: state.ended }
    }
}

impl State {
    fn position(&self) -> Position {
        self.positions.iter().copied().min().unwrap_or_default()
    }

    fn shown(&self) -> Position {
        if self.is_hidden { Position::START } else { self.position() }
    }
}
