//! The appends that wait for the thread that commits.

use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use std::{mem, thread};

use tokio::sync::{Notify, oneshot};
use tokio::task::yield_now;

use crate::store::group_commit::{Answer, Request, Waiter};
use crate::store::lock::lock;

/// How many appends are one group at most. Larger groups are not faster.
const LARGEST_GROUP: usize = 512;

/// How long a commit waits for callers to come back, at most.
const LONGEST_GATHERING: Duration = Duration::from_micros(300);

/// How many commits do not wait after callers did not come back, at most.
const LONGEST_PAUSE: u32 = 127;

/// The appends that wait. Threads and tasks wait in one queue.
#[derive(Default)]
pub(super) struct Commits {
    queue: Mutex<Queue>,
    changed: Notify,
    /// The thread that commits in place of the one that talks to the server, if appends have hooks.
    hooks: Mutex<Option<mpsc::Sender<Handed>>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Arc<Waiter>>,
    is_closed: bool,
}

impl Commits {
    /// Queues a copy of the request.
    pub(super) fn join(&self, request: Request<'_>) -> Arc<Waiter> {
        let waiter = Arc::new(Waiter::new(request));
        let mut queue = lock(&self.queue);
        if queue.is_closed {
            drop(queue);
            drop(Group(vec![Arc::clone(&waiter)]));
            return waiter;
        }
        let is_first = queue.waiting.is_empty();
        queue.waiting.push(Arc::clone(&waiter));
        drop(queue);
        if is_first {
            self.changed.notify_one();
        }
        waiter
    }

    /// The appends to commit next; `None` if none will come.
    pub(super) async fn next(&self, gathering: &mut Gathering) -> Option<Group> {
        loop {
            if gathering.waits_for_more(self.waiting()) {
                // The thread does the rest of its work meanwhile, and leaves the core to the callers.
                thread::yield_now();
                yield_now().await;
                continue;
            }
            {
                let mut queue = lock(&self.queue);
                if queue.waiting.len() > LARGEST_GROUP {
                    let rest = queue.waiting.split_off(LARGEST_GROUP);
                    self.changed.notify_one();
                    return Some(Group(mem::replace(&mut queue.waiting, rest)));
                }
                if !queue.waiting.is_empty() {
                    return Some(Group(mem::take(&mut queue.waiting)));
                }
                if queue.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }

    /// How many appends wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.queue).waiting.len()
    }

    /// Lets another thread commit, until it is taken away.
    pub(super) fn set_thread_of_hooks(&self, thread: Option<mpsc::Sender<Handed>>) {
        *lock(&self.hooks) = thread;
    }

    /// Hands appends over to the thread of the hooks. Without hooks, returns them.
    pub(super) fn hand_over(&self, group: Group) -> Result<oneshot::Receiver<()>, Group> {
        let hooks = lock(&self.hooks);
        let Some(hooks) = &*hooks else { return Err(group) };
        let (done, told) = oneshot::channel();
        // If the thread has ended, the callers get an error.
        drop(hooks.send(Handed { group, done }));
        Ok(told)
    }

    /// No store is left that could append.
    pub(super) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.changed.notify_one();
    }

    /// The thread that commits has ended, perhaps by a panic. Every append gets an answer.
    pub(super) fn abandon(&self) {
        let mut queue = lock(&self.queue);
        queue.is_closed = true;
        let left = mem::take(&mut queue.waiting);
        drop(queue);
        drop(Group(left));
    }
}

/// Lets the callers of the last commit come back before the next one begins. Without this, callers that append again and
/// again fall into two groups that take turns, and each commit has half of them.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How many appends may come: those that were just answered, and those that have waited meanwhile.
    expected: usize,
    /// When the next commit begins even if fewer have come.
    until: Option<Instant>,
    /// How many commits do not wait, since callers did not come back.
    pause: u32,
    next_pause: u32,
}

impl Gathering {
    /// A commit has taken this time, and so many appends wait or are about to be answered.
    pub(super) fn committed(&mut self, time: Duration, appends: usize) {
        self.until = None;
        if self.pause > 0 {
            self.pause -= 1;
        } else if appends > 1 {
            self.expected = appends.min(LARGEST_GROUP);
            self.until = Some(Instant::now() + (time / 4).min(LONGEST_GATHERING));
        }
    }

    /// Whether the next commit waits for more than those that wait now.
    fn waits_for_more(&mut self, waiting: usize) -> bool {
        let Some(until) = self.until.filter(|_| waiting > 0) else { return false };
        let have_come = waiting >= self.expected;
        if !have_come && Instant::now() < until {
            return true;
        }
        self.until = None;
        // Half of them are worth the wait.
        self.next_pause =
            if waiting * 2 > self.expected { 0 } else { (self.next_pause * 2 + 1).min(LONGEST_PAUSE) };
        self.pause = self.next_pause;
        false
    }
}

/// Appends for the thread of the hooks, which says when they have their answers.
pub(super) struct Handed {
    pub(super) group: Group,
    pub(super) done: oneshot::Sender<()>,
}

/// Appends that are committed together. If it is dropped, as in a panic, its callers get an error.
pub(super) struct Group(pub(super) Vec<Arc<Waiter>>);

impl Group {
    /// Gives each caller its answer.
    pub(super) fn answer(mut self, answers: Vec<Answer>) {
        let waiting = mem::take(&mut self.0);
        // Chains end before a caller gets an answer, and before the next group is looked at.
        for (waiter, answer) in waiting.iter().zip(&answers) {
            if answer.is_err() {
                waiter.fail();
            }
        }
        let mut answers = answers.into_iter();
        for waiter in waiting {
            waiter.answer(answers.next().unwrap_or_else(|| Err(waiter.not_committed())));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.0.iter().for_each(|waiter| waiter.fail());
        for waiter in &self.0 {
            waiter.answer(Err(waiter.not_committed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::domain::stream_name::StreamName;
    use crate::store::append::Append;

    fn join(commits: &Commits) {
        let stream = StreamName::new("tests", "a");
        let appends = [Append::new(&stream, 0, &[])];
        drop(commits.join(Request { appends: &appends, chains: &[] }));
    }

    #[test]
    fn a_group_waits_for_callers_that_come_back() {
        let commits = Commits::default();
        let runtime = Builder::new_current_thread().build().unwrap();
        let next = |gathering: &mut Gathering| runtime.block_on(commits.next(gathering)).unwrap().0.len();
        let mut gathering = Gathering {
            expected: 2,
            until: Some(Instant::now() + Duration::from_mins(1)),
            ..Gathering::default()
        };
        join(&commits);
        let both = thread::scope(|scope| {
            scope.spawn(|| join(&commits));
            next(&mut gathering)
        });
        assert_eq!(both, 2);
        join(&commits);
        assert_eq!(next(&mut gathering), 1, "it was the wait after one commit");
        gathering.committed(Duration::ZERO, 4);
        join(&commits);
        assert_eq!(next(&mut gathering), 1, "the time is over");
        gathering.committed(Duration::from_mins(1), 4);
        join(&commits);
        assert_eq!(next(&mut gathering), 1, "callers have not come back, so the next commit does not wait");
    }

    #[test]
    fn a_single_caller_does_not_wait() {
        let mut gathering = Gathering::default();
        gathering.committed(Duration::from_mins(1), 1);
        assert!(!gathering.waits_for_more(1));
    }
}
