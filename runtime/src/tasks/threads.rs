//! The threads that may block, of which tasks use few.

use std::cell::Cell;
use std::future::{self, Future};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::misuse;
use crate::repository::waits::Waits;
use crate::store::append::Appended;
use crate::store::lock::lock;
use crate::store::queue::{QueueError, QueuedAppend, TaskAnswer};
use crate::trace::Span;

/// How many of tokio's blocking threads work for factum at once, in this process.
static THREADS: OnceLock<Arc<Semaphore>> = OnceLock::new();

/// Sets how many of tokio's blocking threads work for factum at once; the default is the number of cores.
///
/// Reads and decisions run there. A command that waits for its commit holds none. One more thread commits for the tasks that
/// wait, in each store. Returns whether the number is set: the first use of a thread has fixed it.
pub fn set_threads(threads: NonZeroUsize) -> bool {
    let mut is_new = false;
    THREADS.get_or_init(|| {
        is_new = true;
        semaphore(threads)
    });
    is_new
}

fn semaphore(threads: NonZeroUsize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(threads.get().min(Semaphore::MAX_PERMITS)))
}

/// Waits until one more thread may work.
async fn permit() -> Option<OwnedSemaphorePermit> {
    let threads =
        THREADS.get_or_init(|| semaphore(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)));
    // It fails only once the semaphore is closed, which it never is.
    Arc::clone(threads).acquire_owned().await.ok()
}

thread_local! {
    /// Whether this thread may block.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    /// Whether the future that is being polled asks for a thread that may block.
    static ASKS: Cell<bool> = const { Cell::new(false) };
}

/// A task waits: it gives its thread back.
pub(super) enum Tasks {}

impl Waits for Tasks {
    fn answer(queued: QueuedAppend<'_>) -> impl Future<Output = Result<Appended, QueueError>> + Send + use<> {
        match queued.wait_as_task() {
            TaskAnswer::Ready { answer, duty } => {
                // Now: what this task does next may wait for the commit of another.
                if let (Some(duty), Ok(runtime)) = (duty, Handle::try_current()) {
                    drop(runtime.spawn_blocking(|| duty.serve()));
                }
                Answer::There(Some(answer))
            }
            TaskAnswer::Later(later) => Answer::Later(Some(later)),
        }
    }

    fn thread() -> impl Future<Output = ()> + Send {
        future::poll_fn(|_| {
            if MAY_BLOCK.get() {
                return Poll::Ready(());
            }
            ASKS.set(true);
            Poll::Pending
        })
    }
}

/// The answer of an append. If it is dropped before it is there, as with the runtime, that waits for it: until then, the lane
/// of the aggregate has to know of the append.
enum Answer {
    There(Option<Result<Appended, QueueError>>),
    Later(Option<BoxFuture<Result<Appended, QueueError>>>),
}

impl Future for Answer {
    type Output = Result<Appended, QueueError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let later = match self.get_mut() {
            Self::There(answer) => return answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Later(later) => later,
        };
        let polled = later.as_mut().map_or(Poll::Pending, |later| later.as_mut().poll(context));
        if polled.is_ready() {
            *later = None;
        }
        polled
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        struct Unpark(Thread);

        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }

        let Self::Later(Some(later)) = self else { return };
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        while later.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            thread::park();
        }
    }
}

/// Runs `work` on a thread that may block.
///
/// Without a runtime of tokio, that is this thread. `work` is carried out even if the future is dropped then.
pub(super) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let span = Span::current();
    let work = move || misuse::allowed(|| span.enter(work));
    let Ok(runtime) = Handle::try_current() else { return work() };
    let permit = permit().await;
    let (send, receive) = oneshot::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let of_thread = Arc::clone(&work);
    runtime.spawn_blocking(move || {
        if let Some(work) = take(&of_thread) {
            let result = catch_unwind(AssertUnwindSafe(work));
            drop(permit);
            // Otherwise the future has been dropped.
            let _ = send.send(result);
        }
    });
    match (receive.await, take(&work)) {
        (Ok(Ok(result)), _) => result,
        (Ok(Err(panic)), _) => resume_unwind(panic),
        // The runtime is shutting down, and has dropped the work.
        (Err(_), Some(work)) => work(),
        (Err(_), None) => unreachable!("the thread sends what the work returns"),
    }
}

fn take<T>(of: &Mutex<Option<T>>) -> Option<T> {
    lock(of).take()
}

/// Runs a future that asks for threads by [`Tasks`]. It is carried out even if this is dropped, once it has begun.
pub(super) async fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = Handle::try_current().ok();
    let mut carried = Carried { future: Some(Box::pin(with_threads(Box::pin(future)))), runtime };
    future::poll_fn(|context| {
        let Some(mut future) = carried.future.take() else { unreachable!("it is not polled after its end") };
        let result = future.as_mut().poll(context);
        if result.is_pending() {
            carried.future = Some(future);
        }
        result
    })
    .await
}

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A future that goes on in a task of its own when this is dropped.
struct Carried<T: Send + 'static> {
    future: Option<BoxFuture<T>>,
    runtime: Option<Handle>,
}

impl<T: Send + 'static> Drop for Carried<T> {
    fn drop(&mut self) {
        if let (Some(future), Some(runtime)) = (self.future.take(), &self.runtime) {
            drop(runtime.spawn(future));
        }
    }
}

/// Polls `future` here, and on a thread that may block where it asks for one.
async fn with_threads<T: Send + 'static>(mut future: BoxFuture<T>) -> T {
    loop {
        let polled = future::poll_fn(|context| {
            let outer = ASKS.replace(false);
            let polled = future.as_mut().poll(context);
            match (polled, ASKS.replace(outer)) {
                (Poll::Ready(result), _) => Poll::Ready(Ok(result)),
                (Poll::Pending, true) => Poll::Ready(Err(context.waker().clone())),
                (Poll::Pending, false) => Poll::Pending,
            }
        });
        let waker = match polled.await {
            Ok(result) => return result,
            Err(waker) => waker,
        };
        let poll = move || {
            let polled = may_block(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
            (future, polled)
        };
        let polled;
        (future, polled) = on_thread(poll).await;
        if let Poll::Ready(result) = polled {
            return result;
        }
    }
}

/// Notes that this thread may block, while `work` runs.
fn may_block<T>(work: impl FnOnce() -> T) -> T {
    struct Before(bool);

    impl Drop for Before {
        fn drop(&mut self) {
            MAY_BLOCK.set(self.0);
        }
    }

    let _before = Before(MAY_BLOCK.replace(true));
    work()
}
