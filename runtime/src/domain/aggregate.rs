//! The trait of aggregates, and the traits behind `#[execute]`, `#[apply]` and `#[upcast]`.

use crate::domain::accepts::Accepts;
use crate::domain::aggregate_model::AggregateModel;
use crate::domain::command_set::CommandSet;
use crate::domain::emitted::Emitted;
use crate::domain::error::BoxError;
use crate::domain::event_set::EventSet;
use crate::domain::id::AggregateId;
use crate::domain::snapshot::Snapshots;
use crate::domain::thread_safe::ThreadSafe;

/// A consistency boundary of the domain: state that changes by events only, and decides on commands.
///
/// Derive it on the state, a struct or an enum. The state's `Default` is the state before the first event.
/// The derive takes `#[aggregate(..)]` with these keys:
///
/// | key | meaning |
/// |---|---|
/// | `id = AccountId` | the type of the aggregate's ids; required |
/// | `commands(OpenAccount, ..)` | the commands that it takes; each needs an `#[execute]` method |
/// | `events(AccountOpened, ..)` | the events that it emits; each needs an `#[apply]` method |
/// | `retired(TransferMade, "old-noise")` | the retired events, which are still read; see [`Upcast`] |
/// | `name = "bank-account"` | the category of its streams; without it, the type's name in kebab case |
/// | `error = AccountError` | the type of its refusals; [`Infallible`](std::convert::Infallible) if not given |
/// | `services = Clock` | the services, an optional third argument of `#[execute]` methods; `()` if not given |
/// | `snapshot(every = 100)` | when to take a snapshot; see [`Snapshots`]. The state needs serde's derives. Other conditions: `older_than = Duration::from_secs(3600)` and `when = Self::is_settled` (a function from `&Self` to `bool`). If `apply` changes its meaning, add `version = 2` |
/// | `command(name = .., derive(..), serde(..))` | the command enum's name, its derives besides `Debug`, its serde attributes |
/// | `event(name = .., derive(..), serde(..))` | the event enum's name, its derives besides `Debug`, its serde attributes |
/// | `crate = path` | the path of `factum`, if it is re-exported; a name that `Cargo.toml` gives it is found |
///
/// The derive generates the command enum (`BankAccountCommand`), the event enum (`BankAccountEvent`), the
/// conversions between these and the structs, and the dispatch. A missing handler does not compile, and
/// neither does a handler for a command or an event that is not listed.
///
/// ```
/// use factum::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, Event)]
/// struct Incremented;
///
/// #[derive(Debug, Command)]
/// struct Increment(String);
///
/// #[derive(Debug, Default, Clone, Aggregate)]
/// #[aggregate(id = String, commands(Increment), events(Incremented))]
/// struct Counter {
///     count: u64,
/// }
///
/// #[handlers]
/// impl Counter {
///     #[execute]
///     fn increment(&self, _: Increment) -> Incremented {
///         Incremented
///     }
///
///     #[apply]
///     fn incremented(&mut self, _: &Incremented) {
///         self.count += 1;
///     }
/// }
///
/// let counters = MemoryStore::new().repository::<Counter>();
/// counters.execute(Increment("visits".into()))?;
/// assert_eq!(counters.execute(Increment("visits".into()))?.state().count, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this type does not derive `Aggregate`",
    note = "annotate `{Self}` with `#[derive(Debug, Default, Clone, Aggregate)]` and `#[aggregate(id = .., commands(..), events(..))]`"
)]
#[doc(alias = "aggregate root")]
pub trait Aggregate: Sized + 'static {
    /// The category of the aggregate's streams, the part of their names before the `/`.
    const CATEGORY: &'static str;

    /// The aggregate's commands and events as data, and which command leads to which events.
    const MODEL: AggregateModel = AggregateModel::of::<Self>();

    /// The type of the aggregate's ids.
    type Id: AggregateId;

    /// The enum of the aggregate's commands.
    type Command: CommandSet<Id = Self::Id>;

    /// The enum of the aggregate's events.
    type Event: EventSet;

    /// The refusal of a command. Any type will do; the caller gets the value itself.
    type Error;

    /// What a decision needs besides the state: a clock, prices, new ids.
    type Services: ThreadSafe;

    /// How and when the state is stored as a snapshot; `None` for never.
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// The state before the first event. The derive uses [`Default`].
    fn initial() -> Self;

    /// A copy of the state. The derive uses [`Clone`].
    ///
    /// A repository copies a shared state before it applies an event to it.
    #[must_use]
    fn duplicate(&self) -> Self;

    /// Decides on a command: returns the events that follow from it, possibly none, or a refusal.
    ///
    /// The decision depends on the command, the state and the services only, and changes nothing.
    fn execute(
        &self,
        command: Self::Command,
        services: &Self::Services,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// Changes the state to the state after `event`. Cannot fail: the event has happened.
    ///
    /// The method gets the event without its envelope. If the domain needs the time or the place of what
    /// happened, the event has a field for it; the time in the envelope is the time at which the store
    /// recorded the event.
    fn apply(&mut self, event: &Self::Event);
}

/// How an aggregate decides on commands of type `C`: what an `#[execute]` method becomes.
///
/// `#[handlers]` writes this impl. By hand, it looks like this:
///
/// ```
/// # use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)]
/// # struct Incremented;
/// # #[derive(Debug, Command)]
/// # struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # impl Apply<Incremented> for Counter {
/// #     fn apply(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// impl Execute<Increment> for Counter {
///     fn execute(&self, _: Increment, _: &()) -> Result<Vec<CounterEvent>, Self::Error> {
///         Ok(vec![Incremented.into()])
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the command `{C}` and has no handler for it",
    label = "no `#[execute]` method takes `{C}`",
    note = "write one in a `#[handlers]` block: `#[execute] fn name(&self, command: {C}) -> Result<Event, Error>`",
    note = "or take `{C}` out of `commands(..)`"
)]
pub trait Execute<C>: Accepts<C> {
    /// Which events the command can lead to. `#[handlers]` reads it from the return type. A `Result`
    /// by another name, without arguments, allows all.
    #[must_use]
    fn emits() -> Emitted {
        Emitted::Any
    }

    /// Decides on the command: returns the events that follow from it, or a refusal.
    fn execute(&self, command: C, services: &Self::Services) -> Result<Vec<Self::Event>, Self::Error>;
}

/// How an event of type `E` changes an aggregate: what an `#[apply]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not apply it",
    label = "no `#[apply]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[apply] fn name(&mut self, event: &{E})`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait Apply<E>: Knows<E> {
    /// Changes the state to the state after `event`.
    fn apply(&mut self, event: &E);
}

/// The type lists `E`: an aggregate its events, a process its events and time-outs.
///
/// So an `#[apply]` method for something unlisted does not compile. Every aggregate whose event enum is `From<E>` implements the
/// trait; `derive(Process)` implements it for each event and time-out listed.
#[diagnostic::on_unimplemented(
    message = "`{E}` is not an event of `{Self}`",
    label = "`{Self}` does not list `{E}`",
    note = "in an aggregate, add it: `#[aggregate(events({E}, ..))]` on `{Self}`",
    note = "in a process, add it: `#[process(events({E} by stream, ..))]` on `{Self}`"
)]
pub trait Knows<E> {}

#[diagnostic::do_not_recommend]
impl<A: Aggregate<Event: From<E>>, E> Knows<E> for A {}

/// The aggregate has the event `E`: `E` is in its `events(..)`, or is the generated event enum.
///
/// Because of this trait, a handler that emits or applies an unlisted event does not compile. Every aggregate
/// whose event enum is `From<E>` implements the trait; `derive(Aggregate)` generates a `From` for each listed
/// event.
#[diagnostic::on_unimplemented(
    message = "`{E}` is not an event of `{Self}`",
    label = "`{Self}` does not list `{E}`",
    note = "add it: `#[aggregate(events({E}, ..))]` on `{Self}`, and an `#[apply]` method for it"
)]
pub trait Emits<E>: Aggregate {
    /// The event as a variant of the aggregate's event enum.
    fn event(event: E) -> Self::Event;
}

// Error messages name the missing `Emits`, not the missing `From`.
#[diagnostic::do_not_recommend]
impl<A: Aggregate<Event: From<E>>, E> Emits<E> for A {
    #[inline]
    fn event(event: E) -> Self::Event {
        event.into()
    }
}

/// How an aggregate reads a retired event: what an `#[upcast]` function becomes.
///
/// An event that is no longer written stays in the store. `#[aggregate(retired(TransferMade))]` keeps it
/// readable, and no handler can emit it any more. There are three ways to read a retired event:
///
/// | declared by | read as |
/// |---|---|
/// | `retired(TransferMade)` and an `#[upcast]` function | the events that the function returns: one or several |
/// | `retired(TransferMade)` alone | nothing |
/// | `retired("old-noise")`, which needs no struct | nothing |
///
/// The events that a retired event is read as have its version and its position. Their
/// [index](crate::Recorded::index) distinguishes them.
///
/// ```
/// use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Command)] struct Withdraw { #[command(id)] account: String, cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct TransferMade { cents: u64, fee: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Withdrawn { cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct FeeCharged { cents: u64 }
/// #[derive(Debug, Default, Clone, Aggregate)]
/// #[aggregate(
///     id = String,
///     commands(Withdraw),
///     events(Withdrawn, FeeCharged),
///     retired(TransferMade, "card-swiped"),
/// )]
/// struct Account {
///     taken: u64,
/// }
///
/// #[handlers]
/// impl Account {
///     #[upcast]
///     fn split(event: TransferMade) -> (Withdrawn, FeeCharged) {
///         (Withdrawn { cents: event.cents }, FeeCharged { cents: event.fee })
///     }
///     // ...
/// #   #[execute] fn withdraw(&self, command: Withdraw) -> Withdrawn { Withdrawn { cents: command.cents } }
/// #   #[apply] fn withdrawn(&mut self, event: &Withdrawn) { self.taken += event.cents; }
/// #   #[apply] fn charged(&mut self, event: &FeeCharged) { self.taken += event.cents; }
/// }
/// ```
#[doc(alias = "upcaster")]
pub trait Upcast<E>: Retires<E> {
    /// What the event is read as, for messages: the return type of the `#[upcast]` function, as it is written.
    #[doc(hidden)]
    const READ_AS: &'static str = "other events";

    /// The events that the retired event is read as.
    ///
    /// The reader reports an error with the event's stream and version.
    fn upcast(event: E) -> Result<Vec<Self::Event>, BoxError>;
}

/// The aggregate has retired the event `E`.
///
/// Implemented by `derive(Aggregate)` for each event type in `retired(..)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has not retired the event `{E}`",
    label = "would never be called: `{E}` is not in `retired(..)`",
    note = "add it: `#[aggregate(retired({E}, ..))]` on `{Self}`"
)]
pub trait Retires<E>: Aggregate {}
