//! The threads that all followers of a process share.
//!
//! A task that has nothing to do is parked: it holds no thread. It runs again when its waker is woken or its time comes.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};
use std::{fmt, io, thread};

use crate::domain::panic::{catch_panic, discard};
use crate::store::lock::lock;
use crate::store::per_process::PerProcess;

/// How many threads run tasks, unless all of them are blocked.
const THREADS: usize = 8;

/// For how long no thread has to have taken a task that is ready, before all count as blocked.
const BLOCKED: Duration = Duration::from_millis(100);

/// How long a thread waits for a task before it ends.
const IDLE: Duration = Duration::from_secs(1);

/// The longest time between two runs of a task.
const LONGEST_PARKING: Duration = Duration::from_hours(1);

/// Work that runs for a while, and again later.
pub(crate) trait Task: Send {
    /// Runs until there is nothing to do. Returns when to run again, if nothing wakes the task before; `None` if it
    /// has ended.
    fn run(&mut self) -> Option<Instant>;

    /// Whether it goes before the others: it is short, and others rely on its time.
    fn is_urgent(&self) -> bool {
        false
    }
}

static POOL: PerProcess<Pool> = PerProcess::new();

#[derive(Default)]
struct Pool {
    state: Mutex<State>,
    /// Wakes the thread that has waited the shortest time: while few tasks come, it runs all of them, and the others
    /// end.
    first: Condvar,
    /// Wakes one of the others: more tasks are ready.
    others: Condvar,
    /// Wakes the clock: another task is due first, or no thread is free.
    changed: Condvar,
    /// Wakes those that wait for the end of a task.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    entries: HashMap<u64, Entry>,
    next: u64,
    ready: VecDeque<(u64, Instant)>,
    due: BTreeSet<(Instant, u64)>,
    /// The threads that run tasks, whether one waits first for the next task, and how many others wait.
    threads: usize,
    has_first: bool,
    others: usize,
    has_clock: bool,
}

impl State {
    fn idle(&self) -> usize {
        usize::from(self.has_first) + self.others
    }

    fn begin_wait(&mut self, is_first: bool) {
        if is_first { self.has_first = true } else { self.others += 1 }
    }

    fn end_wait(&mut self, is_first: bool) {
        if is_first { self.has_first = false } else { self.others -= 1 }
    }
}

struct Entry {
    /// `None` while a thread runs it.
    task: Option<Box<dyn Task>>,
    stage: Stage,
    is_urgent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Parked(Instant),
    Ready,
    Running,
    /// The task runs, and was woken meanwhile.
    RunningWoken,
    /// The task runs for the last time.
    Ending,
}

/// A task of the pool, for its waker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TaskId {
    pool: &'static Pool,
    id: u64,
}

impl Wake for TaskId {
    fn wake(self: Arc<Self>) {
        self.pool.wake(self.id);
    }
}

impl TaskId {
    /// The number of a task that is added later.
    pub(crate) fn reserve() -> Self {
        let pool = POOL.get();
        let mut state = lock(&pool.state);
        let id = state.next;
        state.next += 1;
        Self { pool, id }
    }

    /// What runs the task soon.
    pub(crate) fn waker(self) -> Waker {
        Waker::from(Arc::new(self))
    }

    /// Adds the task, which runs at `first`. Fails if the system can't start the first thread.
    pub(crate) fn start(self, task: impl Task + 'static, first: Instant) -> io::Result<()> {
        let pool = self.pool;
        let mut state = lock(&pool.state);
        if !state.has_clock {
            thread::Builder::new().name("factum: clock".into()).spawn(|| pool.keep_time())?;
            state.has_clock = true;
        }
        if state.threads == 0 {
            pool.add_thread(&mut state)?;
        }
        let is_urgent = task.is_urgent();
        state.entries.insert(self.id, Entry { task: Some(Box::new(task)), stage: Stage::Running, is_urgent });
        pool.park(&mut state, self.id, first);
        Ok(())
    }

    /// Ends the task, and waits for a run that is under way. The task must not call it itself.
    pub(crate) fn end(self) {
        let mut state = lock(&self.pool.state);
        let Some(entry) = state.entries.get_mut(&self.id) else { return };
        let task = match entry.stage {
            Stage::Running | Stage::RunningWoken | Stage::Ending => {
                entry.stage = Stage::Ending;
                drop(self.pool.ended.wait_while(state, |state| state.entries.contains_key(&self.id)));
                return;
            }
            Stage::Ready => state.entries.remove(&self.id),
            Stage::Parked(due) => {
                state.due.remove(&(due, self.id));
                state.entries.remove(&self.id)
            }
        };
        drop(state);
        drop(task);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    fn wake(&'static self, id: u64) {
        let mut state = lock(&self.state);
        let Some(entry) = state.entries.get_mut(&id) else { return };
        match entry.stage {
            Stage::Parked(due) => {
                entry.stage = Stage::Ready;
                state.due.remove(&(due, id));
                self.make_ready(&mut state, id);
            }
            Stage::Running => entry.stage = Stage::RunningWoken,
            Stage::Ready | Stage::RunningWoken | Stage::Ending => {}
        }
    }

    fn make_ready(&'static self, state: &mut State, id: u64) {
        let ready = (id, Instant::now());
        if state.entries.get(&id).is_some_and(|entry| entry.is_urgent) {
            state.ready.push_front(ready);
        } else {
            state.ready.push_back(ready);
        }
        let is_only_one = state.ready.len() == 1;
        if state.idle() >= state.ready.len() {
            if is_only_one && state.has_first { self.first.notify_one() } else { self.others.notify_one() }
        } else if state.threads >= THREADS || self.add_thread(state).is_err() {
            self.changed.notify_one();
        }
    }

    fn add_thread(&'static self, state: &mut State) -> io::Result<()> {
        thread::Builder::new().name("factum: followers".into()).spawn(|| self.run_tasks())?;
        state.threads += 1;
        Ok(())
    }

    /// Runs tasks until there are none for a while. The last thread stays for as long as there are tasks.
    fn run_tasks(&'static self) {
        let mut state = lock(&self.state);
        loop {
            if let Some((id, _)) = state.ready.pop_front() {
                let Some(entry) = state.entries.get_mut(&id) else { continue };
                entry.stage = Stage::Running;
                let Some(mut task) = entry.task.take() else { continue };
                drop(state);
                let next = catch_panic(|| task.run()).unwrap_or_default();
                state = self.put_back(id, task, next);
                continue;
            }
            let is_first = !state.has_first;
            let condition = if is_first { &self.first } else { &self.others };
            state.begin_wait(is_first);
            let (woken, waited) = condition.wait_timeout(state, IDLE).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.end_wait(is_first);
            let is_needed = state.threads == 1 && !state.entries.is_empty();
            if waited.timed_out() && state.ready.is_empty() && !is_needed {
                state.threads -= 1;
                if state.entries.is_empty() {
                    self.changed.notify_one();
                }
                return;
            }
        }
    }

    fn put_back(
        &'static self,
        id: u64,
        task: Box<dyn Task>,
        next: Option<Instant>,
    ) -> MutexGuard<'static, State> {
        let mut state = lock(&self.state);
        match (state.entries.get_mut(&id), next) {
            (Some(entry), Some(next)) if entry.stage != Stage::Ending => {
                entry.task = Some(task);
                self.park(&mut state, id, next);
                state
            }
            _ => {
                drop(state);
                // Its destructor may do anything.
                discard(task);
                let mut state = lock(&self.state);
                state.entries.remove(&id);
                self.ended.notify_all();
                state
            }
        }
    }

    /// Parks a task until a time, unless it was woken while it ran.
    fn park(&'static self, state: &mut State, id: u64, until: Instant) {
        let now = Instant::now();
        let Some(entry) = state.entries.get_mut(&id) else { return };
        if entry.stage == Stage::RunningWoken || until <= now {
            entry.stage = Stage::Ready;
            self.make_ready(state, id);
            return;
        }
        let until = until.min(now + LONGEST_PARKING);
        entry.stage = Stage::Parked(until);
        state.due.insert((until, id));
        if state.due.first() == Some(&(until, id)) {
            self.changed.notify_one();
        }
    }

    /// Wakes tasks whose time has come, and adds a thread while all are blocked.
    fn keep_time(&'static self) {
        let mut state = lock(&self.state);
        while state.threads > 0 || !state.entries.is_empty() {
            let now = Instant::now();
            while let Some(&(due, id)) = state.due.first().filter(|(due, _)| *due <= now) {
                state.due.remove(&(due, id));
                if let Some(entry) = state.entries.get_mut(&id) {
                    entry.stage = Stage::Ready;
                    self.make_ready(&mut state, id);
                }
            }
            let mut wait = state.due.first().map_or(LONGEST_PARKING, |(due, _)| due.duration_since(now));
            if let Some(oldest) = state.ready.iter().map(|(_, since)| *since).min() {
                wait = wait.min(BLOCKED);
                if state.idle() == 0 && now.duration_since(oldest) >= BLOCKED {
                    for _ in 0..state.ready.len().min(state.threads) {
                        if self.add_thread(&mut state).is_err() {
                            break;
                        }
                    }
                }
            }
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.has_clock = false;
    }
}
