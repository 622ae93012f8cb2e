//! What the program does when something has happened: mails, calls, commands to other aggregates.

#[cfg(feature = "sqlite")]
mod sqlite;

use uuid::Uuid;

#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteReaction;
use crate::error::BoxError;
use crate::metadata::{Cause, Envelope};
use crate::options::ExecuteOptions;
use crate::projection::{Follows, Projection, Target};

/// What the program does when something has happened, beyond views: sends a mail, calls a service, gives a command to another
/// aggregate (a process manager, as Commanded and others call it).
///
/// Derive it, list the events, and write a `#[react]` method for each. Each event is handed to it *at least once*: it counts as
/// done when the method has returned, and that is recorded after it. If the program dies between the two, it comes again, with
/// the same [idempotency key](Delivery::idempotency_key). The derive takes `#[reaction(..)]` with
///
/// | key | meaning |
/// |---|---|
/// | `events(AccountOpened, ..)` | what it reacts to, of any aggregates; required |
/// | `from(BankAccount, ..)` | only events of these aggregates; see [`Projection`] |
/// | `name = "welcome"` | what its progress is stored under; without it, the type's name in kebab case |
/// | `partition_by = stream` | events of different streams may be handled in any order: several workers can share it |
/// | `crate = path` | where `factum` is, if it was renamed or re-exported |
///
/// ```
/// use factum::prelude::*;
/// use factum::{Delivery, ExecuteOptions};
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// /// Whoever deposits gets a bonus of one cent, once for each deposit, on an account of its own.
/// #[derive(Reaction)]
/// #[reaction(events(MoneyDeposited))]
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
///             // If the event comes once more, the command is known, and nothing happens again.
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
/// In a program that goes on, [`SqliteReaction::follow`] runs it in a thread of its own, with retries and dead letters.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reaction",
    label = "this type does not derive `Reaction`",
    note = "annotate `{Self}` with `#[derive(Reaction)]` and `#[reaction(events(..))]`"
)]
pub trait Reaction: Projection<Target = SideEffects> {}

/// What the program does after an event of type `E`: what a `#[react]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not react to it",
    label = "no `#[react]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[react] fn name(&self, event: &{E}) -> Result<(), BoxError>`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait React<E>: Reaction + Follows<E> {
    /// Does what there is to do after `event`.
    ///
    /// An error leaves it undone: it is tried again, set aside, or the end, as was chosen where the reaction was started.
    fn react(&mut self, event: &E, envelope: &Envelope<'_>, delivery: &Delivery) -> Result<(), BoxError>;
}

/// Nothing that the store keeps comes of it but that it was done.
#[derive(Debug)]
pub enum SideEffects {}

impl Target for SideEffects {
    const IS_VIEW: bool = false;

    type Writer<'w> = Delivery;
}

/// One time that an event is handed to a reaction.
#[derive(Debug, Clone)]
pub struct Delivery {
    reaction: &'static str,
    cause: Cause,
    attempt: u32,
}

impl Delivery {
    #[cfg(feature = "sqlite")]
    fn new(reaction: &'static str, envelope: &Envelope<'_>, attempt: u32) -> Self {
        Self { reaction, cause: envelope.into(), attempt }
    }

    /// The same each time that this event is handed to this reaction, and for no other event or reaction: give it to whom it
    /// tells what has been done already.
    pub fn idempotency_key(&self) -> String {
        format!("{}/{}", self.reaction, self.cause.id)
    }

    /// The event's id.
    pub fn event_id(&self) -> Uuid {
        self.cause.id
    }

    /// Which attempt this is, from 1, as far as this runner knows.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Options for a command that the event leads to: caused by it, and carried out once, however often the event comes.
    ///
    /// Two commands to one aggregate need two keys: set another one for the second.
    pub fn options<'a, Services>(&self) -> ExecuteOptions<'a, Services> {
        ExecuteOptions::new().caused_by(self.cause).idempotency_key(self.idempotency_key())
    }
}
