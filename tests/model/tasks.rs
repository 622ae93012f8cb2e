//! Commands of tasks. Each task has a thread that only polls it, so that the checker chooses when.

use std::future::{self, Future};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::sync::thread;
use crate::repository::waits::Waits;
use crate::store::{Appended, EventStore, QueueError, QueuedAppend, TaskAnswer, TaskReads};

/// A task waits. Any thread may block here.
pub(super) enum ModelTasks {}

impl Waits for ModelTasks {
    fn answer(queued: QueuedAppend<'_>) -> impl Future<Output = Result<Appended, QueueError>> + Send + use<> {
        let answer = match queued.wait_as_task() {
            TaskAnswer::Ready(answer) => Ok(answer),
            TaskAnswer::Later(later) => Err(later),
        };
        async {
            match answer {
                Ok(answer) => answer,
                Err(later) => later.await,
            }
        }
    }

    fn thread() -> impl Future<Output = ()> + Send {
        future::ready(())
    }

    fn reads<S: EventStore + ?Sized>(_: &S) -> Option<&dyn TaskReads> {
        None
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a task to its end.
pub(super) fn as_task<T>(task: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut task = pin!(task);
    loop {
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
