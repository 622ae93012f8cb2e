//! What runners tell, and are told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::progress::Report;
use crate::projection::ProjectionError;

#[derive(Debug, Default)]
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    /// Locked for as long as the user's callback runs, and so not together with the state.
    report: Mutex<Option<Report>>,
    /// How many events all handlers have taken.
    events: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// How far each worker has come.
    positions: Vec<u64>,
    /// Nobody who waits can see yet what the workers do: they make the view anew.
    hidden: bool,
    stop: bool,
    ended: bool,
    error: Option<ProjectionError>,
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    pub(crate) position: u64,
    pub(crate) ended: bool,
}

impl Control {
    pub(crate) fn new(report: Option<Report>) -> Self {
        Self { report: Mutex::new(report), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report(&self) -> MutexGuard<'_, Option<Report>> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on, so many workers have come to `position` each.
    pub(crate) fn begin(&self, workers: usize, position: u64) {
        let mut state = self.lock();
        (state.positions, state.hidden) = (vec![position; workers], false);
        drop(state);
        self.changed.notify_all();
    }

    /// The same where nobody sees it.
    pub(crate) fn begin_hidden(&self, workers: usize, position: u64) {
        let mut state = self.lock();
        (state.positions, state.hidden) = (vec![position; workers], true);
    }

    /// See [`Report::begin`].
    pub(crate) fn begin_report(&self, from: u64, after: u64, to: u64) {
        if let Some(report) = &mut *self.report() {
            report.begin(from, after, to);
        }
    }

    /// One worker has come this far.
    pub(crate) fn tell(&self, worker: usize, position: u64) {
        let mut state = self.lock();
        if let Some(known) = state.positions.get_mut(worker) {
            *known = position;
        }
        let all = state.position();
        drop(state);
        self.changed.notify_all();
        if self.report().as_mut().is_some_and(|report| report.at(all).is_break()) {
            self.stop();
        }
    }

    /// One worker's handlers have taken so many more.
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
        self.report().take()
    }

    /// The position up to which all workers have seen everything.
    pub(crate) fn reached(&self) -> u64 {
        self.lock().position()
    }

    /// The same, as others see it.
    pub(crate) fn position(&self) -> u64 {
        self.lock().shown()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().stop
    }

    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.changed.notify_all();
    }

    /// Nothing more will be told.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// The first error is what everything ends with.
    pub(crate) fn fail(&self, error: ProjectionError) {
        let mut state = self.lock();
        state.error.get_or_insert(error);
        state.stop = true;
        drop(state);
        self.changed.notify_all();
    }

    pub(crate) fn take_error(&self) -> Option<ProjectionError> {
        self.lock().error.take()
    }

    /// Waits so long, or until everybody is to stop.
    pub(crate) fn pause(&self, time: Duration) {
        let state = self.lock();
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stop));
    }

    /// Waits until all workers have come to `position`, or have ended.
    pub(crate) fn wait_for(&self, position: u64, timeout: Duration) -> Waited {
        let state = self.lock();
        let waiting = |state: &mut State| state.shown() < position && !state.ended;
        let state = self.changed.wait_timeout_while(state, timeout, waiting);
        let state = state.unwrap_or_else(PoisonError::into_inner).0;
        Waited { position: state.shown(), ended: state.ended }
    }
}

impl State {
    fn position(&self) -> u64 {
        self.positions.iter().copied().min().unwrap_or_default()
    }

    fn shown(&self) -> u64 {
        if self.hidden { 0 } else { self.position() }
    }
}
