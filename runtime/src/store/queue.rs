//! Appends that are queued in one step and waited for in another.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use crate::store::append::Appended;
use crate::store::error::AppendError;
use crate::store::sync::AtomicU64;

/// What a queued append rests on: that no append before it in the same epoch has failed.
///
/// The commands of one process to one aggregate queue their appends one after another, each decided on the
/// state that the one before leads to. If an append is not stored, those decided on it must not be stored
/// either, whatever version their stream has by then: another writer's events could have taken the places of
/// the failed one's. So each failure ends the epoch of its appends, and the store treats an append of an
/// earlier epoch as void.
#[derive(Debug, Clone)]
pub struct Chain {
    epoch: Arc<AtomicU64>,
    /// The epoch in which the append was queued.
    at: u64,
    /// The event that the stream must end with.
    last: Option<Uuid>,
    /// Whether later appends may rest on this one. A check, or a command that lost its turn, ends no epoch.
    is_base: bool,
    /// Whether the append rests on others. One that was decided on a stored state only ends the epoch.
    rests: bool,
}

impl Chain {
    pub(crate) fn new(epoch: &Arc<AtomicU64>, at: u64, is_base: bool) -> Self {
        Self { epoch: Arc::clone(epoch), at, last: None, is_base, rests: true }
    }

    /// The chain of an append that was decided on a stored state.
    pub(crate) fn of_stored(self) -> Self {
        Self { rests: false, ..self }
    }

    /// The chain of an append that was decided on a state in memory, which ends with this event.
    pub(crate) fn after(self, last: Option<Uuid>) -> Self {
        Self { last, ..self }
    }

    /// The id of the event that the append's stream must end with, if that is to be checked.
    ///
    /// The append was decided on a state in memory. The stream may have the same version and other events, as
    /// after a backup was restored in place. Then the append is void. An append to several streams has no such
    /// chain.
    #[must_use]
    pub fn last_event(&self) -> Option<Uuid> {
        self.last
    }

    /// Whether later appends may rest on this one.
    pub(crate) fn is_base(&self) -> bool {
        self.is_base
    }

    /// Whether the append rests on others of its epoch.
    pub(crate) fn rests(&self) -> bool {
        self.rests
    }

    /// What tells the epoch from others, as long as the chain lives.
    pub(crate) fn epoch(&self) -> (usize, u64) {
        (Arc::as_ptr(&self.epoch).addr(), self.at)
    }

    /// Whether an append that this one rests on was not stored. A store then answers with [`QueueError::Void`].
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.rests && self.epoch.load(Ordering::SeqCst) != self.at
    }

    /// Ends the epoch, since the append was not stored. The store calls this before any caller gets to know
    /// of the failure, and before it looks at an append that was queued later.
    pub fn fail(&self) {
        if self.is_base {
            // Another append of the epoch may have ended it.
            let _ = self.epoch.compare_exchange(self.at, self.at + 1, Ordering::SeqCst, Ordering::SeqCst);
        }
    }
}

/// An append that has its place in the queue of a store.
///
/// It is carried out even if this is dropped; only the answer is lost then.
#[must_use = "the answer comes from `wait`"]
pub struct QueuedAppend<'a> {
    queued: Option<Box<dyn Queued + 'a>>,
}

/// How a store answers an append that has its place in its queue. Each is called by the thread that has queued it.
///
/// A closure that waits and returns the answer is one.
pub trait Queued {
    /// Waits for the answer.
    fn wait(self: Box<Self>) -> Result<Appended, QueueError>;

    /// Returns the answer, or how a task gets it without a thread. This may take the time of a commit, if this thread is
    /// the one that commits for all.
    fn wait_as_task(self: Box<Self>) -> TaskAnswer {
        TaskAnswer::Ready(self.wait())
    }
}

impl<W: FnOnce() -> Result<Appended, QueueError>> Queued for W {
    fn wait(self: Box<Self>) -> Result<Appended, QueueError> {
        self()
    }
}

/// The answer for a task.
#[must_use = "it has the answer, or is how to get it"]
#[non_exhaustive]
pub enum TaskAnswer {
    /// It is there.
    Ready(Result<Appended, QueueError>),
    /// Another thread commits, and wakes the task.
    Later(Pin<Box<dyn Future<Output = Result<Appended, QueueError>> + Send>>),
}

impl fmt::Debug for TaskAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            Self::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}

impl<'a> QueuedAppend<'a> {
    /// An append whose answer comes this way.
    pub fn new(queued: impl Queued + 'a) -> Self {
        Self { queued: Some(Box::new(queued)) }
    }

    /// Waits for the append to be stored, or for the reason that it is not.
    ///
    /// A thread that has queued several appends waits for them in order.
    pub fn wait(mut self) -> Result<Appended, QueueError> {
        match self.queued.take() {
            Some(queued) => queued.wait(),
            None => unreachable!("`wait` takes the append"),
        }
    }

    /// The answer for a task, which waits without a thread.
    pub fn wait_as_task(mut self) -> TaskAnswer {
        match self.queued.take() {
            Some(queued) => queued.wait_as_task(),
            None => unreachable!("`wait_as_task` takes the append"),
        }
    }
}

impl Drop for QueuedAppend<'_> {
    fn drop(&mut self) {
        if let Some(queued) = self.queued.take() {
            // Others are queued behind it.
            let _ = queued.wait();
        }
    }
}

impl fmt::Debug for QueuedAppend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedAppend").finish_non_exhaustive()
    }
}

/// Why a queued append was not stored.
#[derive(Debug)]
pub enum QueueError {
    /// What the append rests on was not stored, or is no longer there; see [`Chain`].
    Void,
    /// The append itself failed.
    Append(AppendError),
}

impl From<AppendError> for QueueError {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}
