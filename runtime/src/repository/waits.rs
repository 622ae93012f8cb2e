//! How a command waits for its answer: with its thread, or as a task that gives its thread back.
//!
//! The code of commands is written once, as futures. With [`Blocks`] such a future is ready when it is polled first.

use std::future::{self, Future};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::store::append::Appended;
use crate::store::event_store::EventStore;
use crate::store::queue::{QueueError, QueuedAppend};
use crate::store::task_reads::TaskReads;

/// How to wait.
pub trait Waits {
    /// The answer of an append.
    ///
    /// It is asked for at once, on the thread that has queued the append.
    fn answer(
        queued: QueuedAppend<'_>,
    ) -> impl Future<Output = Result<Appended, QueueError>> + Send + use<Self>;

    /// Comes back on a thread that may block.
    fn thread() -> impl Future<Output = ()> + Send;

    /// The reads that need no thread while they wait; `None` if the caller reads on its thread.
    fn reads<S: EventStore + ?Sized>(store: &S) -> Option<&dyn TaskReads>;
}

/// The thread waits.
pub(crate) enum Blocks {}

impl Waits for Blocks {
    #[inline]
    fn answer(queued: QueuedAppend<'_>) -> impl Future<Output = Result<Appended, QueueError>> + Send + use<> {
        future::ready(queued.wait())
    }

    #[inline]
    fn thread() -> impl Future<Output = ()> + Send {
        future::ready(())
    }

    #[inline]
    fn reads<S: EventStore + ?Sized>(_: &S) -> Option<&dyn TaskReads> {
        None
    }
}

/// The result of a future that [`Blocks`].
#[inline]
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("a thread that blocks comes back when the answer is there"),
    }
}
