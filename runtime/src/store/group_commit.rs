//! Group commit: one thread, the leader, commits the appends of all threads that wait.
//!
//! * A caller that finds no leader *leads*: it commits its own append, without a hand-over, and all appends
//!   that wait.
//! * A caller that arrives during a commit waits.
//! * After the commit, the caller that has waited longest leads next. It is woken before the others get their
//!   answers, so that its commit begins while they wake up.
//! * A leader returns to its caller after one commit.
//! * A *task* waits without a thread, so it can't lead. If the one that has waited longest is a task, the leader's thread
//!   has to [serve](GroupCommit::serve): to commit for those that wait, until a caller with a thread leads.
//!
//! See `DeWitt` et al., "Implementation techniques for main memory database systems", 1984.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use uuid::Uuid;

use crate::domain::panic::catch_panic;
use crate::domain::stream_name::StreamName;
use crate::store::append::{Append, Appended};
use crate::store::error::{AppendError, StoreError};
use crate::store::owned_append::{Lent, OwnedAppend, split_off};
use crate::store::queue::{Chain, QueueError};
use crate::store::sync::{AtomicBool, Condvar, Mutex, lock};
use crate::telemetry::measure;
use crate::trace::Span;

/// What one caller appends: all of these, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) appends: &'a [Append<'a>],
    /// What the appends rest on.
    pub(crate) chains: &'a [Chain],
}

pub(crate) type Answer = Result<Appended, QueueError>;

impl Request<'_> {
    /// Whether an append that this one rests on was not stored.
    pub(crate) fn is_void(&self) -> bool {
        self.chains.iter().any(Chain::is_broken)
    }

    /// The event that the request's only stream must end with, if that is to be checked.
    pub(crate) fn last_event(&self) -> Option<Uuid> {
        self.chains.iter().find_map(Chain::last_event)
    }

    /// The number of events.
    pub(crate) fn events(&self) -> usize {
        self.appends.iter().map(|append| append.events.len()).sum()
    }

    /// The streams that it adds events to.
    pub(crate) fn changed_streams(&self) -> impl Iterator<Item = &'_ StreamName> {
        self.appends.iter().filter(|append| !append.events.is_empty()).map(|append| append.stream)
    }

    /// Ends the chains, after a failure.
    pub(crate) fn fail(&self) {
        fail(self.chains);
    }
}

fn fail(chains: &[Chain]) {
    chains.iter().for_each(Chain::fail);
}

/// The callers that append to one store.
#[derive(Default)]
pub(crate) struct GroupCommit {
    queue: Mutex<Queue>,
    /// A copy of [`Queue::led`], readable without the queue's lock. It may be a moment behind.
    busy: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// A leader is committing, or has been woken to.
    led: bool,
    waiting: VecDeque<Arc<Waiter>>,
}

/// A request that has its place in the queue.
pub(crate) enum Place {
    /// No caller commits, so this one has to.
    Lead,
    /// Behind the commit that is running.
    Behind(Arc<Waiter>),
}

/// A caller that waits, with its request.
pub(crate) struct Waiter {
    request: Vec<OwnedAppend>,
    chains: Vec<Chain>,
    /// The span of the caller.
    span: Span,
    state: Mutex<WaiterState>,
    changed: Condvar,
}

enum WaiterState {
    /// A thread waits.
    Wait,
    /// A task waits, which is woken by this once it has asked for the answer.
    Task(Option<Waker>),
    Lead,
    Done(Answer),
}

/// Whether another caller leads, or none waits. Otherwise a task has waited longest, and the thread that has committed has
/// to [serve](GroupCommit::serve).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "those that wait get no answer if no thread serves them"]
pub(crate) enum HandedOver {
    Yes,
    No,
}

impl GroupCommit {
    /// Commits `request`, which has this place, on this thread or on the thread of another caller.
    ///
    /// If this thread leads, `commit` gets the requests to commit, and returns one answer for each.
    pub(crate) fn wait(
        &self,
        place: Place,
        request: Request<'_>,
        commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
    ) -> (Answer, HandedOver) {
        if let Place::Behind(waiting) = place
            && let Some(answer) = waiting.wait()
        {
            return (answer, HandedOver::Yes);
        }
        self.lead(request, commit)
    }

    /// Commits `request`, which has this place, on this thread if it is the one to lead. Otherwise the answer comes later.
    pub(crate) fn wait_as_task(
        &self,
        place: Place,
        request: Request<'_>,
        commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
    ) -> Result<(Answer, HandedOver), TaskAnswer> {
        if let Place::Behind(waiting) = place {
            match waiting.becomes_task() {
                WaiterState::Lead => {}
                WaiterState::Done(answer) => return Ok((answer, HandedOver::Yes)),
                WaiterState::Wait | WaiterState::Task(_) => return Err(TaskAnswer(waiting)),
            }
        }
        Ok(self.lead(request, commit))
    }

    fn lead(
        &self,
        request: Request<'_>,
        commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
    ) -> (Answer, HandedOver) {
        let leader = Leader { group: self, own: Some(request), others: self.take_waiting() };
        let mut answers = commit_all(Some(request), &leader.others, commit).into_iter();
        let own = answers.next().unwrap_or_else(|| Err(unanswered(request)));
        let handed_over = leader.done(Some(&own), answers.collect());
        (own, handed_over)
    }

    /// Commits for those that wait, until a caller with a thread leads, or none waits.
    pub(crate) fn serve(&self, mut commit: impl FnMut(&[Request<'_>]) -> Vec<Answer>) {
        loop {
            let leader = Leader { group: self, own: None, others: self.take_waiting() };
            let answers = commit_all(None, &leader.others, &mut commit);
            if leader.done(None, answers) == HandedOver::Yes {
                return;
            }
        }
    }

    fn take_waiting(&self) -> Vec<Arc<Waiter>> {
        mem::take(&mut lock(&self.queue).waiting).into()
    }

    /// Queues the request behind the leader. If there is none, this caller leads, and has to wait at once: all
    /// others queue behind it.
    pub(crate) fn join(&self, request: Request<'_>) -> Place {
        {
            let mut queue = lock(&self.queue);
            if !mem::replace(&mut queue.led, true) {
                self.busy.store(true, Ordering::Relaxed);
                return Place::Lead;
            }
        }
        // Another thread reads the request, so it is copied. The copy is made without the queue's lock.
        let waiting = Arc::new(Waiter::new(request));
        let mut queue = lock(&self.queue);
        if !mem::replace(&mut queue.led, true) {
            self.busy.store(true, Ordering::Relaxed);
            return Place::Lead;
        }
        queue.waiting.push_back(Arc::clone(&waiting));
        Place::Behind(waiting)
    }

    /// Whether a leader is committing, or is about to.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Makes the caller that has waited longest the next leader, if one waits with a thread.
    fn hand_over(&self) -> HandedOver {
        let mut queue = lock(&self.queue);
        match queue.waiting.pop_front() {
            Some(next) => {
                // Those that wait may rest on each other, so the longest wait goes first, whether it can lead or not.
                if next.leads() {
                    return HandedOver::Yes;
                }
                queue.waiting.push_front(next);
                HandedOver::No
            }
            None => {
                queue.led = false;
                self.busy.store(false, Ordering::Relaxed);
                HandedOver::Yes
            }
        }
    }
}

/// Commits the leader's request and those that wait; returns their answers in this order.
fn commit_all(
    request: Option<Request<'_>>,
    others: &[Arc<Waiter>],
    commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
) -> Vec<Answer> {
    if others.is_empty() {
        return commit_measured(request.as_slice(), others, commit);
    }
    let lent = Lent::of(owned_appends(others));
    let appends = lent.appends(owned_appends(others));
    let mut requests = Vec::with_capacity(1 + others.len());
    requests.extend(request);
    requests.extend(requests_of(others, &appends));
    commit_measured(&requests, others, commit)
}

/// What the requests of these waiters append.
pub(crate) fn owned_appends(waiters: &[Arc<Waiter>]) -> impl Iterator<Item = &OwnedAppend> {
    waiters.iter().flat_map(|waiter| &waiter.request)
}

/// The requests of these waiters, with what [`owned_appends`] has lent.
pub(crate) fn requests_of<'a>(
    waiters: &'a [Arc<Waiter>],
    mut appends: &'a [Append<'a>],
) -> impl Iterator<Item = Request<'a>> {
    waiters.iter().map(move |waiter| Request {
        appends: split_off(&mut appends, waiter.request.len()),
        chains: &waiter.chains,
    })
}

fn commit_measured(
    requests: &[Request<'_>],
    others: &[Arc<Waiter>],
    commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
) -> Vec<Answer> {
    let span = Span::append(requests.len());
    for waiting in others {
        span.is_for(&waiting.span);
    }
    measure::append(
        &span,
        requests.len(),
        || commit(requests),
        |answers| {
            let stored = requests.iter().zip(answers).filter(|(_, answer)| answer.is_ok());
            stored.fold((0, 0), |(stored, events), (request, _)| (stored + 1, events + request.events()))
        },
    )
}

/// The leader's duty, even if it panics: the next waiter leads, and every waiter gets an answer.
struct Leader<'g> {
    group: &'g GroupCommit,
    /// `None` for a thread that leads for tasks.
    own: Option<Request<'g>>,
    others: Vec<Arc<Waiter>>,
}

impl Leader<'_> {
    fn done(mut self, own: Option<&Answer>, answers: Vec<Answer>) -> HandedOver {
        let others = mem::take(&mut self.others);
        // Chains end before the next leader looks at what rests on them, and before a caller gets an answer.
        if let (Some(request), Some(Err(_))) = (self.own.take(), own) {
            request.fail();
        }
        for (index, waiting) in others.iter().enumerate() {
            if answers.get(index).is_none_or(Result::is_err) {
                fail(&waiting.chains);
            }
        }
        let handed_over = self.group.hand_over();
        mem::forget(self);
        let mut answers = answers.into_iter();
        for waiting in &others {
            waiting.answer(answers.next().unwrap_or_else(|| Err(waiting.not_committed())));
        }
        handed_over
    }
}

/// Only after a panic of the leader: chains have not been dealt with, and waiters have no answer.
impl Drop for Leader<'_> {
    fn drop(&mut self) {
        if let Some(request) = &self.own {
            request.fail();
        }
        loop {
            self.others.iter().for_each(|waiting| fail(&waiting.chains));
            let handed_over = self.group.hand_over();
            for waiting in &self.others {
                waiting.answer(Err(waiting.not_committed()));
            }
            match handed_over {
                HandedOver::Yes => return,
                // This thread can't serve the tasks any more.
                HandedOver::No => self.others = self.group.take_waiting(),
            }
        }
    }
}

impl Waiter {
    /// A copy of the request, for the thread that commits it.
    pub(crate) fn new(request: Request<'_>) -> Self {
        Self {
            request: request.appends.iter().map(OwnedAppend::of).collect(),
            chains: request.chains.to_vec(),
            span: Span::current(),
            state: Mutex::new(WaiterState::Wait),
            changed: Condvar::new(),
        }
    }

    /// The answer, from a committer that lets no caller lead.
    pub(crate) fn wait_behind(&self) -> Answer {
        self.wait().unwrap_or_else(|| Err(self.not_committed()))
    }

    /// The answer for a task, from a committer that lets no caller lead.
    pub(crate) fn wait_behind_as_task(self: &Arc<Self>) -> Result<Answer, TaskAnswer> {
        match self.becomes_task() {
            WaiterState::Done(answer) => Ok(answer),
            _ => Err(TaskAnswer(Arc::clone(self))),
        }
    }

    /// Ends what rests on the request: it was not stored.
    pub(crate) fn fail(&self) {
        fail(&self.chains);
    }

    /// Gives the caller its answer. Before, [`fail`](Self::fail) is called for each request of the group that was not stored.
    pub(crate) fn answer(&self, answer: Answer) {
        self.wake_with(WaiterState::Done(answer));
    }

    /// Waits for the answer; `None` if this caller leads.
    fn wait(&self) -> Option<Answer> {
        let mut state = lock(&self.state);
        loop {
            match mem::replace(&mut *state, WaiterState::Wait) {
                WaiterState::Wait | WaiterState::Task(_) => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                WaiterState::Lead => return None,
                WaiterState::Done(answer) => return Some(answer),
            }
        }
    }

    /// From now on a task waits, unless the wait is over. Returns the state until now.
    fn becomes_task(&self) -> WaiterState {
        mem::replace(&mut *lock(&self.state), WaiterState::Task(None))
    }

    /// Makes this caller the leader, if it has a thread.
    fn leads(&self) -> bool {
        let mut state = lock(&self.state);
        if matches!(*state, WaiterState::Task(_)) {
            return false;
        }
        *state = WaiterState::Lead;
        drop(state);
        self.changed.notify_one();
        true
    }

    fn wake_with(&self, new: WaiterState) {
        let old = mem::replace(&mut *lock(&self.state), new);
        match old {
            // A task that has not asked yet will find the answer.
            WaiterState::Task(None) => {}
            WaiterState::Task(Some(waker)) => drop(catch_panic(|| waker.wake())),
            _ => self.changed.notify_one(),
        }
    }

    pub(crate) fn not_committed(&self) -> QueueError {
        match self.request.first() {
            Some(append) => not_committed(&append.stream).into(),
            None => unreachable!("the store answers an append without streams itself"),
        }
    }
}

/// The answer that a task waits for.
pub(crate) struct TaskAnswer(Arc<Waiter>);

impl Future for TaskAnswer {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut state = lock(&self.0.state);
        let replaced = match &mut *state {
            WaiterState::Task(Some(waker)) if waker.will_wake(context.waker()) => return Poll::Pending,
            WaiterState::Task(waker) => waker.replace(context.waker().clone()),
            WaiterState::Done(_) => match mem::replace(&mut *state, WaiterState::Task(None)) {
                WaiterState::Done(answer) => return Poll::Ready(answer),
                _ => unreachable!("the state is locked"),
            },
            WaiterState::Wait | WaiterState::Lead => unreachable!("a task waits"),
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

fn unanswered(request: Request<'_>) -> QueueError {
    match request.appends {
        [first, ..] => not_committed(first.stream).into(),
        [] => unreachable!("the store answers an append without streams itself"),
    }
}

fn not_committed(stream: &StreamName) -> AppendError {
    AppendError::store(stream, StoreError::Other("the thread that was to commit failed".into()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::domain::position::Position;

    fn append(
        group: &GroupCommit,
        appends: &[Append<'_>],
        commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
    ) -> Answer {
        let request = Request { appends, chains: &[] };
        group.wait(group.join(request), request, commit).0
    }

    /// Answers each request with the number that is its stream's key.
    fn all(requests: &[Request<'_>]) -> Vec<Answer> {
        let number = |request: &Request<'_>| request.appends[0].stream.key().parse().unwrap();
        requests
            .iter()
            .map(|request| {
                Ok(Appended { first_position: Some(Position::new(number(request))), versions: Vec::new() })
            })
            .collect()
    }

    /// Callers that arrive during a commit wait, and the next leader commits for all of them.
    #[test]
    fn a_leader_commits_for_all_waiters() {
        let group = GroupCommit::default();
        let streams: Vec<_> = (0..5).map(|number| StreamName::new("s", &number.to_string())).collect();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let sizes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let (group, streams, sizes) = (&group, &streams, &sizes);
            scope.spawn(move || {
                let appends = [Append::new(&streams[0], 0, &[])];
                let own = append(group, &appends, |requests| {
                    begun.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    lock(sizes).push(requests.len());
                    all(requests)
                });
                assert_eq!(own.unwrap().first_position, Some(Position::new(0)));
            });
            has_begun.recv().unwrap();
            for (number, stream) in streams.iter().enumerate().skip(1) {
                scope.spawn(move || {
                    let appends = [Append::new(stream, 0, &[])];
                    let own = append(group, &appends, |requests| {
                        lock(sizes).push(requests.len());
                        all(requests)
                    });
                    assert_eq!(
                        own.unwrap().first_position,
                        Some(Position::new(number as u64)),
                        "each caller gets its own answer"
                    );
                });
            }
            while lock(&group.queue).waiting.len() < 4 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
        });
        assert_eq!(lock(&sizes).clone(), [1, 4]);
        assert!(!lock(&group.queue).led, "no leader is left");
    }

    /// After a panic of the leader, every waiter gets an answer.
    #[test]
    fn panic_of_a_leader_is_an_error_of_the_others() {
        let group = GroupCommit::default();
        let streams: Vec<_> = (0..3).map(|number| StreamName::new("s", &number.to_string())).collect();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let outcomes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = &streams[0];
            let group = &group;
            scope.spawn(move || {
                let appends = [Append::new(first, 0, &[])];
                let _ = append(group, &appends, |requests| {
                    begun.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    all(requests)
                });
            });
            has_begun.recv().unwrap();
            for stream in &streams[1..] {
                let outcomes = &outcomes;
                scope.spawn(move || {
                    let appends = [Append::new(stream, 0, &[])];
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                        append(group, &appends, |_| panic!("the leader of two"))
                    }));
                    lock(outcomes).push(match result {
                        Ok(answer) => match answer.unwrap_err() {
                            QueueError::Append(error) => error.to_string(),
                            QueueError::Void => "void".to_owned(),
                        },
                        Err(_) => "panicked".to_owned(),
                    });
                });
            }
            while lock(&group.queue).waiting.len() < 2 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
        });
        let mut outcomes = outcomes.into_inner().unwrap();
        outcomes.sort();
        assert!(outcomes[0].starts_with("can't append to s/"), "{outcomes:?}");
        assert_eq!(outcomes[1], "panicked");
        let appends = [Append::new(&streams[0], 0, &[])];
        assert_eq!(
            append(&group, &appends, all).unwrap().first_position,
            Some(Position::new(0)),
            "the next caller leads"
        );
    }
}
