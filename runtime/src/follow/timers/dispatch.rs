//! Sends the commands of timers: those to one stream in order, those to others side by side.
//!
//! A command that takes long, as one whose handler blocks, holds one sender and delays those of its own stream.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{io, mem, slice};

use crate::domain::error::{BoxError, with_causes};
use crate::domain::panic::{HandlerPanicked, catch_panic};
use crate::domain::stream_name::StreamName;
use crate::follow::pool::{Task, TaskId};
use crate::follow::process::commands::{Commands, SendError, SentCommand};
use crate::follow::runs;
use crate::follow::runs::RunId;
use crate::follow::timers::ScheduledCommand;
use crate::follow::timers::runner::NAME;
use crate::follow::timers::timer_store::{DueCommand, DueTimer, TimerResult};
use crate::store::lock::lock;

/// How many commands are sent at a time.
const SENDERS: usize = 8;

/// How many commands to one stream are known with their contents. So one stream takes no room of the others.
const MOST_OF_ONE: usize = 16;

/// How many commands are known with their contents.
const MOST_COMMANDS: usize = SENDERS * MOST_OF_ONE;

/// How long a sender without commands sleeps, unless it is woken.
const IDLE: Duration = Duration::from_hours(1);

/// Why a command has to be sent again.
pub(super) enum Unsent {
    Failed(BoxError),
    /// Its aggregate has panicked, or something else that it runs through.
    Panicked(HandlerPanicked),
}

/// What has become of the command of a timer, unless it has to be sent again.
pub(super) type Sent = Result<TimerResult, Unsent>;

/// What the senders need.
pub(super) struct Sending {
    pub(super) commands: Arc<dyn Commands>,
    pub(super) kinds: &'static [ScheduledCommand],
    /// The senders are part of the runner's run: it waits for them when it ends.
    pub(super) run: RunId,
    /// Runs the runner while it is parked.
    pub(super) runner: Option<Waker>,
}

/// The commands that are being sent, and the tasks that send them.
pub(super) struct TimerDispatch {
    shared: Arc<Shared>,
    tasks: Vec<(TaskId, Waker)>,
}

struct Shared {
    sending: Sending,
    queue: Mutex<Queue>,
}

/// The stream that a command goes to. Those whose stream is unknown are in order, too.
type Target = Option<StreamName>;

#[derive(Default)]
struct Queue {
    /// The streams that have a command here or in flight.
    lanes: HashMap<Target, Lane>,
    /// The streams whose first command a sender may take.
    ready: VecDeque<Target>,
    /// The streams that have only timers behind. Only the runner gives these up: it may be reading later ones.
    drained: Vec<Target>,
    /// The numbers of all timers here, in flight and sent.
    known: HashSet<i64>,
    /// The places of the senders that sleep.
    idle: Vec<usize>,
    sent: Vec<(DueTimer, Sent)>,
    /// Counts how often everything was forgotten: a sender's result may be of an earlier time.
    time: u64,
}

#[derive(Default)]
struct Lane {
    commands: VecDeque<DueTimer>,
    /// Timers that are read again once the commands before them are sent.
    behind: Vec<i64>,
}

impl TimerDispatch {
    /// Fails if the system can't start a thread.
    pub(super) fn start(sending: Sending) -> io::Result<Self> {
        let shared = Arc::new(Shared { sending, queue: Mutex::default() });
        let mut dispatch = Self { shared, tasks: Vec::new() };
        for place in 0..SENDERS {
            let task = TaskId::reserve();
            let sender = Sender { place, shared: Arc::clone(&dispatch.shared) };
            lock(&dispatch.shared.queue).idle.push(place);
            task.start(sender, Instant::now() + IDLE)?;
            dispatch.tasks.push((task, task.waker()));
        }
        Ok(dispatch)
    }

    /// How many commands may be added.
    pub(super) fn room(&self) -> usize {
        let queue = lock(&self.shared.queue);
        let behind: usize = queue.lanes.values().map(|lane| lane.behind.len()).sum();
        MOST_COMMANDS.saturating_sub(queue.known.len().saturating_sub(behind))
    }

    /// How many timers are known.
    pub(super) fn known(&self) -> usize {
        lock(&self.shared.queue).known.len()
    }

    /// Tells whether a timer is known.
    pub(super) fn knows(&self) -> impl Fn(i64) -> bool {
        move |number| lock(&self.shared.queue).known.contains(&number)
    }

    /// Adds commands in order, and wakes senders for them.
    pub(super) fn add(&self, timers: Vec<DueTimer>) {
        // What reads a command may be the user's.
        let targets: Vec<_> = timers.iter().map(|timer| self.shared.sending.target(timer)).collect();
        let mut queue = lock(&self.shared.queue);
        for (timer, target) in timers.into_iter().zip(targets) {
            let Queue { lanes, ready, known, .. } = &mut *queue;
            known.insert(timer.number);
            let lane = lanes.entry(target).or_insert_with_key(|target| {
                ready.push_back(target.clone());
                Lane::default()
            });
            if lane.behind.is_empty() && lane.commands.len() < MOST_OF_ONE {
                lane.commands.push_back(timer);
            } else {
                lane.behind.push(timer.number);
            }
        }
        let rest = queue.idle.len().saturating_sub(queue.ready.len());
        for place in queue.idle.drain(rest..) {
            if let Some((_, waker)) = self.tasks.get(place) {
                waker.wake_by_ref();
            }
        }
    }

    /// What has become of commands since the last call. Their timers are known until then, and the caller's from then on.
    /// Those behind them are no longer known, so the caller's next look finds them, before any later ones.
    pub(super) fn take_sent(&self) -> Vec<(DueTimer, Sent)> {
        let mut queue = lock(&self.shared.queue);
        let sent = mem::take(&mut queue.sent);
        for (timer, _) in &sent {
            queue.known.remove(&timer.number);
        }
        for target in mem::take(&mut queue.drained) {
            for number in queue.lanes.remove(&target).unwrap_or_default().behind {
                queue.known.remove(&number);
            }
        }
        sent
    }

    /// Forgets everything: another runner sends the commands now.
    pub(super) fn forget_all(&self) {
        let mut queue = lock(&self.shared.queue);
        let (idle, time) = (mem::take(&mut queue.idle), queue.time + 1);
        let forgotten = mem::replace(&mut *queue, Queue { idle, time, ..Queue::default() });
        drop(queue);
        drop(forgotten);
    }

    /// Ends the senders, after the commands that they are sending.
    pub(super) fn end(&mut self) {
        let mut queue = lock(&self.shared.queue);
        queue.ready.clear();
        // A sender takes no further command of its stream.
        queue.lanes.clear();
        queue.known.clear();
        drop(queue);
        self.tasks.drain(..).for_each(|(task, _)| task.end());
    }
}

impl Drop for TimerDispatch {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for TimerDispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TimerDispatch")
    }
}

impl Shared {
    /// The next command to send, where it goes, and the time at which it was taken. Without one, the sender at this place
    /// may sleep.
    fn next(&self, sender: usize) -> Option<(Target, DueTimer, u64)> {
        let mut queue = lock(&self.queue);
        while let Some(target) = queue.ready.pop_front() {
            if let Some(timer) = queue.lanes.get_mut(&target).and_then(|lane| lane.commands.pop_front()) {
                return Some((target, timer, queue.time));
            }
        }
        // A sender may wake by itself.
        if !queue.idle.contains(&sender) {
            queue.idle.push(sender);
        }
        None
    }

    fn finish(&self, target: Target, timer: DueTimer, time: u64, sent: Sent) {
        let mut guard = lock(&self.queue);
        let queue = &mut *guard;
        if queue.time != time {
            return;
        }
        queue.sent.push((timer, sent));
        match queue.lanes.get(&target) {
            Some(lane) if !lane.commands.is_empty() => queue.ready.push_back(target),
            Some(lane) if !lane.behind.is_empty() => queue.drained.push(target),
            _ => drop(queue.lanes.remove(&target)),
        }
        // One transaction records many results.
        let wakes =
            queue.ready.is_empty() || !queue.drained.is_empty() || queue.sent.len() >= MOST_COMMANDS / 2;
        drop(guard);
        if let Some(runner) = self.sending.runner.as_ref().filter(|_| wakes) {
            runner.wake_by_ref();
        }
    }
}

/// A task that sends one command after the other.
struct Sender {
    place: usize,
    shared: Arc<Shared>,
}

impl Task for Sender {
    fn run(&mut self) -> Option<Instant> {
        let sending = &self.shared.sending;
        let _runs = runs::enter(slice::from_ref(&sending.run));
        while let Some((target, timer, time)) = self.shared.next(self.place) {
            let sent =
                catch_panic(|| sending.send(&timer)).unwrap_or_else(|panic| Err(Unsent::Panicked(panic)));
            self.shared.finish(target, timer, time, sent);
        }
        Some(Instant::now() + IDLE)
    }
}

/// A command as its struct is now.
struct Upgraded<'t> {
    name: &'t str,
    content: Option<String>,
}

fn idempotency_key(timer: &DueTimer, sent: &DueCommand) -> String {
    format!("{NAME}/{}/{}", timer.key, sent.id)
}

impl Sending {
    /// The stream that the command of a timer goes to; `None` if it can't be told.
    fn target(&self, timer: &DueTimer) -> Target {
        let sent = timer.sent.as_ref().ok()?;
        let stream = || {
            let upgraded = self.upgraded(&timer.command, sent).ok()?;
            let content = upgraded.content.as_deref().unwrap_or(&sent.content);
            let key = idempotency_key(timer, sent);
            self.commands.stream(&SentCommand::new(upgraded.name, content, &key, &sent.cause))
        };
        catch_panic(stream).ok().flatten()
    }

    fn upgraded<'t>(&self, command: &'t str, sent: &DueCommand) -> Result<Upgraded<'t>, BoxError> {
        let Some(kind) = self.kinds.iter().find(|kind| (kind.has_name)(command)) else {
            return Ok(Upgraded { name: command, content: None });
        };
        Ok(Upgraded { name: kind.name, content: (kind.upgraded)(sent.version, &sent.content)? })
    }

    /// Sends the command of a timer. Fails if it has to be sent again.
    fn send(&self, timer: &DueTimer) -> Sent {
        let sent = match &timer.sent {
            Ok(sent) => sent,
            Err(problem) => return Ok(TimerResult::Failed(problem.clone())),
        };
        let upgraded = match self.upgraded(&timer.command, sent) {
            Ok(upgraded) => upgraded,
            Err(error) => return Ok(TimerResult::Failed(with_causes(&*error))),
        };
        let key = idempotency_key(timer, sent);
        let content = upgraded.content.as_deref().unwrap_or(&sent.content);
        let command = SentCommand::new(upgraded.name, content, &key, &sent.cause);
        let mut refusal = None;
        let mut refused = |_: &dyn Any, text: &str| refusal = Some(text.to_owned());
        match self.commands.send(&command, &mut refused) {
            Ok(()) => Ok(TimerResult::Sent),
            Err(SendError::Failed(error)) => Err(Unsent::Failed(error)),
            Err(error) => Ok(TimerResult::Failed(match refusal {
                Some(text) => format!("the command was refused: {text}"),
                None => with_causes(&error),
            })),
        }
    }
}
