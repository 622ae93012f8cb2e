//! With the feature `tokio`: the runtime that `async` handlers run on.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{EnterGuard, Handle};
use tokio::task::JoinHandle;

thread_local! {
    /// Whether this thread polls a future of factum's by `block_on`.
    static IS_BLOCKED: Cell<bool> = const { Cell::new(false) };
}

/// A runtime of the caller's.
#[derive(Debug, Clone)]
pub(crate) struct Runtime(Handle);

impl Runtime {
    /// The runtime that this thread belongs to, or has entered.
    pub(crate) fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self)
    }

    /// The runtime of a handle.
    pub(crate) fn of(handle: &Handle) -> Self {
        Self(handle.clone())
    }

    /// Makes this thread part of the runtime for as long as the result lives.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.0.enter()
    }

    /// Whether the runtime was shut down: then it drops each new task at once, and what is blocking before that.
    pub(crate) fn has_ended(&self) -> bool {
        let is_dropped = |task: JoinHandle<()>| {
            let polled = pin!(task).poll(&mut Context::from_waker(Waker::noop()));
            matches!(polled, Poll::Ready(Err(error)) if error.is_cancelled())
        };
        is_dropped(self.0.spawn_blocking(|| ())) || is_dropped(self.0.spawn(async {}))
    }

    /// Polls a future on this thread until it is ready. Its timers, its sockets and the tasks that it spawns are the runtime's.
    ///
    /// Panics on a thread that polls a task of a runtime: it must not block.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        struct Blocked;

        impl Drop for Blocked {
            fn drop(&mut self) {
                IS_BLOCKED.set(false);
            }
        }

        // tokio lets no thread do it twice, as if it were always one that drives the runtime. This one is not.
        if IS_BLOCKED.replace(true) {
            let _entered = self.enter();
            return park_on(pin!(future));
        }
        let _blocked = Blocked;
        self.0.block_on(future)
    }
}

/// Polls a future until it is ready, and parks the thread meanwhile.
pub(crate) fn park_on<T>(mut future: Pin<&mut impl Future<Output = T>>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return result;
        }
        thread::park();
    }
}

/// The feature is on.
pub trait FeatureTokio {}

/// What `async` handlers run on.
#[derive(Debug)]
pub enum OnTokio {}

impl FeatureTokio for OnTokio {}
