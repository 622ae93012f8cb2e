//! Reactions: effects of events outside of the store, such as mails, calls, and commands to other aggregates.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use uuid::Uuid;

use crate::domain::accepts::CommandFor;
use crate::domain::aggregate::Aggregate;
use crate::domain::command::Command;
use crate::domain::emitted::Emitted;
use crate::domain::error::BoxError;
use crate::domain::metadata::{Cause, Envelope};
use crate::follow::definition::{FollowerDefinition, FollowerKind};
use crate::follow::given_commands::{GiveError, GivenBy, NoReaction, Receiver};
use crate::follow::handler::{EventHandler, KnowsNoId, Lists, Target, sealed};
use crate::repository::execute_options::ExecuteOptions;

/// A follower with effects beyond views: it sends a mail, calls a service, or gives a command to another
/// aggregate.
///
/// Commanded and others call a reaction that gives commands a process manager.
///
/// Derive it, list the events, and write a `#[react]` method for each. The method gets each event *at least
/// once*: the runner records the event as done after the method has returned. If the program dies in between,
/// the event comes again, with the same [idempotency key](Delivery::idempotency_key). The derive takes
/// `#[reaction(..)]` with
///
/// | key | meaning |
/// |---|---|
/// | `events(AccountOpened, ..)` | the events that it reacts to; required |
/// | `from(BankAccount, ..)` | the aggregates that have these events; required. See [`Projection`](crate::follow::Projection#the-aggregates-of-the-events) |
/// | `commands(DepositMoney, ..)` | the commands that it gives through its [`Delivery`]; see [`Delivery::execute`] |
/// | `name = "welcome"` | the name under which the progress is stored; by default, the type's name in kebab case |
/// | `partition_by = stream` | events of different streams may be handled in any order, so several workers can share the reaction |
/// | `crate = path` | the path of `factum`, if it is re-exported; a name that `Cargo.toml` gives it is found |
///
/// ```
/// use factum::prelude::*;
/// use factum::follow::Delivery;
/// use factum::ExecuteOptions;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// /// Each deposit earns a bonus of one cent, once, on a separate account.
/// #[derive(Reaction)]
/// #[reaction(events(MoneyDeposited), from(BankAccount))]
/// struct Bonus {
///     accounts: Repository<BankAccount, SqliteStore>,
/// }
///
/// #[handlers]
/// impl Bonus {
///     #[react]
///     fn deposited(
///         &self,
///         _: &MoneyDeposited,
///         envelope: &Envelope<'_>,
///         delivery: &Delivery,
///     ) -> Result<(), BoxError> {
///         if !envelope.key.ends_with("-bonus") {
///             let account = AccountId(format!("{}-bonus", envelope.key));
///             // If the event comes again, the store knows the key, and the command changes nothing.
///             self.accounts.execute_with(DepositMoney { account, cents: 1 }, &delivery.options())?;
///         }
///         Ok(())
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let accounts = store.repository::<BankAccount>();
/// accounts.execute(DepositMoney { account: AccountId("alice".into()), cents: 50 })?;
///
/// let mut bonus = SqliteReaction::new(&store, Bonus { accounts: accounts.clone() })?;
/// bonus.catch_up()?;
/// assert_eq!(accounts.load(&AccountId("alice-bonus".into()))?.state().balance, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a program that keeps running, [`SqliteReaction::follow`](crate::sqlite::SqliteReaction::follow) runs
/// the reaction in the background, with retries and dead letters.
///
/// # Async handlers
///
/// With the feature `tokio`, a `#[react]` method may be an `async fn`. All that holds for others holds for it: at least once, in
/// order, retries, dead letters, one runner, and a panic is an error of its event.
/// [`guide::services`](crate::guide::services#async-reactions) has an example.
///
/// * The runtime is the one that the caller of `start` or `catch_up` belongs to, or has entered. Without one, `start` fails with
///   [`FollowError::NoRuntime`](crate::follow::FollowError::NoRuntime), before any event. The runtime has to outlive the follower:
///   stop the follower first. Otherwise it ends with [`FollowError::RuntimeEnded`](crate::follow::FollowError::RuntimeEnded) before
///   the event whose handler needs the runtime. That event is no dead letter.
/// * The handler's future stays on the follower's thread, and need not be `Send`. Its timers, its sockets and the tasks that it
///   spawns are the runtime's. So a handler that waits holds one thread of those that
///   [followers share](crate::follow::FollowerBuilder::start), as one that blocks does, and none of the runtime's.
/// * A follower that is stopped waits for its handler, at most for the time that it has. Then the handler is dropped where it awaits:
///   its event comes again, and is no dead letter. A handler that blocks can't be dropped.
/// * A runtime of the kind `current_thread` has timers and sockets only while its thread runs it.
/// * Only reactions have async handlers. Commands, views and processes decide or write while others wait for them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reaction",
    label = "this type does not derive `Reaction`",
    note = "annotate `{Self}` with `#[derive(Reaction)]` and `#[reaction(events(..), from(..))]`"
)]
#[doc(alias = "saga")]
#[doc(alias = "process manager")]
#[doc(alias = "outbox")]
#[doc(alias = "event handler")]
pub trait Reaction: EventHandler<Target = SideEffects> {
    /// The names of the commands that it may give.
    const SENDS: &'static [&'static str] = &[];

    /// Whether a `#[react]` method is `async`.
    #[doc(hidden)]
    const AWAITS: bool = false;
}

/// The reaction to an event of type `E`: what a `#[react]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not react to it",
    label = "no `#[react]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[react] fn name(&self, event: &{E}) -> Result<(), BoxError>`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait React<E>: EventHandler<Target: ReactingTarget> + Lists<E> {
    /// Whether the method asks for the event's envelope, or for its key.
    #[doc(hidden)]
    const WANTS_ENVELOPE: bool = true;

    /// Whether the method is `async`.
    #[doc(hidden)]
    const AWAITS: bool = false;

    /// The commands that the method of a process may return.
    #[doc(hidden)]
    const SENDS: Emitted = Emitted::NONE;

    /// Reacts to `event`.
    ///
    /// After an error, the event counts as not handled. The runner retries it, moves it to the dead letters,
    /// or stops, as set in [`FollowerBuilder`](crate::follow::FollowerBuilder).
    fn react(
        &mut self,
        event: &E,
        envelope: &Envelope<'_>,
        context: &ReactContext<Self>,
    ) -> Result<Outcome<Self>, BoxError>;
}

/// A target whose followers react: a reaction with effects, a process with commands.
#[diagnostic::on_unimplemented(
    message = "a view has no `#[react]` methods: `{Self}` is what it writes to",
    label = "neither a reaction nor a process",
    note = "write `#[project]` in a view"
)]
pub trait ReactingTarget: Target {
    /// What a `#[react]` method leads to.
    type Outcome: Default;

    /// What a `#[react]` method gets besides the event and its envelope.
    type ReactContext;
}

/// What the `#[react]` methods of `H` lead to.
pub type Outcome<H> = <<H as EventHandler>::Target as ReactingTarget>::Outcome;

/// What the `#[react]` methods of `H` get besides the event and its envelope.
pub type ReactContext<H> = <<H as EventHandler>::Target as ReactingTarget>::ReactContext;

impl ReactingTarget for SideEffects {
    type Outcome = ();
    type ReactContext = Delivery;
}

/// The target of reactions: effects outside of the store, which keeps only the progress.
#[derive(Debug)]
pub enum SideEffects {}

impl sealed::Sealed for SideEffects {}

impl KnowsNoId for Delivery {}

impl Target for SideEffects {
    type Context<'c> = Delivery;
}

/// One delivery of an event to the reaction `R`.
///
/// A handler that gives commands to aggregates of its application takes it as `&Delivery<Self>`; see
/// [`execute`](Self::execute). For others, `&Delivery` will do.
#[derive(Debug)]
pub struct Delivery<R = NoReaction> {
    reaction: &'static str,
    cause: Cause,
    attempt: u32,
    /// How many commands have got options. All clones count together.
    commands: Arc<AtomicU32>,
    receiver: Option<Arc<dyn Receiver>>,
    of: PhantomData<fn() -> R>,
}

impl<R> Clone for Delivery<R> {
    fn clone(&self) -> Self {
        self.to()
    }
}

impl Delivery {
    pub(crate) fn new(
        reaction: &'static str,
        envelope: &Envelope<'_>,
        attempt: u32,
        receiver: Option<&Arc<dyn Receiver>>,
    ) -> Self {
        Self {
            reaction,
            cause: envelope.into(),
            attempt,
            commands: Arc::default(),
            receiver: receiver.cloned(),
            of: PhantomData,
        }
    }
}

impl<R> Delivery<R> {
    /// This delivery, to a reaction of another type.
    pub(crate) fn to<Other>(&self) -> Delivery<Other> {
        let Self { reaction, cause, attempt, commands, receiver, .. } = self;
        Delivery {
            reaction,
            cause: cause.clone(),
            attempt: *attempt,
            commands: Arc::clone(commands),
            receiver: receiver.clone(),
            of: PhantomData,
        }
    }

    /// A key that is unique to this reaction and event, and stable over retries. Pass it to the receiver, so
    /// that the receiver can detect repeats.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.reaction, self.cause.id)
    }

    /// The event's id.
    #[must_use]
    pub fn event_id(&self) -> Uuid {
        self.cause.id
    }

    /// The number of this attempt, from 1, as far as this runner knows.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Options for the next command that the event causes. The command is executed once, however often the
    /// event comes.
    ///
    /// Each call is for another command. The first one has the [`idempotency_key`](Self::idempotency_key) of
    /// this delivery, the second one `{key}/2`, and so on. So a handler must give its commands in the same order
    /// at each delivery. If the order depends on anything but the event, use [`options_for`](Self::options_for).
    /// A handler that tries a command again uses the options that it has.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// # #[derive(Reaction)]
    /// # #[reaction(events(AccountOpened), from(BankAccount))]
    /// # struct Gift { accounts: Repository<BankAccount, MemoryStore> }
    /// # #[handlers]
    /// # impl Gift {
    /// #[react]
    /// fn opened(&self, _: &AccountOpened, delivery: &Delivery) -> Result<(), BoxError> {
    ///     for cents in [5, 7] {
    ///         let account = AccountId("gifts".into());
    ///         self.accounts.execute_with(DepositMoney { account, cents }, &delivery.options())?;
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    pub fn options<'a, Services>(&self) -> ExecuteOptions<'a, Services> {
        match self.commands.fetch_add(1, Ordering::Relaxed) {
            0 => self.options_with(self.idempotency_key()),
            earlier => self.options_with(format!("{}/{}", self.idempotency_key(), u64::from(earlier) + 1)),
        }
    }

    /// Options for the command with this name among the commands that the event causes.
    ///
    /// The command is executed once, however often the event comes, and in whatever order the handler gives its
    /// commands. Two commands to one aggregate need two names.
    pub fn options_for<'a, Services>(&self, name: &str) -> ExecuteOptions<'a, Services> {
        self.options_with(format!("{}:{name}", self.idempotency_key()))
    }

    /// Gives a command to the aggregate of the application that takes it. The command is executed once, however often the
    /// event comes: it has the key of [`options`](Self::options), and the event as its cause.
    ///
    /// The reaction lists the command in `commands(..)`, and an aggregate of its application takes it; both are checked at
    /// compile time. A reaction that runs by itself gets its aggregates from
    /// [`SqliteReaction::commands`](crate::sqlite::SqliteReaction::commands).
    ///
    /// It returns no outcome, so a handler does not depend on one: `testing::react` tests it without executing
    /// anything. What follows from a command is in its events, to which another handler reacts. A follower that decides on refusals
    /// and on what has happened before is a [`Process`](crate::follow::Process). A handler that does need the version or the position
    /// has a repository, and gives it the command with [`options`](Self::options).
    ///
    /// Fails with [`GiveError::Execute`] if the command is invalid, a hook of the application denies it, the aggregate refuses it,
    /// or it fails. A handler that returns the error is tried again, as the reaction's settings say. A refused command is then
    /// decided on again.
    ///
    /// ```
    /// # use factum::prelude::*;
    /// # use std::time::Duration;
    /// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
    /// # use bank::*;
    /// /// Each new account gets a gift.
    /// #[derive(Reaction)]
    /// #[reaction(events(AccountOpened), from(BankAccount), commands(DepositMoney))]
    /// struct Gift;
    ///
    /// #[handlers]
    /// impl Gift {
    ///     #[react]
    ///     fn opened(&self, _: &AccountOpened, id: &AccountId, delivery: &Delivery<Self>) -> Result<(), BoxError> {
    ///         Ok(delivery.execute(DepositMoney { account: id.clone(), cents: 5 })?)
    ///     }
    /// }
    ///
    /// #[derive(Application)]
    /// #[application(aggregates(BankAccount))]
    /// struct Bank {
    ///     #[reaction]
    ///     gift: Gift,
    /// }
    ///
    /// let bank = Bank { gift: Gift }.start(&SqliteStore::in_memory()?)?;
    /// let open = OpenAccount { account: AccountId("alice".into()), owner: "Alice".into() };
    /// bank.execute_with(open, &ExecuteOptions::new().seen_by::<Gift>(Duration::from_secs(10)))?;
    /// assert_eq!(bank.repository::<BankAccount>().load(&AccountId("alice".into()))?.state().balance, 5);
    /// # Ok::<(), BoxError>(())
    /// ```
    pub fn execute<C, A>(&self, command: C) -> Result<(), GiveError<A::Error>>
    where
        C: GivenBy<R> + CommandFor<A> + Command + 'static,
        A: Aggregate,
    {
        self.give(command, &self.options())
    }

    /// Gives a command as [`execute`](Self::execute) does, with the key of [`options_for`](Self::options_for): for a handler
    /// whose commands come in another order each time.
    ///
    /// Fails as [`execute`](Self::execute) does.
    pub fn execute_for<C, A>(&self, name: &str, command: C) -> Result<(), GiveError<A::Error>>
    where
        C: GivenBy<R> + CommandFor<A> + Command + 'static,
        A: Aggregate,
    {
        self.give(command, &self.options_for(name))
    }

    fn give<C, A>(&self, command: C, options: &ExecuteOptions<'_>) -> Result<(), GiveError<A::Error>>
    where
        C: CommandFor<A> + Command + 'static,
        A: Aggregate,
    {
        let reaction = self.reaction;
        match &self.receiver {
            Some(receiver) => receiver.give(reaction, command, options),
            None => Err(GiveError::NoRoutes { reaction, command: C::NAME }),
        }
    }

    fn options_with<'a, Services>(&self, key: String) -> ExecuteOptions<'a, Services> {
        ExecuteOptions::new().caused_by(self.cause.clone()).idempotency_key(key)
    }
}

impl FollowerDefinition {
    /// The definition of the reaction `R`.
    pub(crate) const fn of_reaction<R: Reaction>() -> Self {
        let mut definition = Self::new::<R>(FollowerKind::Reaction);
        // A delivery has the event's id, whatever the handlers look at.
        definition.wants_metadata = true;
        definition
    }
}
