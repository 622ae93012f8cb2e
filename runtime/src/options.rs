//! What can be said about one command besides the command.

use serde::Serialize;
use uuid::Uuid;

use crate::metadata::{Cause, Metadata};
use crate::time::Timestamp;

/// Metadata, expected version, retries and services of one command, for
/// [`Repository::execute_with`](crate::Repository::execute_with).
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
pub struct ExecuteOptions<'a, Services = (), Attempts = Once> {
    pub(crate) metadata: Metadata,
    pub(crate) expected: Option<u64>,
    pub(crate) recorded_at: Option<Timestamp>,
    pub(crate) services: Option<&'a Services>,
    pub(crate) key: Option<String>,
    pub(crate) attempts: Attempts,
}

impl<Services> ExecuteOptions<'_, Services> {
    /// Nothing said: no metadata, any version, no key, one attempt, the repository's services, recorded now.
    pub fn new() -> Self {
        Self {
            metadata: Metadata::default(),
            expected: None,
            recorded_at: None,
            services: None,
            key: None,
            attempts: Once,
        }
    }
}

impl<Services> Default for ExecuteOptions<'_, Services> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, Services, Attempts> ExecuteOptions<'a, Services, Attempts> {
    /// The event that the command reacts to: its id becomes the causation id of what follows, its chain goes on.
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        let cause = cause.into();
        self.metadata.causation = Some(cause.id);
        self.metadata.correlation = Some(cause.correlation);
        self
    }

    /// The id of the chain of events, as when it began outside, with a request.
    pub fn correlation(mut self, id: Uuid) -> Self {
        self.metadata.correlation = Some(id);
        self
    }

    /// The id of the message that led to the command, if it is no event of the store.
    pub fn causation(mut self, id: Uuid) -> Self {
        self.metadata.causation = Some(id);
        self
    }

    /// Metadata of your own, kept as JSON with each event.
    ///
    /// Fails if serde can't make JSON of it.
    pub fn custom(mut self, value: &(impl Serialize + ?Sized)) -> Result<Self, serde_json::Error> {
        self.metadata.set_custom(value)?;
        Ok(self)
    }

    /// The version that the aggregate must be at, as the one who sends the command saw it; 0 for one that must not
    /// exist. Otherwise a conflict, which is not retried: what the sender saw does not change back.
    pub fn expected_version(mut self, version: u64) -> Self {
        self.expected = Some(version);
        self
    }

    /// The time to record the events with, instead of now: for taking over what was recorded elsewhere before.
    ///
    /// `load_at` and the history go by it; handlers do not see it. A time that the domain speaks of is a field of the
    /// event.
    pub fn recorded_at(mut self, time: impl Into<Timestamp>) -> Self {
        self.recorded_at = Some(time.into());
        self
    }

    /// The services to decide with, instead of the repository's.
    pub fn services(mut self, services: &'a Services) -> Self {
        self.services = Some(services);
        self
    }

    /// What tells this command from all others to its aggregate, as a request's id does: if it comes again, nothing
    /// happens again, and the answer is the first outcome ([`Executed::is_repeated`](crate::Executed::is_repeated)).
    ///
    /// The key is stored with the events, in one commit, and kept until somebody
    /// [forgets](crate::EventStore::forget_keys) it. A command that leads to nothing keeps its key too. One that is refused
    /// does not: it is decided on anew. In a batch or a unit of work, a key that is known makes the whole fail with
    /// [`AppendError::KnownKey`](crate::AppendError::KnownKey), as it can be carried out only whole or not at all.
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
        self.key = Some(key.into());
        self
    }

    /// How often to decide anew, on the new state, if another writer was faster. The command must be `Clone`.
    pub fn retry(self, times: u32) -> ExecuteOptions<'a, Services, Retry> {
        ExecuteOptions {
            metadata: self.metadata,
            expected: self.expected,
            recorded_at: self.recorded_at,
            services: self.services,
            key: self.key,
            attempts: Retry { times },
        }
    }
}

/// One attempt: a conflict is answered, not retried.
#[derive(Debug, Clone, Copy, Default)]
pub struct Once;

/// Further attempts after a conflict.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    times: u32,
}

/// How often a command of type `C` is tried: [`Once`] for any, [`Retry`] for those that are `Clone`.
#[diagnostic::on_unimplemented(
    message = "`{C}` can't be retried",
    label = "`{C}` is not `Clone`",
    note = "a retry decides on the command once more: derive `Clone` for `{C}`, or leave out `.retry(..)`"
)]
pub trait Attempts<C> {
    /// A copy for one more attempt, if one is allowed after `failed` that failed.
    fn spare(&self, command: &C, failed: u32) -> Option<C>;
}

impl<C> Attempts<C> for Once {
    fn spare(&self, _: &C, _: u32) -> Option<C> {
        None
    }
}

impl<C: Clone> Attempts<C> for Retry {
    fn spare(&self, command: &C, failed: u32) -> Option<C> {
        (failed < self.times).then(|| command.clone())
    }
}
