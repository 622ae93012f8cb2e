//! The state that runners and their callers share: positions, errors, and the request to stop.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::domain::error::with_causes;
use crate::domain::position::Position;
use crate::domain::time::Timestamp;
use crate::follow::dead_letter::RetriedLetters;
use crate::follow::error::FollowError;
use crate::follow::lease::LeaseInfo;
use crate::follow::progress::Report;
use crate::follow::redelivery::LetterRequest;
use crate::follow::runs;
use crate::follow::runs::RunId;
use crate::follow::state::{Activity, FollowerChange, Hook, PartitionPlace, PartitionState};
use crate::store::lock::lock;
use crate::store::wakers::Wakers;

/// How often the hook hears of a store that is busy, or can't be reached.
const BETWEEN_REPORTS: Duration = Duration::from_secs(5);

/// The state that the runners of a follower share with its callers.
#[derive(Debug)]
pub struct Control {
    follower: &'static str,
    /// Called without a lock, and outside of transactions.
    hook: Hook,
    state: Mutex<State>,
    changed: Condvar,
    /// Tasks that wait for the follower.
    wakers: Wakers,
    /// Locked while the user's callback runs. For that reason, never locked together with the state.
    report: Mutex<Option<Report>>,
    /// Tells this run from others.
    pub(crate) run: RunId,
    /// How many events all handlers have handled.
    events: AtomicU64,
    /// Runs a follower that is parked.
    waker: OnceLock<Waker>,
}

#[derive(Debug, Default)]
struct State {
    /// The position that each worker has reached.
    positions: Vec<Position>,
    /// The workers rebuild the view. Waiting callers can't see the new view yet.
    is_hidden: bool,
    /// Where the partition of each worker runs: here, if the worker has its lease.
    places: Vec<PartitionPlace>,
    /// What workers try again, by worker.
    retries: BTreeMap<usize, Retry>,
    /// When the hook has last heard that the store is away.
    said_outage: Option<Instant>,
    rebuild: Option<RebuildUnderWay>,
    /// The partitions of which the hook has heard that they run here.
    said_here: Vec<u32>,
    /// Changes that the hook has not heard of yet, as they happened in a transaction.
    unsaid: Vec<FollowerChange>,
    stop: bool,
    ended: bool,
    error: Option<FollowError>,
    /// What callers want to be done with dead letters.
    requests: VecDeque<Request>,
    /// Why the runner has ended, as text.
    reason: Option<String>,
}

/// What a caller wants, and where it waits for the answer.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) letters: LetterRequest,
    pub(crate) answer: Sender<Result<RetriedLetters, FollowError>>,
}

/// What a worker tries again: an event or, without one, the store.
#[derive(Debug)]
struct Retry {
    position: Option<Position>,
    /// What a caller sees of it.
    activity: Activity,
}

#[derive(Debug)]
struct RebuildUnderWay {
    /// The version of the view that serves queries.
    serving: u32,
    goal: Position,
}

/// How a wait has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    pub(crate) position: Position,
    pub(crate) ended: bool,
}

impl Control {
    /// The control of a run whose caller waits for the result, and so hears of it.
    pub(crate) fn new(follower: &'static str, report: Option<Report>) -> Self {
        Self::with_hook(follower, report, Hook::silent())
    }

    pub(crate) fn with_hook(follower: &'static str, report: Option<Report>, hook: Hook) -> Self {
        Self {
            follower,
            hook,
            state: Mutex::default(),
            changed: Condvar::new(),
            wakers: Wakers::default(),
            report: Mutex::new(report),
            run: RunId::default(),
            events: AtomicU64::new(0),
            waker: OnceLock::new(),
        }
    }

    /// Calls the hook with a change, after those that it has not heard of yet.
    pub(crate) fn say(&self, change: impl IntoIterator<Item = FollowerChange>) {
        let mut state = lock(&self.state);
        let partitions = state.new_partitions(self.follower);
        let unsaid = mem::take(&mut state.unsaid);
        drop(state);
        unsaid.into_iter().chain(partitions).chain(change).for_each(|change| {
            change.trace();
            self.hook.call(&change);
        });
    }

    /// Records that a worker will try again after a failure, and calls the hook.
    pub(crate) fn say_retry(
        &self,
        worker: usize,
        position: Option<Position>,
        error: &(dyn Error + 'static),
        attempts: u32,
        delay: Duration,
    ) {
        let error = with_causes(error);
        self.record_retry(worker, position, error.clone(), attempts, delay);
        let follower = self.follower;
        self.say(Some(FollowerChange::Retrying { follower, position, error, attempts, delay }));
    }

    /// Records that a worker will try again, as the store is busy or can't be reached. Calls the hook now and then: an outage may
    /// be long, and all workers try often.
    pub(crate) fn say_outage(
        &self,
        worker: usize,
        error: &(dyn Error + 'static),
        attempts: u32,
        delay: Duration,
    ) {
        let mut state = lock(&self.state);
        let is_due = state.said_outage.is_none_or(|said| said.elapsed() >= BETWEEN_REPORTS);
        if is_due {
            state.said_outage = Some(Instant::now());
        }
        drop(state);
        if is_due {
            self.say_retry(worker, None, error, attempts, delay);
        } else {
            self.record_retry(worker, None, with_causes(error), attempts, delay);
        }
    }

    fn record_retry(
        &self,
        worker: usize,
        position: Option<Position>,
        error: String,
        attempts: u32,
        delay: Duration,
    ) {
        let delay = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
        let next = Timestamp::from_micros(Timestamp::now().as_micros().saturating_add(delay));
        let activity = Activity::Retrying { position, error, attempts, next };
        lock(&self.state).retries.insert(worker, Retry { position, activity });
    }

    /// Records that a rebuild begins, from the version that serves queries, or that it has ended.
    pub(crate) fn report_rebuild(&self, serving: Option<u32>) {
        let mut state = lock(&self.state);
        state.rebuild = serving.map(|serving| RebuildUnderWay { serving, goal: Position::START });
        state.places.clear();
    }

    /// What the workers do.
    pub(crate) fn activity(&self) -> Activity {
        let state = lock(&self.state);
        if state.ended {
            return Activity::Stopped { error: state.reason.clone() };
        }
        if let Some(retry) = state.retries.values().next() {
            return retry.activity.clone();
        }
        if !state.has_lease()
            && let Some(holder) = state.places.iter().find_map(holder_elsewhere)
        {
            return Activity::WaitingForLease { holder: holder.clone() };
        }
        match &state.rebuild {
            Some(RebuildUnderWay { serving, goal }) => Activity::Rebuilding {
                done: state.position().distance_from(Position::START),
                total: goal.distance_from(Position::START),
                serving: *serving,
            },
            None if state.positions.is_empty() => Activity::Starting,
            None => Activity::Running,
        }
    }

    /// Where each partition runs.
    pub(crate) fn partitions(&self) -> Vec<PartitionState> {
        let state = lock(&self.state);
        if state.is_hidden || state.ended {
            return Vec::new();
        }
        let places = state.places.iter().chain(std::iter::repeat(&PartitionPlace::Unknown));
        let partitions = (0..).zip(&state.positions).zip(places).map(|((index, position), place)| {
            PartitionState { index, position: *position, place: place.clone() }
        });
        partitions.collect()
    }

    /// Starts over with this many workers, each at `position`.
    pub(crate) fn begin(&self, workers: usize, position: Position) {
        let mut state = lock(&self.state);
        (state.positions, state.is_hidden) = (vec![position; workers], false);
        drop(state);
        self.wake_waiting();
    }

    /// Starts over with this many workers, each at `position`, in a view that no caller can see yet.
    pub(crate) fn begin_hidden(&self, workers: usize, position: Position) {
        let mut state = lock(&self.state);
        (state.positions, state.is_hidden) = (vec![position; workers], true);
    }

    /// See [`Report::begin`].
    pub(crate) fn begin_report(&self, from: Position, after: Position, to: Position) {
        if let Some(rebuild) = &mut lock(&self.state).rebuild {
            rebuild.goal = to;
        }
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
        let is_past = |retry: &mut Retry| retry.position.is_none_or(|failed| position >= failed);
        state.retries.retain(|other, retry| *other != worker || !is_past(retry));
        let all = state.position();
        drop(state);
        self.wake_waiting();
        if lock(&self.report).as_mut().is_some_and(|report| report.at(all).is_break()) {
            self.stop();
        }
    }

    /// Records whose lease a worker waits for; `None` if it has it.
    pub(crate) fn report_lease(&self, worker: usize, holder: Option<LeaseInfo>) {
        let elsewhere = |holder| PartitionPlace::Elsewhere { holder };
        self.report_place(worker, &holder.map_or(PartitionPlace::Here, elsewhere));
    }

    /// Records that a worker neither has the lease nor waits for it.
    pub(crate) fn forget_lease(&self, worker: usize) {
        self.report_place(worker, &PartitionPlace::Unknown);
    }

    /// Records where the partitions of all workers run.
    pub(crate) fn report_places(&self, places: &[PartitionPlace]) {
        for (worker, place) in places.iter().enumerate() {
            self.report_place(worker, place);
        }
    }

    fn report_place(&self, worker: usize, place: &PartitionPlace) {
        let mut state = lock(&self.state);
        let workers = state.positions.len().max(worker + 1);
        state.places.resize(workers, PartitionPlace::Unknown);
        let had_lease = state.has_lease();
        let Some(known) = state.places.get_mut(worker) else { return };
        let before = mem::replace(known, place.clone());
        if before == PartitionPlace::Here && *place != PartitionPlace::Here {
            // Another runner tries again.
            state.retries.remove(&worker);
        }
        // The lease of a rebuild is another one.
        if state.rebuild.is_some() {
            return;
        }
        let follower = self.follower;
        let change = match (had_lease, state.has_lease(), holder_elsewhere(place)) {
            (false, true, _) => Some(FollowerChange::LeaseTaken { follower }),
            (true, false, Some(holder)) => {
                Some(FollowerChange::LeaseLost { follower, holder: holder.clone() })
            }
            _ => None,
        };
        state.unsaid.extend(change);
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
        self.wake_runners();
    }

    /// Lets callers that want something wake the follower while it is parked.
    pub(crate) fn use_waker(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    /// What runs the follower while it is parked; `None` if it is never parked.
    pub(crate) fn waker(&self) -> Option<Waker> {
        self.waker.get().cloned()
    }

    /// Wakes `waker` after each change that a caller may wait for, until [`unwatch`](Self::unwatch).
    pub(crate) fn watch(&self, waker: &Waker) {
        self.wakers.add(waker);
    }

    pub(crate) fn unwatch(&self, waker: &Waker) {
        self.wakers.remove(waker);
    }

    /// Wakes all that wait.
    fn wake_waiting(&self) {
        self.changed.notify_all();
        self.wakers.wake();
    }

    /// Wakes the workers, and the follower if it is parked.
    fn wake_runners(&self) {
        self.wake_waiting();
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// Records that the runner has ended, and calls the hook. Only the first call counts.
    pub(crate) fn end(&self, error: Option<String>) {
        let mut state = lock(&self.state);
        if mem::replace(&mut state.ended, true) {
            return;
        }
        state.reason.clone_from(&error);
        // The callers get an error, as their answers never come.
        state.requests.clear();
        drop(state);
        self.wake_waiting();
        self.say(Some(FollowerChange::Stopped { follower: self.follower, error }));
        self.hook.end();
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
        self.wake_runners();
    }

    pub(crate) fn take_error(&self) -> Option<FollowError> {
        lock(&self.state).error.take()
    }

    /// Lets a worker do something with dead letters, and waits for its answer.
    pub(crate) fn request(&self, letters: LetterRequest) -> Result<RetriedLetters, FollowError> {
        let follower = self.follower;
        let (answer, answered) = mpsc::channel();
        let wait = || {
            let mut state = lock(&self.state);
            if state.ended {
                return Err(FollowError::RunnerEnded { follower });
            }
            state.requests.push_back(Request { letters, answer });
            drop(state);
            self.wake_runners();
            answered.recv().unwrap_or(Err(FollowError::RunnerEnded { follower }))
        };
        runs::wait_for(&self.run, wait).unwrap_or(Err(FollowError::OwnRunner { follower }))
    }

    /// The oldest request that no worker has taken.
    pub(crate) fn take_request(&self) -> Option<Request> {
        lock(&self.state).requests.pop_front()
    }

    /// Answers callers that want something to be done with dead letters by position, for a runner that has none of these.
    pub(crate) fn refuse_requests(&self) {
        while let Some(Request { letters, answer }) = self.take_request() {
            let result = match letters {
                LetterRequest::RetryAll => Ok(RetriedLetters::default()),
                LetterRequest::Retry(position) | LetterRequest::Discard { position, .. } => {
                    Err(FollowError::NoDeadLetter { follower: self.follower, position })
                }
            };
            // The caller may have given up.
            let _ = answer.send(result);
        }
    }

    pub(crate) fn has_requests(&self) -> bool {
        !lock(&self.state).requests.is_empty()
    }

    /// Waits for `time`, or until the workers have to stop, or a caller wants something.
    pub(crate) fn pause_or_request(&self, time: Duration) {
        let state = lock(&self.state);
        let waits = |state: &mut State| !state.stop && state.requests.is_empty();
        drop(self.changed.wait_timeout_while(state, time, waits));
    }

    /// Waits for `time`, or until the workers have to stop.
    pub(crate) fn pause(&self, time: Duration) {
        let state = lock(&self.state);
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stop));
    }

    /// Waits until the runner has ended, at most `timeout`; whether it has.
    pub(crate) fn wait_for_end(&self, timeout: Duration) -> bool {
        let state = lock(&self.state);
        let state = self.changed.wait_timeout_while(state, timeout, |state| !state.ended);
        state.unwrap_or_else(PoisonError::into_inner).0.ended
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
    /// Whether one of the workers has its lease.
    fn has_lease(&self) -> bool {
        self.places.contains(&PartitionPlace::Here)
    }

    /// The change that other partitions run here than the hook has heard of.
    fn new_partitions(&mut self, follower: &'static str) -> Option<FollowerChange> {
        // The lease of a rebuild is another one.
        if self.rebuild.is_some() || self.places.len() < 2 {
            return None;
        }
        let is_here = |(_, place): &(u32, &PartitionPlace)| **place == PartitionPlace::Here;
        let here: Vec<_> = (0..).zip(&self.places).filter(is_here).map(|(index, _)| index).collect();
        let of = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let is_new = self.said_here != here;
        self.said_here.clone_from(&here);
        is_new.then_some(FollowerChange::Partitions { follower, here, of })
    }

    fn position(&self) -> Position {
        self.positions.iter().copied().min().unwrap_or_default()
    }

    fn shown(&self) -> Position {
        if self.is_hidden { Position::START } else { self.position() }
    }
}

/// The holder of the lease of a partition that runs elsewhere.
fn holder_elsewhere(place: &PartitionPlace) -> Option<&LeaseInfo> {
    match place {
        PartitionPlace::Elsewhere { holder } => Some(holder),
        PartitionPlace::Here | PartitionPlace::Unknown => None,
    }
}
