//! Waiting for what wakes again and again, and for a time.

use std::future::{self, Future};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use std::{io, mem};

use crate::follow::pool::{Task, TaskId};
use crate::store::lock::lock;

/// How often a store is read that has no way to wait without a thread.
pub(super) const READ_AGAIN: Duration = Duration::from_millis(50);

/// Wakes the task that waits for it at the moment. A wake-up while none waits is kept.
#[derive(Debug, Default)]
pub(super) struct Signal(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_woken: bool,
    task: Option<Waker>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.0);
        state.is_woken = true;
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Signal {
    /// Ready once it was woken after the last time that this was ready.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if mem::take(&mut state.is_woken) {
            return Poll::Ready(());
        }
        let replaced = match &mut state.task {
            Some(task) if task.will_wake(context.waker()) => None,
            task => task.replace(context.waker().clone()),
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    pub(super) fn woken(&self) -> impl Future<Output = ()> + Send {
        future::poll_fn(|context| self.poll(context))
    }
}

/// Wakes a waker at a time, unless it is dropped before. It uses the clock of the followers, so that it needs no runtime.
#[derive(Debug)]
pub(super) struct Alarm(TaskId);

struct WakeAt {
    waker: Waker,
    at: Instant,
}

impl Task for WakeAt {
    fn run(&mut self) -> Option<Instant> {
        if Instant::now() < self.at {
            return Some(self.at);
        }
        self.waker.wake_by_ref();
        None
    }

    fn is_urgent(&self) -> bool {
        true
    }
}

impl Alarm {
    pub(super) fn new(waker: &Waker, at: Instant) -> io::Result<Self> {
        let id = TaskId::reserve();
        id.start(WakeAt { waker: waker.clone(), at }, at)?;
        Ok(Self(id))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.end();
    }
}
