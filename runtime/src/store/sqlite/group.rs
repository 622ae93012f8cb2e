//! Group commit: whoever gets to write commits for all who are waiting.
//!
//! A caller that finds nobody writing *leads*: it commits its own append, without any hand-over, together with what waits
//! by then. Callers that come meanwhile wait; when the leader is done, the one that has waited longest leads next, and is
//! woken before the others are answered, so that its commit begins while they wake up. Nobody leads twice for others:
//! a leader answers its own caller after one commit. The idea is old: `DeWitt` et al., "Implementation techniques for main
//! memory database systems", 1984.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::append::Request;
use super::lock;
use crate::error::{AppendError, StoreError};
use crate::id::StreamId;
use crate::metadata::Metadata;
use crate::store::{Append, Appended, ExpectedVersion, NewEvent, NewKey};
use crate::time::Timestamp;

type Answer = Result<Appended, AppendError>;

/// Those who want to append.
#[derive(Default)]
pub(super) struct Group {
    queue: Mutex<Queue>,
    /// As in the queue, for those who only want to keep out of the way.
    busy: AtomicBool,
}

#[derive(Default)]
struct Queue {
    /// Somebody is committing, or has been told to.
    led: bool,
    waiting: VecDeque<Arc<Waiting>>,
}

/// A caller that waits, and what it wants to append.
struct Waiting {
    request: Vec<OwnedAppend>,
    turn: Mutex<Turn>,
    changed: Condvar,
}

enum Turn {
    Wait,
    Lead,
    Done(Answer),
}

impl Group {
    /// Has `request` committed, by this thread or another. `commit` gets what this thread has to commit, and gives an
    /// answer for each.
    pub(super) fn append(
        &self,
        request: Request<'_>,
        commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
    ) -> Answer {
        if let Some(waiting) = self.join(request)
            && let Some(answer) = waiting.wait()
        {
            return answer;
        }
        let leader = Leader { group: self, others: mem::take(&mut lock(&self.queue).waiting).into() };
        if leader.others.is_empty() {
            return commit(&[request]).pop().unwrap_or_else(|| Err(unanswered(request)));
        }
        let (own, answers) = commit_all(request, &leader.others, commit);
        leader.done(answers);
        own
    }

    /// Gets in line behind somebody who is committing; `None` if there is nobody, and the caller leads.
    fn join(&self, request: Request<'_>) -> Option<Arc<Waiting>> {
        {
            let mut queue = lock(&self.queue);
            if !mem::replace(&mut queue.led, true) {
                self.busy.store(true, Ordering::Relaxed);
                return None;
            }
        }
        // What waits is copied, as another thread will read it; meanwhile the queue is free.
        let waiting = Arc::new(Waiting {
            request: request.iter().map(OwnedAppend::of).collect(),
            turn: Mutex::new(Turn::Wait),
            changed: Condvar::new(),
        });
        let mut queue = lock(&self.queue);
        if !mem::replace(&mut queue.led, true) {
            self.busy.store(true, Ordering::Relaxed);
            return None;
        }
        queue.waiting.push_back(Arc::clone(&waiting));
        Some(waiting)
    }

    /// Whether somebody is committing, or is about to.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    fn hand_over(&self) {
        let mut queue = lock(&self.queue);
        match queue.waiting.pop_front() {
            Some(next) => {
                drop(queue);
                next.tell(Turn::Lead);
            }
            None => {
                queue.led = false;
                self.busy.store(false, Ordering::Relaxed);
            }
        }
    }
}

/// Commits the leader's own request and those that wait; gives its own answer apart.
fn commit_all(
    request: Request<'_>,
    others: &[Arc<Waiting>],
    commit: impl FnOnce(&[Request<'_>]) -> Vec<Answer>,
) -> (Answer, Vec<Answer>) {
    let lent: Vec<Vec<Lent<'_>>> = others.iter().map(|waiting| lend(&waiting.request)).collect();
    let appends: Vec<Vec<Append<'_>>> =
        lent.iter().map(|request| request.iter().map(Lent::append).collect()).collect();
    let mut requests = Vec::with_capacity(1 + appends.len());
    requests.push(request);
    requests.extend(appends.iter().map(Vec::as_slice));
    let mut answers = commit(&requests).into_iter();
    let own = answers.next().unwrap_or_else(|| Err(unanswered(request)));
    (own, answers.collect())
}

/// The leader's duty: whatever becomes of it, the next one leads, and nobody waits for ever.
struct Leader<'g> {
    group: &'g Group,
    others: Vec<Arc<Waiting>>,
}

impl Leader<'_> {
    fn done(mut self, answers: Vec<Answer>) {
        let others = mem::take(&mut self.others);
        drop(self);
        for (waiting, answer) in others.iter().zip(answers) {
            waiting.tell(Turn::Done(answer));
        }
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.group.hand_over();
        // None are left, unless the leader has panicked.
        for waiting in &self.others {
            let stream = waiting.request.first().map(|append| &append.stream);
            if let Some(stream) = stream {
                waiting.tell(Turn::Done(Err(left_alone(stream))));
            }
        }
    }
}

impl Waiting {
    /// Waits for the answer; `None` if this caller leads.
    fn wait(&self) -> Option<Answer> {
        let mut turn = lock(&self.turn);
        loop {
            match mem::replace(&mut *turn, Turn::Wait) {
                Turn::Wait => turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner),
                Turn::Lead => return None,
                Turn::Done(answer) => return Some(answer),
            }
        }
    }

    fn tell(&self, turn: Turn) {
        *lock(&self.turn) = turn;
        self.changed.notify_one();
    }
}

fn unanswered(request: Request<'_>) -> AppendError {
    match request {
        [first, ..] => left_alone(first.stream),
        [] => unreachable!("an append to no stream does not come here"),
    }
}

fn left_alone(stream: &StreamId) -> AppendError {
    AppendError::store(stream, StoreError::Other("the thread that was to commit it did not get to it".into()))
}

/// One stream's part of a request that waits.
struct OwnedAppend {
    stream: StreamId,
    expected: ExpectedVersion,
    events: Vec<OwnedEvent>,
    keys: Vec<(String, NewKey<'static>)>,
}

struct OwnedEvent {
    name: String,
    schema: u32,
    id: uuid::Uuid,
    recorded_at: Timestamp,
    metadata: Metadata,
    payload: String,
}

/// The same as a store takes it.
struct Lent<'a> {
    owned: &'a OwnedAppend,
    events: Vec<NewEvent<'a>>,
    keys: Vec<NewKey<'a>>,
}

fn lend(request: &[OwnedAppend]) -> Vec<Lent<'_>> {
    request.iter().map(OwnedAppend::lend).collect()
}

impl OwnedAppend {
    fn of(append: &Append<'_>) -> Self {
        let events = append.events.iter().map(|event| OwnedEvent {
            name: event.name.to_owned(),
            schema: event.schema,
            id: event.id,
            recorded_at: event.recorded_at,
            metadata: event.metadata.clone(),
            payload: event.payload.to_owned(),
        });
        let keys = append.keys.iter().map(|key| (key.key.to_owned(), NewKey { key: "", ..key.clone() }));
        Self {
            stream: append.stream.clone(),
            expected: append.expected,
            events: events.collect(),
            keys: keys.collect(),
        }
    }

    fn lend(&self) -> Lent<'_> {
        let events = self.events.iter().map(|event| NewEvent {
            name: &event.name,
            schema: event.schema,
            id: event.id,
            recorded_at: event.recorded_at,
            metadata: &event.metadata,
            payload: &event.payload,
        });
        let keys = self.keys.iter().map(|(key, rest)| NewKey { key, ..rest.clone() });
        Lent { owned: self, events: events.collect(), keys: keys.collect() }
    }
}

impl Lent<'_> {
    fn append(&self) -> Append<'_> {
        Append {
            stream: &self.owned.stream,
            expected: self.owned.expected,
            events: &self.events,
            keys: &self.keys,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// Answers with the number that is the stream's name.
    fn all(requests: &[Request<'_>]) -> Vec<Answer> {
        let number = |request: &Request<'_>| request[0].stream.key().parse().unwrap();
        requests
            .iter()
            .map(|request| Ok(Appended { first_position: number(request), versions: Vec::new() }))
            .collect()
    }

    /// While one commits, others get in line; the next to lead commits for all of them.
    #[test]
    fn one_commits_for_all_who_wait() {
        let group = Group::default();
        let streams: Vec<_> = (0..5).map(|number| StreamId::new("s", &number.to_string())).collect();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let sizes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let (group, streams, sizes) = (&group, &streams, &sizes);
            scope.spawn(move || {
                let appends = [Append::new(&streams[0], 0, &[])];
                let own = group.append(&appends, |requests| {
                    begun.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    lock(sizes).push(requests.len());
                    all(requests)
                });
                assert_eq!(own.unwrap().first_position, 0);
            });
            has_begun.recv().unwrap();
            for (number, stream) in streams.iter().enumerate().skip(1) {
                scope.spawn(move || {
                    let appends = [Append::new(stream, 0, &[])];
                    let own = group.append(&appends, |requests| {
                        lock(sizes).push(requests.len());
                        all(requests)
                    });
                    assert_eq!(own.unwrap().first_position, number as u64, "each its own answer");
                });
            }
            while lock(&group.queue).waiting.len() < 4 {
                thread::yield_now();
            }
            go_on.send(()).unwrap();
        });
        assert_eq!(lock(&sizes).clone(), [1, 4]);
        assert!(!lock(&group.queue).led, "nobody is left to lead");
    }

    /// A leader that does not get to its end leaves nobody waiting.
    #[test]
    fn panic_of_a_leader_is_an_error_of_the_others() {
        let group = Group::default();
        let streams: Vec<_> = (0..3).map(|number| StreamId::new("s", &number.to_string())).collect();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let outcomes = Mutex::new(Vec::new());
        thread::scope(|scope| {
            let first = &streams[0];
            let group = &group;
            scope.spawn(move || {
                let appends = [Append::new(first, 0, &[])];
                let _ = group.append(&appends, |requests| {
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
                        group.append(&appends, |_| panic!("the leader of two"))
                    }));
                    lock(outcomes).push(match result {
                        Ok(answer) => answer.unwrap_err().to_string(),
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
        assert_eq!(group.append(&appends, all).unwrap().first_position, 0, "and the next one leads");
    }
}
