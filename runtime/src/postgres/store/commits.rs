//! The appends that wait for the thread that commits.

use std::mem;
use std::sync::{Arc, Mutex, mpsc};

use tokio::sync::{Notify, oneshot};

use crate::store::group_commit::{Answer, Request, Waiter};
use crate::store::lock::lock;

/// How many appends are one group at most. Larger groups are not faster.
const LARGEST_GROUP: usize = 512;

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
    pub(super) async fn next(&self) -> Option<Group> {
        loop {
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
