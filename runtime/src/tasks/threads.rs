//! The threads that may block, of which tasks use few.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{self, Future};
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll};
use std::thread::{self, LocalKey};

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;

use crate::follow::runs;
use crate::misuse;
use crate::repository::waits::Waits;
use crate::runtime::park_on;
use crate::store::append::Appended;
use crate::store::event_store::EventStore;
use crate::store::held::is_any_held;
use crate::store::lock::lock;
use crate::store::queue::{QueueError, QueuedAppend, TaskAnswer};
use crate::store::task_reads::TaskReads;
use crate::trace::Span;

/// How many of tokio's blocking threads work for factum at once, in this process.
static THREADS: OnceLock<NonZeroUsize> = OnceLock::new();

static JOBS: Mutex<Jobs> = Mutex::new(Jobs { running: 0, waiting: VecDeque::new() });

/// Sets how many of tokio's blocking threads work for factum at once; the default is the number of cores.
///
/// Reads and decisions run there. A command that waits for its commit holds none. One more thread commits for the tasks that
/// wait, in each store. Returns whether the number is set: the first use of a thread has fixed it.
pub fn set_threads(threads: NonZeroUsize) -> bool {
    THREADS.set(threads).is_ok()
}

/// What waits for a thread, and how much has one.
///
/// A semaphore would give the next permit to a task. One that is not polled again would keep it from all others.
struct Jobs {
    running: usize,
    waiting: VecDeque<Job>,
}

/// Work for a blocking thread of the runtime that its task belongs to.
struct Job {
    runtime: Handle,
    work: Box<dyn FnOnce() + Send>,
}

impl Jobs {
    /// The job that has waited longest, if one more thread may work.
    fn begin(&mut self) -> Option<Job> {
        let threads = THREADS.get_or_init(|| thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
        if self.running >= threads.get() {
            return None;
        }
        let job = self.waiting.pop_front()?;
        self.running += 1;
        Some(job)
    }

    /// The job that has waited longest, if it may run on this thread of a runtime.
    fn next_of(&mut self, runtime: Id) -> Option<Job> {
        self.waiting.pop_front_if(|job| job.runtime.id() == runtime)
    }
}

/// One of the jobs that run. When it ends, the next one begins.
struct Running;

impl Drop for Running {
    fn drop(&mut self) {
        lock(&JOBS).running -= 1;
        start_jobs();
    }
}

/// Gives threads to the jobs that wait.
fn start_jobs() {
    // A runtime that is shutting down drops the job within `spawn_blocking`. The loop takes the next one then.
    if STARTS_JOBS.get() {
        return;
    }
    noting(&STARTS_JOBS, || {
        loop {
            let Some(job) = lock(&JOBS).begin() else { return };
            let (runtime, running) = (job.runtime.clone(), Running);
            runtime.spawn_blocking(move || run_jobs(job, running));
        }
    });
}

/// Runs a job on this thread, and those behind it that belong to the same runtime. With a thread for each, tokio starts
/// another one wherever the last one has not gone to rest yet.
fn run_jobs(job: Job, running: Running) {
    let runtime = job.runtime.id();
    let mut next = Some(job);
    while let Some(job) = next {
        (job.work)();
        next = lock(&JOBS).next_of(runtime);
    }
    drop(running);
}

thread_local! {
    /// Whether a job runs on this thread.
    static MAY_BLOCK: Cell<bool> = const { Cell::new(false) };
    /// Whether the future that is being polled asks for a thread that may block.
    static ASKS: Cell<bool> = const { Cell::new(false) };
    /// Whether this thread is giving threads to jobs.
    static STARTS_JOBS: Cell<bool> = const { Cell::new(false) };
}

/// A task waits: it gives its thread back.
pub(super) enum Tasks {}

impl Waits for Tasks {
    fn answer(queued: QueuedAppend<'_>) -> impl Future<Output = Result<Appended, QueueError>> + Send + use<> {
        match queued.wait_as_task() {
            TaskAnswer::Ready(answer) => Answer::There(Some(answer)),
            TaskAnswer::Later(later) => Answer::Later(Some(later)),
        }
    }

    fn thread() -> impl Future<Output = ()> + Send {
        future::poll_fn(|_| {
            if may_block() {
                return Poll::Ready(());
            }
            ASKS.set(true);
            Poll::Pending
        })
    }

    fn reads<S: EventStore + ?Sized>(store: &S) -> Option<&dyn TaskReads> {
        store.task_reads()
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
        if let Self::Later(Some(later)) = self {
            // The answer counts for the lane, and for no caller.
            drop(park_on(Pin::new(later)));
        }
    }
}

/// Runs `wait`, which waits for others than factum's threads: another job has the thread's place meanwhile.
pub(super) fn apart<T>(wait: impl FnOnce() -> T) -> T {
    struct Back;

    impl Drop for Back {
        fn drop(&mut self) {
            // For a moment, one more than the limit may work.
            lock(&JOBS).running += 1;
            MAY_BLOCK.set(true);
        }
    }

    if !MAY_BLOCK.replace(false) {
        return wait();
    }
    drop(Running);
    let _back = Back;
    wait()
}

/// Runs `work` on a thread that may block.
///
/// That is this thread, if it may block or has no runtime of tokio. `work` is carried out even if the future is dropped,
/// once that was polled.
pub(super) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // A handler that waits for another thread could wait for one that waits for its own.
    if may_block() {
        return work();
    }
    let span = Span::current();
    let work = move || noting(&MAY_BLOCK, || misuse::allowed(|| span.enter(work)));
    let Ok(runtime) = Handle::try_current() else { return work() };
    let (send, receive) = oneshot::channel();
    let work = Arc::new(Mutex::new(Some(work)));
    let of_thread = Arc::clone(&work);
    let work_there = move || {
        if let Some(work) = take(&of_thread) {
            // If nothing receives it, the future has been dropped.
            let _ = send.send(catch_unwind(AssertUnwindSafe(work)));
        }
    };
    lock(&JOBS).waiting.push_back(Job { runtime, work: Box::new(work_there) });
    start_jobs();
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
            let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
            (future, polled)
        };
        let polled;
        (future, polled) = on_thread(poll).await;
        if let Poll::Ready(result) = polled {
            return result;
        }
    }
}

/// Whether this thread may block: a job runs on it, or a handler of a follower. So may a thread that holds a store, as that of an
/// inline view: another one would wait for it.
pub(super) fn may_block() -> bool {
    MAY_BLOCK.get() || is_any_held() || !runs::current().is_empty()
}

/// Sets a flag of this thread while `work` runs.
fn noting<T>(flag: &'static LocalKey<Cell<bool>>, work: impl FnOnce() -> T) -> T {
    struct Before(&'static LocalKey<Cell<bool>>, bool);

    impl Drop for Before {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }

    let _before = Before(flag, flag.replace(true));
    work()
}
