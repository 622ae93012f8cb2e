//! The options of one command: metadata, expected version, idempotency key, retries, services.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::domain::command_set::CommandSet;
use crate::domain::metadata::{Cause, Metadata};
use crate::domain::time::Timestamp;
use crate::store::append::WaitingCommand;
use crate::store::timer::TimerChange;

/// Options of one command, for [`Repository::execute_with`](crate::Repository::execute_with).
///
/// ```
/// use factum::prelude::*;
/// use factum::ExecuteOptions;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Incremented;
/// # #[derive(Debug, Clone, Command)] struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # #[handlers] impl Counter {
/// #     #[execute] fn increment(&self, _: Increment) -> Incremented { Incremented }
/// #     #[apply] fn incremented(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// # let counters = MemoryStore::new().repository::<Counter>();
/// let options = ExecuteOptions::new().retry(3).custom(&serde_json::json!({ "user": "alice" }))?;
/// let done = counters.execute_with(Increment("visits".into()), &options)?;
/// let user: Option<serde_json::Value> = done.events()[0].metadata.custom()?;
/// assert_eq!(user.unwrap()["user"], "alice");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves: give them to `execute_with`"]
pub struct ExecuteOptions<'a, Services = (), Retrying = NoRetry, Seen = ()> {
    pub(crate) command: CommandOptions<'a, Services>,
    pub(crate) retrying: Retrying,
    pub(crate) seen: Seen,
}

/// What a decision and its append need of the options.
#[derive(Debug)]
pub(crate) struct CommandOptions<'a, Services> {
    pub(crate) metadata: Metadata,
    /// The custom metadata of the cause.
    cause_custom: Option<Arc<str>>,
    carries_custom: bool,
    pub(crate) expected: Option<u64>,
    pub(crate) recorded_at: Option<Timestamp>,
    pub(crate) services: Option<&'a Services>,
    pub(crate) key: Option<String>,
    /// Where the command of the key waits to be sent.
    pub(crate) waiting: Option<WaitingCommand>,
    /// Timers that are set and cancelled together with the events.
    pub(crate) timers: Vec<TimerChange>,
}

// The services are borrowed, whether they are `Clone` or not.
impl<Services> Clone for CommandOptions<'_, Services> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            cause_custom: self.cause_custom.clone(),
            key: self.key.clone(),
            timers: self.timers.clone(),
            ..*self
        }
    }
}

impl<Services> CommandOptions<'_, Services> {
    /// The metadata of the new events.
    pub(crate) fn metadata(&self) -> Metadata {
        self.metadata.or_custom(self.cause_custom.as_ref().filter(|_| self.carries_custom))
    }

    /// The idempotency key, if the command may have been executed before. One that waits in the store has most likely not
    /// been: the append finds out.
    pub(crate) fn key_to_look_up(&self) -> Option<&str> {
        self.key.as_deref().filter(|_| self.waiting.is_none())
    }

    /// A copy of these options, with timers.
    pub(crate) fn with_timers(&self, timers: Vec<TimerChange>) -> Self {
        Self { timers, ..self.clone() }
    }

    /// The timers, whose commands follow from the last event of the command, if it leads to any.
    pub(crate) fn timers_after(&self, last_event: Option<Uuid>) -> Cow<'_, [TimerChange]> {
        let correlation = self.metadata.correlation;
        let cause = match (last_event, self.metadata.causation) {
            (Some(event), _) => Cause::new(event, correlation.unwrap_or(event)),
            (None, Some(causation)) => Cause::new(causation, correlation.unwrap_or(causation)),
            (None, None) => return Cow::Borrowed(&self.timers),
        };
        let mut timers = Cow::Borrowed(&*self.timers);
        if !timers.is_empty() {
            for change in timers.to_mut() {
                if let TimerChange::Set(timer) = change {
                    timer.cause = cause.clone();
                }
            }
        }
        timers
    }

    /// These options for an aggregate with other services.
    pub(crate) fn without_services<'b, Other>(self) -> CommandOptions<'b, Other> {
        let Self {
            metadata,
            cause_custom,
            carries_custom,
            expected,
            recorded_at,
            services: _,
            key,
            waiting,
            timers,
        } = self;
        CommandOptions {
            metadata,
            cause_custom,
            carries_custom,
            expected,
            recorded_at,
            services: None,
            key,
            waiting,
            timers,
        }
    }
}

impl<Services> ExecuteOptions<'_, Services> {
    /// The defaults: no metadata, any version, no key, one attempt, the repository's services, recorded now.
    pub fn new() -> Self {
        let command = CommandOptions {
            metadata: Metadata::default(),
            cause_custom: None,
            carries_custom: false,
            expected: None,
            recorded_at: None,
            services: None,
            key: None,
            waiting: None,
            timers: Vec::new(),
        };
        Self { command, retrying: NoRetry, seen: () }
    }
}

impl<Services> Default for ExecuteOptions<'_, Services> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, Services, Retrying, Seen> ExecuteOptions<'a, Services, Retrying, Seen> {
    /// Sets the event that the command reacts to.
    ///
    /// The new events carry its id as their causation id, and the id of its chain as their correlation id.
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        self.command.metadata.causation = Some(cause.id);
        self.command.metadata.correlation = Some(cause.correlation);
        self.command.cause_custom = cause.custom;
        self
    }

    /// Gives the new events the custom metadata of the event that the command reacts to.
    ///
    /// So the user of a request, say, is known of all events that follow from it. Metadata set with
    /// [`custom`](Self::custom) come first: then nothing is carried along.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # let accounts = MemoryStore::new().repository::<BankAccount>();
    /// # let deposit = |account: &str| DepositMoney { account: AccountId(account.into()), cents: 50 };
    /// let by_alice = ExecuteOptions::new().custom(&serde_json::json!({ "user": "alice" }))?;
    /// let first = accounts.execute_with(deposit("a"), &by_alice)?;
    /// let follows = ExecuteOptions::new().caused_by(&first.events()[0]).carrying_custom();
    /// let second = accounts.execute_with(deposit("b"), &follows)?;
    /// assert_eq!(second.events()[0].metadata.custom_json(), Some(r#"{"user":"alice"}"#));
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn carrying_custom(mut self) -> Self {
        self.command.carries_custom = true;
        self
    }

    /// Sets the correlation id: the id of the chain of events, which may begin outside, as with a request.
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.command.metadata.correlation = Some(id);
        self
    }

    /// Sets the causation id: the id of the message that led to the command, if that is not an event of the
    /// store.
    pub fn causation(mut self, id: Uuid) -> Self {
        self.command.metadata.causation = Some(id);
        self
    }

    /// Sets metadata of the program's own, stored as JSON with each event.
    ///
    /// Fails if serde can't write `value` as JSON.
    pub fn custom(mut self, value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        self.command.metadata.set_custom(value)?;
        Ok(self)
    }

    /// Sets the version that the aggregate must be at; 0 if the aggregate must not exist.
    ///
    /// At any other version the command fails with a conflict. This conflict is not retried: the aggregate
    /// does not go back to the version that the caller saw.
    pub fn expected_version(mut self, version: u64) -> Self {
        self.command.expected = Some(version);
        self
    }

    /// Sets the time that the events are recorded with, instead of now: for an import of older events.
    ///
    /// `load_at` and the history use this time; handlers do not see it. A time that the domain decides on
    /// belongs in a field of the event.
    pub fn recorded_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.command.recorded_at = Some(time.into());
        self
    }

    /// Sets the services to decide with, instead of the repository's.
    pub fn services(mut self, services: &'a Services) -> Self {
        self.command.services = Some(services);
        self
    }

    /// Sets a key that makes a command that is sent twice happen once, such as the id of a request.
    ///
    /// A command with a known key stores nothing, and returns the first outcome
    /// ([`Executed::is_repeated`](crate::Executed::is_repeated)).
    ///
    /// A key belongs to one command. Another command to the same aggregate with this key fails with
    /// [`ExecuteError::KeyReused`](crate::ExecuteError::KeyReused). Another command is one of another name, or
    /// with another content. Content is what serde writes, if the command is `Serialize`, and otherwise its
    /// `Debug` text. The order of a list counts. That of a map or a set does not; nor does that of a sequence of a type
    /// of the program's own, which serde does not tell from a set.
    ///
    /// The program may change between two tries: contents are compared only if the command's struct, and each struct
    /// inside it, has the same fields as at the first try. A command that was renamed is another one.
    ///
    /// The key is stored with the events, in one commit. It is known until
    /// [`forget_keys_before`](crate::store::EventStore::forget_keys_before) removes it. A command that leads
    /// to no events stores its key too. A refused command does not: when sent again, it is decided on again.
    ///
    /// In a batch or a unit of work, a known key makes the whole fail with
    /// [`AppendError::KnownKey`](crate::store::AppendError::KnownKey), because the commands are stored
    /// together or not at all.
    ///
    /// ```
    /// # use factum::{ExecuteOptions, prelude::*};
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # let accounts = MemoryStore::new().repository::<BankAccount>();
    /// let deposit = || DepositMoney { account: AccountId("alice".into()), cents: 50 };
    /// let once = ExecuteOptions::new().idempotency_key("request 4711");
    /// accounts.execute_with(deposit(), &once)?;
    /// let again = accounts.execute_with(deposit(), &once)?;
    /// assert!(again.is_repeated());
    /// assert_eq!((again.state().balance, again.version()), (50, 1));
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.command.key = Some(key.into());
        self
    }

    /// Sets how often to decide again, on the new state, after a conflict. The command must be `Clone`.
    ///
    /// Before each further attempt the caller waits for a random time: at most 0.1 milliseconds at first, twice as long each
    /// time, and never more than 26 milliseconds.
    pub fn retry(self, times: u32) -> ExecuteOptions<'a, Services, Retries, Seen> {
        ExecuteOptions { command: self.command, retrying: Retries { times }, seen: self.seen }
    }

    /// Lets an application answer when the follower `V` has seen the command's events, at most after this time.
    ///
    /// For several followers, call it for each. [`Running::execute_with`](crate::application::Running::execute_with) takes
    /// these options; a repository does not. A command without events has nothing to wait for.
    pub fn seen_by<V>(self, within: Duration) -> ExecuteOptions<'a, Services, Retrying, SeenBy<V, Seen>> {
        let seen = SeenBy { within, others: self.seen, follower: PhantomData };
        ExecuteOptions { command: self.command, retrying: self.retrying, seen }
    }
}

/// Followers to wait for: `V`, and `Others`. [`ExecuteOptions::seen_by`] makes it.
pub struct SeenBy<V, Others = ()> {
    pub(crate) within: Duration,
    pub(crate) others: Others,
    follower: PhantomData<fn() -> V>,
}

impl<V, Others: Clone> Clone for SeenBy<V, Others> {
    fn clone(&self) -> Self {
        Self { within: self.within, others: self.others.clone(), follower: PhantomData }
    }
}

impl<V, Others: fmt::Debug> fmt::Debug for SeenBy<V, Others> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { within, others, .. } = self;
        f.debug_struct("SeenBy").field("within", within).field("others", others).finish_non_exhaustive()
    }
}

/// One attempt: a conflict is returned, not retried.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRetry;

/// Further attempts after a conflict.
#[derive(Debug, Clone, Copy)]
pub struct Retries {
    times: u32,
}

/// Further attempts with a command whose type the caller does not know, if it is `Clone`.
#[derive(Debug, Clone, Copy)]
pub struct AnyRetries {
    times: u32,
}

/// How often a command of any aggregate is tried: [`NoRetry`] or [`Retries`].
pub trait RetriesAny {
    #[doc(hidden)]
    fn any(&self) -> AnyRetries;
}

impl RetriesAny for NoRetry {
    fn any(&self) -> AnyRetries {
        AnyRetries { times: 0 }
    }
}

impl RetriesAny for Retries {
    fn any(&self) -> AnyRetries {
        AnyRetries { times: self.times }
    }
}

/// How often a command of type `C` is tried: [`NoRetry`] fits any command, [`Retries`] those that are
/// `Clone`.
#[diagnostic::on_unimplemented(
    message = "`{C}` can't be retried",
    label = "`{C}` is not `Clone`",
    note = "a retry decides on the command once more: derive `Clone` for `{C}`, or leave out `.retry(..)`"
)]
pub trait CanRetry<C> {
    /// A copy of the command for one more attempt, if `failed` failed attempts allow another one.
    fn spare(&self, command: &C, failed: u32) -> Option<C>;
}

impl<C> CanRetry<C> for NoRetry {
    fn spare(&self, _: &C, _: u32) -> Option<C> {
        None
    }
}

impl<C: CommandSet> CanRetry<C> for AnyRetries {
    fn spare(&self, command: &C, failed: u32) -> Option<C> {
        if failed < self.times { command.again() } else { None }
    }
}

impl<C: Clone> CanRetry<C> for Retries {
    fn spare(&self, command: &C, failed: u32) -> Option<C> {
        (failed < self.times).then(|| command.clone())
    }
}
