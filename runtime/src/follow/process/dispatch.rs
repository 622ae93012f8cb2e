//! Sends the commands of a process: those of one instance in order, those of different instances side by side.

use std::any::Any;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};
use std::{fmt, io, slice};

use crate::domain::error::{BoxError, with_causes};
use crate::domain::panic::{HandlerPanicked, catch_panic};
use crate::follow::event_hooks::Watch;
use crate::follow::lease::{LeaseAnswer, LeaseHolder};
use crate::follow::patience::{CommandFailures, Resend};
use crate::follow::policy::RetryPolicy;
use crate::follow::pool::{Task, TaskId};
use crate::follow::process::Process;
use crate::follow::process::circles::TimeoutRows;
use crate::follow::process::clock::Clock;
use crate::follow::process::commands::{Commands, Place, SendError, SentCommand};
use crate::follow::process::process_store::{ProcessStore, StoredCommand};
use crate::follow::process::replay::Replays;
use crate::follow::process::step::ProcessStep;
use crate::follow::progress_store::ProgressHome;
use crate::follow::runs;
use crate::follow::runs::RunId;
use crate::store::append::WaitingCommand;
use crate::store::lock::lock;
use crate::trace::Span;

/// How long a sender without commands sleeps, unless it is woken.
const IDLE: Duration = Duration::from_hours(1);

/// How many commands are known at a time, to be sent.
const MOST_COMMANDS: usize = 256;

/// How many commands are sent again later, and take no place of others.
const MOST_DELAYED: usize = 1_024;

/// What has become of a command.
#[derive(Debug)]
pub(crate) enum SendResult {
    /// It was executed, and the transaction of its events has recorded that.
    Recorded,
    /// It was executed. The next step records that.
    Sent,
    /// It was refused, and its instance has decided; or another program has dealt with it.
    Settled,
    /// It can't be sent: its instance has to be held.
    Unsendable(String),
}

/// Why a command was not sent.
enum Unsent {
    /// It is sent again until it is.
    Failed(BoxError),
    /// Its aggregate has panicked. It is sent again as often as the policy says.
    Panicked(HandlerPanicked),
}

impl From<BoxError> for Unsent {
    fn from(error: BoxError) -> Self {
        Self::Failed(error)
    }
}

/// A command that could not be sent, and is sent again.
#[derive(Debug)]
pub(crate) struct SendFailure {
    pub(crate) command: String,
    pub(crate) instance: String,
    pub(crate) error: BoxError,
    pub(crate) resend: Resend,
}

/// The commands that are being sent, and the tasks that send them.
pub(crate) struct Dispatch {
    queue: Arc<Queue>,
    senders: Vec<(TaskId, Waker)>,
}

/// What the senders need.
pub(crate) struct Sending<P, S> {
    pub(crate) home: ProgressHome<S>,
    pub(crate) initial: P,
    pub(crate) commands: Arc<dyn Commands>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) holder: LeaseHolder,
    pub(crate) policy: RetryPolicy,
    /// The senders are part of the process's run, which waits for them when it ends.
    pub(crate) run: RunId,
}

#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    /// Runs the process while it is parked.
    runner: Option<Waker>,
}

#[derive(Default)]
struct QueueState {
    /// The ids of all commands below, and of those in flight.
    known: HashSet<i64>,
    /// The commands of each instance that has one here or in flight.
    instances: HashMap<String, VecDeque<StoredCommand>>,
    /// The instances whose first command a sender may take.
    ready: VecDeque<String>,
    /// The senders that sleep, by their places.
    idle: Vec<usize>,
    /// The instances whose first command is sent again later, and the number of its failures.
    delayed: Vec<(Instant, String)>,
    failures: HashMap<i64, CommandFailures>,
    results: Vec<(StoredCommand, SendResult)>,
    failed: Vec<SendFailure>,
    /// Counts how often everything was forgotten: a sender's result may be of an earlier time.
    time: u64,
    /// Counts the commands that were not executed, or not yet: what a step has read of their instances may have changed.
    unsent: u64,
}

impl Dispatch {
    /// Fails if the system can't start a thread.
    pub(crate) fn start<P: Process, S: ProcessStore>(
        sending: Sending<P, S>,
        senders: u32,
        runner: Option<Waker>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue { runner, ..Queue::default() });
        let (mut dispatch, sending) = (Self { queue, senders: Vec::new() }, Arc::new(sending));
        for place in 0..senders as usize {
            let task = TaskId::reserve();
            let sender = Sender { place, queue: Arc::clone(&dispatch.queue), sending: Arc::clone(&sending) };
            lock(&dispatch.queue.state).idle.push(place);
            task.start(sender, Instant::now() + IDLE)?;
            dispatch.senders.push((task, task.waker()));
        }
        Ok(dispatch)
    }

    /// The number of commands that are known, sent or not.
    pub(crate) fn known(&self) -> usize {
        lock(&self.queue.state).known.len()
    }

    /// How many commands may be added once so many of the known ones are forgotten.
    pub(crate) fn room(&self, forgotten: usize) -> usize {
        MOST_COMMANDS.saturating_sub(lock(&self.queue.state).at_work().saturating_sub(forgotten))
    }

    /// Tells whether a command of an instance may be added: it is not known, and no earlier one of the instance is sent again
    /// later.
    pub(crate) fn is_new(&self) -> impl Fn(i64, &str) -> bool {
        let delayed: HashSet<_> =
            lock(&self.queue.state).delayed.iter().map(|(_, instance)| instance.clone()).collect();
        move |id, instance| !lock(&self.queue.state).known.contains(&id) && !delayed.contains(instance)
    }

    /// Whether the first command of an instance is sent again later.
    pub(crate) fn has_delayed(&self) -> bool {
        !lock(&self.queue.state).delayed.is_empty()
    }

    /// What [`add`](Self::add) compares.
    pub(crate) fn unsent(&self) -> u64 {
        lock(&self.queue.state).unsent
    }

    /// Adds commands, in order, and wakes senders for them.
    ///
    /// Returns whether it has. It has not if a command was not executed since `unsent` was asked, before the commands were
    /// read: their instance may be held.
    pub(crate) fn add(&self, commands: Vec<StoredCommand>, unsent: u64) -> bool {
        let mut state = lock(&self.queue.state);
        if state.unsent != unsent {
            return false;
        }
        for command in commands {
            state.known.insert(command.id);
            let (state, instance) = (&mut *state, command.instance.clone());
            let queue = state.instances.entry(instance.clone()).or_insert_with(|| {
                state.ready.push_back(instance);
                VecDeque::new()
            });
            queue.push_back(command);
        }
        self.wake_senders(&mut state);
        true
    }

    /// What has become of commands since the last call. The caller [forgets](Self::forget) them once it has recorded that.
    pub(crate) fn results(&self) -> Vec<(StoredCommand, SendResult)> {
        std::mem::take(&mut lock(&self.queue.state).results)
    }

    /// Takes results back that could not be recorded.
    pub(crate) fn give_back(&self, mut results: Vec<(StoredCommand, SendResult)>) {
        let mut state = lock(&self.queue.state);
        results.append(&mut state.results);
        state.results = results;
    }

    /// Forgets commands whose results are recorded.
    pub(crate) fn forget(&self, results: &[(StoredCommand, SendResult)]) {
        let mut state = lock(&self.queue.state);
        for (command, _) in results {
            state.known.remove(&command.id);
        }
    }

    /// Forgets everything: another runner sends the commands now.
    pub(crate) fn forget_all(&self) {
        let mut state = lock(&self.queue.state);
        let (time, unsent, idle) = (state.time + 1, state.unsent + 1, std::mem::take(&mut state.idle));
        *state = QueueState { idle, time, unsent, ..QueueState::default() };
    }

    pub(crate) fn has_results(&self) -> bool {
        !lock(&self.queue.state).results.is_empty()
    }

    /// The failures since the last call.
    pub(crate) fn failures(&self) -> Vec<SendFailure> {
        std::mem::take(&mut lock(&self.queue.state).failed)
    }

    /// Lets commands be sent again whose time has come. Returns when the next one's comes.
    pub(crate) fn resume(&self) -> Option<Instant> {
        let (mut state, now) = (lock(&self.queue.state), Instant::now());
        let delayed = std::mem::take(&mut state.delayed);
        let (due, later): (Vec<_>, Vec<_>) = delayed.into_iter().partition(|(time, _)| *time <= now);
        state.ready.extend(due.into_iter().map(|(_, instance)| instance));
        state.delayed = later;
        self.wake_senders(&mut state);
        state.delayed.iter().map(|(time, _)| *time).min()
    }

    /// Waits until a step has something to do, at most for `time`.
    pub(crate) fn wait(&self, time: Duration) {
        let state = lock(&self.queue.state);
        let before = state.at_work();
        let waits = |state: &mut QueueState| {
            state.results.is_empty() && state.failed.is_empty() && !state.has_room_again(before)
        };
        drop(
            self.queue.changed.wait_timeout_while(state, time, waits).unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Wakes a sleeping sender for each instance that is ready.
    fn wake_senders(&self, state: &mut QueueState) {
        let rest = state.idle.len().saturating_sub(state.ready.len());
        for place in state.idle.drain(rest..) {
            if let Some((_, waker)) = self.senders.get(place) {
                waker.wake_by_ref();
            }
        }
    }

    /// Ends the senders, after the commands that they are sending.
    pub(crate) fn end_senders(&mut self) {
        let mut state = lock(&self.queue.state);
        state.ready.clear();
        state.delayed.clear();
        // A sender takes no further command of its instance.
        state.instances.clear();
        drop(state);
        self.senders.drain(..).for_each(|(task, _)| task.end());
    }
}

impl Drop for Dispatch {
    fn drop(&mut self) {
        self.end_senders();
    }
}

impl fmt::Debug for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dispatch")
    }
}

impl QueueState {
    /// How many commands are known, beside those that are sent again later.
    fn at_work(&self) -> usize {
        self.known.len().saturating_sub(self.delayed.len().min(MOST_DELAYED))
    }

    /// Whether commands have been executed, of so many that were at work, and enough for another step.
    fn has_room_again(&self, before: usize) -> bool {
        let now = self.at_work();
        now == 0 || (now < before && now <= MOST_COMMANDS / 2)
    }
}

impl Queue {
    /// The next command to send, and the time at which it was taken. Without one, the sender at this place may sleep.
    fn next(&self, sender: usize) -> Option<(StoredCommand, u64)> {
        let mut state = lock(&self.state);
        while let Some(instance) = state.ready.pop_front() {
            if let Some(command) = state.instances.get_mut(&instance).and_then(VecDeque::pop_front) {
                return Some((command, state.time));
            }
            state.instances.remove(&instance);
        }
        // A sender may wake by itself.
        if !state.idle.contains(&sender) {
            state.idle.push(sender);
        }
        None
    }

    fn finish(&self, command: StoredCommand, time: u64, result: Result<SendResult, (Unsent, &RetryPolicy)>) {
        let mut state = lock(&self.state);
        if state.time != time {
            return;
        }
        let state = &mut *state;
        let instance = command.instance.clone();
        let mut wakes = true;
        let result = match result {
            Err((Unsent::Panicked(error), policy))
                if policy.is_patient
                    && state.failures.get(&command.id).map_or(0, |failures| failures.count)
                        >= policy.retries =>
            {
                Ok(SendResult::Unsendable(error.to_string()))
            }
            Err((Unsent::Panicked(error), policy)) => Err((error.into(), policy)),
            Err((Unsent::Failed(error), policy)) => Err((error, policy)),
            Ok(result) => Ok(result),
        };
        match result {
            Ok(result) => {
                state.failures.remove(&command.id);
                let goes_on = matches!(result, SendResult::Sent | SendResult::Recorded);
                state.unsent += u64::from(!goes_on);
                match state.instances.get_mut(&instance) {
                    Some(queue) if goes_on && !queue.is_empty() => state.ready.push_back(instance),
                    // What has become of the instance is in the store.
                    Some(queue) => {
                        for later in queue.drain(..) {
                            state.known.remove(&later.id);
                        }
                        state.instances.remove(&instance);
                    }
                    None => {}
                }
                if matches!(result, SendResult::Recorded) {
                    let before = state.at_work();
                    state.known.remove(&command.id);
                    wakes = state.has_room_again(before);
                } else {
                    state.results.push((command, result));
                }
            }
            Err((error, policy)) => {
                let resend = state.failures.entry(command.id).or_default().add(&*error, policy);
                state.unsent += 1;
                let (name, of_instance) = (command.name.clone(), instance.clone());
                state.failed.push(SendFailure { command: name, instance: of_instance, error, resend });
                // The later ones are found again: many of one instance would keep those of others from being known.
                let queue = state.instances.entry(instance.clone()).or_default();
                for later in queue.drain(..) {
                    state.known.remove(&later.id);
                }
                queue.push_front(command);
                state.delayed.push((Instant::now() + resend.delay, instance));
            }
        }
        if !wakes {
            return;
        }
        self.changed.notify_all();
        if let Some(runner) = &self.runner {
            runner.wake_by_ref();
        }
    }
}

/// A task that sends one command after the other.
struct Sender<P, S> {
    place: usize,
    queue: Arc<Queue>,
    sending: Arc<Sending<P, S>>,
}

impl<P: Process, S: ProcessStore> Task for Sender<P, S> {
    fn run(&mut self) -> Option<Instant> {
        let _runs = runs::enter(slice::from_ref(&self.sending.run));
        while let Some((command, time)) = self.queue.next(self.place) {
            // A sender that panics would end, and its command would be in flight for ever.
            let result = catch_panic(|| self.sending.send(&command))
                .unwrap_or_else(|panic| Err(Unsent::Panicked(panic)));
            self.queue.finish(command, time, result.map_err(|error| (error, &self.sending.policy)));
        }
        Some(Instant::now() + IDLE)
    }
}

impl<P: Process, S: ProcessStore> Sending<P, S> {
    /// Sends a command. Fails if it has to be sent again.
    fn send(&self, command: &StoredCommand) -> Result<SendResult, Unsent> {
        let span = Span::send(P::NAME, &command.name, &command.instance);
        let result = span.enter(|| self.send_untraced(command));
        match &result {
            Ok(SendResult::Recorded | SendResult::Sent) => span.sent("sent", None),
            Ok(SendResult::Settled) => span.sent("settled", None),
            Ok(SendResult::Unsendable(_)) => span.sent("unsendable", Some("unsendable")),
            Err(_) => span.sent("failed", Some("failed")),
        }
        result
    }

    fn send_untraced(&self, command: &StoredCommand) -> Result<SendResult, Unsent> {
        let StoredCommand { id, name, aggregate, version, payload, key, cause, .. } = command;
        let name = P::name_now(name).unwrap_or(name);
        let upgraded = match P::upgraded(name, *version, payload) {
            Ok(upgraded) => upgraded,
            Err(error) => return Ok(SendResult::Unsendable(with_causes(&*error))),
        };
        let place = Place {
            database: self.home.progress.as_event_store().database(),
            command: WaitingCommand { id: *id, sent_at: self.clock.now() },
            is_left: AtomicBool::new(false),
        };
        let mut sent = SentCommand::new(name, upgraded.as_deref().unwrap_or(payload), key, cause);
        (sent.aggregate, sent.place) = (aggregate.as_deref(), Some(&place));
        let mut settled = None;
        let mut refused = |refusal: &dyn Any, text: &str| {
            settled = Some(self.settle(command, refusal, text));
        };
        match self.commands.send(&sent, &mut refused) {
            Ok(()) if place.is_left.into_inner() => Ok(SendResult::Recorded),
            Ok(()) => Ok(SendResult::Sent),
            Err(SendError::NotWaiting) => Ok(SendResult::Settled),
            Err(SendError::Failed(error)) => Err(error.into()),
            Err(error @ SendError::Refused) => match settled {
                Some(settled) => Ok(settled.map(|()| SendResult::Settled)?),
                None => Ok(SendResult::Unsendable(with_causes(&error))),
            },
            Err(error) => Ok(SendResult::Unsendable(with_causes(&error))),
        }
    }

    /// Lets the instance decide on a refusal, in one transaction with the end of the command.
    fn settle(&self, command: &StoredCommand, refusal: &dyn Any, text: &str) -> Result<(), BoxError> {
        let replays = Replays::default();
        let settle = |transaction: &S::Transaction<'_>| {
            // Without the lease, another runner sends the command, and may get another answer.
            if S::take_lease(transaction, &self.holder)? != LeaseAnswer::Taken {
                return Ok(true);
            }
            let (initial, now, rows) = (&self.initial, self.clock.now(), TimeoutRows::default());
            let step: ProcessStep<'_, '_, P, S> =
                ProcessStep::new(transaction, &self.home, initial, now, (&rows, &replays), Watch::NONE);
            Ok(step.refused(command, refusal, text)?)
        };
        while !self.home.progress.in_step(P::NAME, settle, |error| Box::new(error) as BoxError)? {}
        Ok(())
    }
}
