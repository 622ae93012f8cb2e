//! Runs the hooks of an application around its commands and its followers' events.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::application::answer::Answer;
use crate::application::hook::{
    CarriedOut, CommandFailure, CommandOrigin, FailureKind, Hook, HookState, Incoming,
};
use crate::application::refusals::Refusals;
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::CommandSet;
use crate::domain::denied::Denied;
use crate::domain::error::{BoxError, with_causes};
use crate::domain::panic::{catch_panic, panic_message};
use crate::domain::standard_error::report;
use crate::domain::stream_name::StreamName;
use crate::follow::error::HandlerError;
use crate::follow::event_hooks::{EventHooks, FollowerEvent, WatchEvents};
use crate::repository::error::ExecuteError;
use crate::repository::execute_options::{CanRetry, CommandOptions};
use crate::repository::measured::{measured, span_of};
use crate::repository::outcome::Executed;
use crate::repository::repository::Repository;
use crate::repository::waits::Waits;
use crate::store::event_store::EventStore;
use crate::store::lock::lock;
use crate::trace;

/// The hooks of an application, in the order of their fields.
#[derive(Clone, Default)]
pub(crate) struct Hooks(Vec<Arc<NamedHook>>);

struct NamedHook {
    name: &'static str,
    hook: Box<dyn Hook>,
    panics: Mutex<(u64, Option<String>)>,
}

impl NamedHook {
    /// Calls the hook before something. Its panic denies as its error does.
    fn before(&self, what: &str, call: impl FnOnce(&dyn Hook) -> Result<(), BoxError>) -> Result<(), Denied> {
        let denied = |source| Denied { hook: self.name, source };
        match catch_panic(|| call(&*self.hook)) {
            Ok(passes) => passes.map_err(denied),
            Err(panic) => {
                self.count(format!("before `{what}`: {}", panic.message));
                Err(denied(Box::new(panic)))
            }
        }
    }

    /// Calls the hook after something. Its panic ends here.
    fn after(&self, what: &str, call: impl FnOnce(&dyn Hook)) {
        if let Err(panic) = catch_panic(|| call(&*self.hook)) {
            let text = format!("after `{what}`: {}", panic.message);
            report(format_args!("the hook `{}` has panicked {text}", self.name));
            self.count(text);
        }
    }

    fn count(&self, text: String) {
        trace::hook_panicked(self.name, &text);
        let mut panics = lock(&self.panics);
        *panics = (panics.0.saturating_add(1), Some(text));
    }
}

/// A command for which hooks were asked.
struct Asked<'a> {
    name: &'static str,
    origin: CommandOrigin,
    stream: StreamName,
    begun: Instant,
    /// The hooks that have let it pass.
    passed: &'a [Arc<NamedHook>],
}

impl Hooks {
    pub(crate) fn push(&mut self, name: &'static str, hook: Box<dyn Hook>) {
        self.0.push(Arc::new(NamedHook { name, hook, panics: Mutex::default() }));
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How each hook does.
    pub(crate) fn states(&self) -> Vec<HookState> {
        let state = |hook: &Arc<NamedHook>| {
            let (panics, last_panic) = lock(&hook.panics).clone();
            HookState { hook: hook.name, panics, last_panic }
        };
        self.0.iter().map(state).collect()
    }

    /// The hooks, as followers know them.
    pub(crate) fn of_events(&self) -> EventHooks {
        if self.is_empty() { EventHooks::default() } else { EventHooks::new(Arc::new(self.clone())) }
    }

    /// Calls hooks one after the other, until one denies. Returns how many have not.
    fn ask(
        &self,
        what: &str,
        mut call: impl FnMut(&dyn Hook) -> Result<(), BoxError>,
    ) -> (usize, Result<(), Denied>) {
        for (index, hook) in self.0.iter().enumerate() {
            if let Err(denied) = hook.before(what, &mut call) {
                return (index, Err(denied));
            }
        }
        (self.0.len(), Ok(()))
    }

    fn first(&self, count: usize) -> &[Arc<NamedHook>] {
        self.0.get(..count).unwrap_or_default()
    }

    /// Carries out a command between the hooks, without retries after a conflict.
    #[inline]
    pub(crate) async fn execute_once<W: Waits, A: Aggregate, S: EventStore>(
        &self,
        origin: CommandOrigin,
        repository: &Repository<A, S>,
        command: A::Command,
        options: &CommandOptions<'_, A::Services>,
        refusals: &Refusals<A::Error>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        if self.is_empty() {
            return repository.execute_once_waiting::<W>(command, options).await;
        }
        let span = span_of::<A>(&command);
        let work = pin!(async {
            W::thread().await;
            command.validate()?;
            let entered = self.enter::<A>(origin, &command, options)?;
            let carried_out = repository.attempt::<W>(command, &entered.options, 0);
            let result = catch_panic_of(carried_out).await;
            W::thread().await;
            entered.leave(result, refusals)
        });
        measured::<A>(span, work).await
    }

    /// Carries out a command between the hooks, and again after a conflict as often as the options say.
    pub(crate) async fn execute<W: Waits, A: Aggregate, S: EventStore, C, R: CanRetry<C>>(
        &self,
        origin: CommandOrigin,
        repository: &Repository<A, S>,
        into_command: fn(C) -> A::Command,
        command: C,
        (options, retrying): (&CommandOptions<'_, A::Services>, &R),
        refusals: &Refusals<A::Error>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        if self.is_empty() {
            return repository.execute_waiting::<W, _, _>(into_command, command, options, retrying).await;
        }
        let spare = retrying.spare(&command, 0);
        let command = into_command(command);
        let span = span_of::<A>(&command);
        let work = pin!(async {
            W::thread().await;
            command.validate()?;
            let mut entered = self.enter::<A>(origin, &command, options)?;
            let Entered { options, failed, .. } = &mut entered;
            let carried_out = repository.execute_again::<W, _, _>(
                command,
                spare,
                (into_command, retrying),
                options,
                failed,
            );
            let result = catch_panic_of(carried_out).await;
            W::thread().await;
            entered.leave(result, refusals)
        });
        measured::<A>(span, work).await
    }

    /// Calls the hooks before a valid command. The options have what they have added.
    fn enter<'o, A: Aggregate>(
        &self,
        origin: CommandOrigin,
        command: &A::Command,
        options: &CommandOptions<'o, A::Services>,
    ) -> Result<Entered<'_, CommandOptions<'o, A::Services>>, Denied> {
        let (name, stream) = (command.name(), StreamName::of::<A>(command.aggregate_id()));
        let mut options = options.clone();
        options.metadata = options.metadata();
        let begun = Instant::now();
        let mut incoming = Incoming {
            name,
            aggregate: A::CATEGORY,
            stream: &stream,
            origin,
            key: options.key.as_deref(),
            command: [command.as_any(), command],
            metadata: &mut options.metadata,
        };
        let (count, answer) = self.ask(name, |hook| hook.before(&mut incoming));
        let asked = Asked { name, origin, stream, begun, passed: self.first(count) };
        if let Err(denied) = answer {
            let failure = CommandFailure { kind: FailureKind::Denied, text: with_causes(&denied) };
            asked.tell(&options, Err(&failure), 0);
            return Err(denied);
        }
        Ok(Entered { asked, options, failed: 0 })
    }
}

/// A command that hooks have let pass.
struct Entered<'a, Options> {
    asked: Asked<'a>,
    options: Options,
    /// How many attempts have failed.
    failed: u32,
}

/// What a command has led to, or the payload of its panic.
type Carried<A> = Result<Result<Executed<A>, ExecuteError<<A as Aggregate>::Error>>, Box<dyn Any + Send>>;

impl<Services> Entered<'_, CommandOptions<'_, Services>> {
    /// Tells the hooks what has become of the command.
    fn leave<A: Aggregate>(
        self,
        result: Carried<A>,
        refusals: &Refusals<A::Error>,
    ) -> Result<Executed<A>, ExecuteError<A::Error>> {
        let Self { asked, options, failed } = self;
        let outcome = match &result {
            Ok(Ok(done)) => Ok(Answer::of(asked.stream.clone(), done)),
            Ok(Err(error)) => Err(failure(asked.name, error, refusals)),
            Err(panic) => {
                Err(CommandFailure { kind: FailureKind::Panicked, text: panic_message(&**panic).to_owned() })
            }
        };
        asked.tell(&options, outcome.as_ref(), failed.saturating_add(1));
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// The result of a future, or the payload of its panic.
async fn catch_panic_of<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

impl Asked<'_> {
    /// Reports the outcome to the hooks, the last one first.
    fn tell<Services>(
        &self,
        options: &CommandOptions<'_, Services>,
        outcome: Result<&Answer, &CommandFailure>,
        attempts: u32,
    ) {
        let carried_out = CarriedOut {
            name: self.name,
            stream: &self.stream,
            origin: self.origin,
            idempotency_key: options.key.as_deref(),
            metadata: &options.metadata,
            outcome,
            duration: self.begun.elapsed(),
            attempts,
        };
        self.passed.iter().rev().for_each(|named| named.after(self.name, |hook| hook.after(&carried_out)));
    }
}

/// What hooks see of an error.
fn failure<E: 'static>(name: &str, error: &ExecuteError<E>, refusals: &Refusals<E>) -> CommandFailure {
    let (kind, text) = match error {
        ExecuteError::Refused(refusal) => {
            let text = catch_panic(|| refusals.text_of(name, refusal));
            (FailureKind::Refused, text.unwrap_or_else(|panic| panic.to_string()))
        }
        ExecuteError::Denied(error) => (FailureKind::Denied, with_causes(error)),
        ExecuteError::Conflict(error) => (FailureKind::Conflict, with_causes(error)),
        ExecuteError::KeyReused(error) => (FailureKind::KeyReused, with_causes(error)),
        ExecuteError::Invalid(error) => (FailureKind::Failed, with_causes(error)),
        ExecuteError::Read(error) => (FailureKind::Failed, with_causes(error)),
        ExecuteError::Append(error) => (FailureKind::Failed, with_causes(error)),
        ExecuteError::Encode { source, .. } => (FailureKind::Failed, with_causes(source)),
        ExecuteError::OtherAggregate { .. } => {
            (FailureKind::Failed, "the command is for another aggregate".into())
        }
    };
    CommandFailure { kind, text }
}

impl WatchEvents for Hooks {
    fn before(&self, event: &FollowerEvent<'_>) -> (usize, Result<(), Denied>) {
        self.ask(event.name, |hook| hook.before_event(event))
    }

    fn after(
        &self,
        asked: usize,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &HandlerError>,
        took: Duration,
    ) {
        for named in self.first(asked).iter().rev() {
            named.after(event.name, |hook| {
                hook.after_event(
                    event,
                    outcome.map_err(|error| error as &(dyn std::error::Error + 'static)),
                    took,
                );
            });
        }
    }
}
