//! Hooks: what an application does around its commands, and around the events of its followers.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::application::answer::Answer;
use crate::domain::error::BoxError;
use crate::domain::metadata::Metadata;
use crate::domain::stream_name::StreamName;
use crate::follow::event_hooks::FollowerEvent;

/// Code of an application that runs around each command, and around each event of a follower.
///
/// Others call it middleware. A field of the application with `#[hook]` is one:
///
/// ```
/// use factum::application::{CarriedOut, CommandOrigin, Hook, Incoming};
/// use factum::prelude::*;
/// # use std::sync::Arc;
/// # use std::sync::atomic::{AtomicU64, Ordering};
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// /// Lets a guest do nothing but open an account, and notes the user in the metadata of all events.
/// struct Users {
///     current: fn() -> Option<&'static str>,
/// }
///
/// impl Hook for Users {
///     fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
///         match (self.current)() {
///             Some(user) => command.enrich("user", user)?,
///             None if command.command::<OpenAccount>().is_some() => {}
///             None => return Err("log in first".into()),
///         }
///         Ok(())
///     }
/// }
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl Hook for Count {
///     fn after(&self, command: &CarriedOut<'_>) {
///         println!("{} of {} took {:?}: {:?}", command.name, command.stream, command.duration, command.outcome);
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// #[derive(Application)]
/// #[application(aggregates(BankAccount))]
/// struct Bank {
///     #[hook]
///     count: Arc<Count>,
///     #[hook]
///     users: Users,
/// }
///
/// # let alice = || AccountId("alice".into());
/// let count = Arc::new(Count::default());
/// let bank = Bank { count: Arc::clone(&count), users: Users { current: || None } };
/// let bank = bank.start(&MemoryStore::new())?;
/// bank.execute(OpenAccount { account: alice(), owner: "Alice".into() })?;
/// let error = bank.execute(DepositMoney { account: alice(), cents: 50 }).unwrap_err();
/// assert_eq!(factum::with_causes(&error), "denied by the hook `users`: log in first");
/// assert_eq!(count.0.load(Ordering::Relaxed), 2);
/// # Ok::<(), BoxError>(())
/// ```
///
/// # Commands
///
/// 1. The command [validates](crate::Command#validation) itself. Hooks see valid commands only.
/// 2. [`before`](Self::before) runs, in the order of the fields. The first hook that fails *denies* the command: nothing is read
///    or decided, and the caller gets [`ExecuteError::Denied`](crate::ExecuteError::Denied), which names the hook.
/// 3. The command is carried out. Retries after a conflict are part of that.
/// 4. [`after`](Self::after) runs in the reverse order, for the hooks whose `before` has let the command pass. It runs also if a
///    later hook has denied the command, or if a handler has panicked. With `seen_by`, it runs before the wait.
///
/// This holds for all commands that go through the running application: by type, by name, and those that its processes, timers and
/// reactions send. If a hook denies one of these:
///
/// | sender | what follows |
/// |---|---|
/// | a process | a dead letter, which holds the instance |
/// | a timer | a dead letter |
/// | a reaction | [`Delivery::execute`](crate::follow::Delivery::execute) returns the error |
///
/// Hooks do not see what goes through [`Running::repository`](crate::application::Running::repository): units of work, batches,
/// imports.
///
/// # Events
///
/// [`before_event`](Self::before_event) and [`after_event`](Self::after_event) run around each call of a follower's handler, in the
/// same order: of a view, also an inline one, of a reaction, and of a process for each instance that gets the event. An
/// event that a hook denies is one whose handler has failed, and is retried or becomes a dead letter as the follower's field says.
/// Hooks see neither the time-outs of processes nor the events of a view that is rebuilt.
///
/// A follower may hand over an event again, as when the transaction of its step was rolled back.
///
/// # Panics
///
/// A panic in `before` or `before_event` denies. A panic in `after` or `after_event` changes no outcome. Each panic is counted:
/// see [`Running::hooks`](crate::application::Running::hooks). One in `after` or `after_event` is also a line on standard error, as
/// the changes of followers are.
///
/// # What it must not do
///
/// A hook runs on the thread of its command or follower, which waits for it. One that awaits is a `factum::tasks::AsyncHook`, with
/// the feature `tokio`. Hooks around a view in SQLite, and around a process,
/// run while the store is locked for writing, so they can't execute commands.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a hook",
    label = "this type does not implement `Hook`",
    note = "implement it: `impl factum::application::Hook for {Self} {{ .. }}`; each of its methods has a default"
)]
#[doc(alias = "middleware")]
#[doc(alias = "interceptor")]
pub trait Hook: Send + Sync + 'static {
    /// Sees a command before anything is read for it. May add metadata, or deny the command by an error.
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        let _ = command;
        Ok(())
    }

    /// Sees what has become of a command.
    fn after(&self, command: &CarriedOut<'_>) {
        let _ = command;
    }

    /// Sees an event before the handler of a follower. An error is that of the handler, which is not called then.
    fn before_event(&self, event: &FollowerEvent<'_>) -> Result<(), BoxError> {
        let _ = event;
        Ok(())
    }

    /// Sees what a handler has returned for an event, and how long it took.
    ///
    /// The writes of a view or a process are committed later, with those of other events.
    fn after_event(
        &self,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &(dyn Error + 'static)>,
        duration: Duration,
    ) {
        let _ = (event, outcome, duration);
    }
}

/// A hook that the program shares with the application, as to read what it has counted.
impl<H: Hook + ?Sized> Hook for Arc<H> {
    fn before(&self, command: &mut Incoming<'_>) -> Result<(), BoxError> {
        (**self).before(command)
    }

    fn after(&self, command: &CarriedOut<'_>) {
        (**self).after(command);
    }

    fn before_event(&self, event: &FollowerEvent<'_>) -> Result<(), BoxError> {
        (**self).before_event(event)
    }

    fn after_event(
        &self,
        event: &FollowerEvent<'_>,
        outcome: Result<(), &(dyn Error + 'static)>,
        duration: Duration,
    ) {
        (**self).after_event(event, outcome, duration);
    }
}

/// Where a command comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandOrigin {
    /// The program: [`Running::execute`](crate::application::Running::execute).
    Caller,
    /// Outside of the program, by its name: [`Running::execute_json`](crate::application::Running::execute_json).
    Name,
    /// The application itself: one of its processes, timers or reactions sends the command.
    Application,
}

/// A command before it is carried out.
pub struct Incoming<'a> {
    pub(super) name: &'static str,
    pub(super) aggregate: &'static str,
    pub(super) stream: &'a StreamName,
    pub(super) origin: CommandOrigin,
    pub(super) key: Option<&'a str>,
    /// The struct, and the enum that it is a variant of.
    pub(super) command: [&'a dyn Any; 2],
    pub(super) metadata: &'a mut Metadata,
}

impl Incoming<'_> {
    /// The command's [name](crate::Command::NAME).
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of the aggregate that takes the command: the category of its stream.
    #[must_use]
    pub fn aggregate(&self) -> &'static str {
        self.aggregate
    }

    /// The stream of the aggregate.
    #[must_use]
    pub fn stream(&self) -> &StreamName {
        self.stream
    }

    /// Where the command comes from.
    #[must_use]
    pub fn origin(&self) -> CommandOrigin {
        self.origin
    }

    /// The [idempotency key](crate::ExecuteOptions::idempotency_key). If it is known, nothing new will happen.
    #[must_use]
    pub fn idempotency_key(&self) -> Option<&str> {
        self.key
    }

    /// The command, if it is a `C`: one of the aggregate's commands, or its command enum.
    #[must_use]
    pub fn command<C: 'static>(&self) -> Option<&C> {
        self.command.iter().find_map(|command| command.downcast_ref())
    }

    /// The metadata of the events that the command leads to.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        self.metadata
    }

    /// Sets the correlation id; see [`ExecuteOptions::correlation`](crate::ExecuteOptions::correlation).
    pub fn set_correlation(&mut self, id: Uuid) {
        self.metadata.correlation = Some(id);
    }

    /// Sets the causation id; see [`ExecuteOptions::causation`](crate::ExecuteOptions::causation).
    pub fn set_causation(&mut self, id: Uuid) {
        self.metadata.causation = Some(id);
    }

    /// Replaces the custom metadata.
    ///
    /// Fails if serde can't write `value` as JSON.
    pub fn set_custom(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), serde_json::Error> {
        self.metadata.set_custom(value)
    }

    /// Sets one field of the custom metadata, and leaves the others as they are.
    ///
    /// Fails if serde can't write `value` as JSON, and if the custom metadata are there and no JSON object.
    pub fn enrich(
        &mut self,
        field: &str,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), serde_json::Error> {
        let fields: Option<Option<Map<String, Value>>> = self.metadata.custom()?;
        let mut fields = fields.flatten().unwrap_or_default();
        fields.insert(field.to_owned(), serde_json::to_value(value)?);
        self.metadata.set_custom(&fields)
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, stream, origin, key, metadata, .. } = self;
        f.debug_struct("Incoming")
            .field("name", name)
            .field("stream", stream)
            .field("origin", origin)
            .field("key", key)
            .field("metadata", metadata)
            .finish_non_exhaustive()
    }
}

/// A command after it was carried out, or was not.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CarriedOut<'a> {
    /// The command's [name](crate::Command::NAME).
    pub name: &'static str,
    /// The stream of the aggregate.
    pub stream: &'a StreamName,
    /// Where the command comes from.
    pub origin: CommandOrigin,
    /// The idempotency key.
    pub idempotency_key: Option<&'a str>,
    /// The metadata that the command had in the end.
    pub metadata: &'a Metadata,
    /// The outcome.
    pub outcome: Result<&'a Answer, &'a CommandFailure>,
    /// The time from the first hook on.
    pub duration: Duration,
    /// 1, and one more for each retry after a conflict; 0 if a hook has denied the command.
    pub attempts: u32,
}

/// Why a command was not carried out, as hooks see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandFailure {
    /// What kind of error it is.
    pub kind: FailureKind,
    /// The error with its causes, in one line. A refusal without `Display` says that the command was refused.
    pub text: String,
}

/// What kind of error a command has failed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureKind {
    /// The aggregate has refused the command.
    Refused,
    /// A later hook has denied it.
    Denied,
    /// Another writer was faster, or the aggregate was not at the expected version.
    Conflict,
    /// The idempotency key belongs to another command.
    KeyReused,
    /// The store, or the events in it, have failed.
    Failed,
    /// A handler of the aggregate has panicked. The caller gets the panic.
    Panicked,
}

/// How a hook of a running application does: [`Running::hooks`](crate::application::Running::hooks) returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookState {
    /// The name of its field in the application.
    pub hook: &'static str,
    /// How often it has panicked.
    pub panics: u64,
    /// The last panic: what the hook was called for, and the message.
    pub last_panic: Option<String>,
}
