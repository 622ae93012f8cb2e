//! What an aggregate is, and the traits behind `#[execute]` and `#[apply]`.

use crate::command::{Accepts, Command};
use crate::error::BoxError;
use crate::event::EventSet;
use crate::id::AggregateId;
use crate::snapshot::Snapshots;

/// A consistency boundary of the domain: state that changes by events only, and decides on commands.
///
/// Derive it on the state, a struct or an enum; its `Default` is the state before the first event. The derive takes
/// `#[aggregate(..)]` with
///
/// | key | meaning |
/// |---|---|
/// | `id = AccountId` | the type of its ids; required |
/// | `commands(OpenAccount, ..)` | what it takes; each needs an `#[execute]` method |
/// | `events(AccountOpened, ..)` | what happens to it; each needs an `#[apply]` method |
/// | `retired(TransferMade, "old-noise")` | what happened once and is read as something else; see [`Upcast`] |
/// | `name = "bank-account"` | the category of its streams; without it, the type's name in kebab case |
/// | `error = AccountError` | what a refused command answers; [`Infallible`](std::convert::Infallible) if not given |
/// | `services = Clock` | what `#[execute]` methods may ask as a third argument; `()` if not given |
/// | `snapshot(every = 100)` | keeps the state beside its stream now and then; see [`Snapshots`]. Needs serde's derives on the state. Also `older_than = Duration::from_secs(3600)`, `when = Self::is_settled` (a function from `&Self` to `bool`), and `version = 2` when `apply` comes to mean something else |
/// | `command(name = .., derive(..), serde(..))` | the command enum's name, derives besides `Debug`, serde attributes |
/// | `event(name = .., derive(..), serde(..))` | the same for the event enum |
/// | `crate = path` | where `factum` is, if it was renamed or re-exported |
///
/// It generates the command enum (`BankAccountCommand`), the event enum (`BankAccountEvent`), the conversions
/// between these and the structs, and the dispatch. A missing handler, or a handler for something that is not
/// listed, does not compile.
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
pub trait Aggregate: Sized + 'static {
    /// The category of the aggregate's streams, the part of their names before the `/`.
    const NAME: &'static str;

    /// What tells one aggregate from another.
    type Id: AggregateId;

    /// The enum of its commands.
    type Command: Command<Id = Self::Id>;

    /// The enum of its events.
    type Event: EventSet;

    /// What a refused command answers. Any type will do; it reaches the caller whole.
    type Error;

    /// What deciding may need from outside: a clock, prices, fresh ids.
    type Services;

    /// How and when its state is kept as a snapshot; `None` for never.
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// The state before the first event. The derive takes [`Default`].
    fn initial() -> Self;

    /// A copy of the state: made before it changes, if others still hold it. The derive takes [`Clone`].
    fn duplicate(&self) -> Self;

    /// Decides on a command: the events that follow from it, none at all, or a refusal.
    ///
    /// Looks at the state and the services only; changes nothing.
    fn execute(
        &self,
        command: Self::Command,
        services: &Self::Services,
    ) -> Result<Vec<Self::Event>, Self::Error>;

    /// Brings the state to where it is after `event`. Cannot fail: the event has happened.
    ///
    /// It sees the event and nothing around it. What the domain needs to know of when or where a thing happened is
    /// part of the event; the time that it was recorded at is the store's.
    fn apply(&mut self, event: &Self::Event);
}

/// How an aggregate decides on commands of type `C`: what an `#[execute]` method becomes.
///
/// `#[handlers]` writes this impl. By hand it is
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
    /// Decides on the command.
    fn execute(&self, command: C, services: &Self::Services) -> Result<Vec<Self::Event>, Self::Error>;
}

/// How an event of type `E` changes an aggregate: what an `#[apply]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` lists the event `{E}` and does not apply it",
    label = "no `#[apply]` method takes `&{E}`",
    note = "write one in a `#[handlers]` block: `#[apply] fn name(&mut self, event: &{E})`",
    note = "or take `{E}` out of `events(..)`"
)]
pub trait Apply<E>: Emits<E> {
    /// Brings the state to where it is after `event`.
    fn apply(&mut self, event: &E);
}

/// Events of type `E` are events of the aggregate: `E` is in its `events(..)`, or is the generated event enum.
///
/// What makes emitting an unlisted event a compile error, and applying one. It follows from a `From<E>` of the event enum,
/// of which `derive(Aggregate)` generates one for each event listed.
#[diagnostic::on_unimplemented(
    message = "`{E}` is not an event of `{Self}`",
    label = "`{Self}` does not list `{E}`",
    note = "add it: `#[aggregate(events({E}, ..))]` on `{Self}`, and an `#[apply]` method for it"
)]
pub trait Emits<E>: Aggregate {
    /// The event as a variant of the aggregate's event enum.
    fn event(event: E) -> Self::Event;
}

// As for `Accepts`.
#[diagnostic::do_not_recommend]
impl<A: Aggregate<Event: From<E>>, E> Emits<E> for A {
    #[inline]
    fn event(event: E) -> Self::Event {
        event.into()
    }
}

/// What a retired event is read as: what an `#[upcast]` function becomes.
///
/// An event that happens no more stays in the store. `#[aggregate(retired(TransferMade))]` takes it off the list of
/// what can happen and keeps it readable, as the events that an `#[upcast]` function makes of it: several, if it was
/// split; another, if it was merged into that. Without one it is read as nothing, and so is an event retired by its
/// name alone, `retired("old-noise")`, for which no struct is needed.
///
/// What it has become stands where it stood: at its version and position, told apart by an
/// [index](crate::Recorded::index).
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
pub trait Upcast<E>: Retires<E> {
    /// The events that the retired one has become. An error is told with the stream and version that it stands at.
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
