//! Processes: events in, commands out, with a memory and a clock.

pub(crate) mod actions;
pub(crate) mod backlog;
pub(crate) mod circles;
pub(crate) mod clock;
pub(crate) mod commands;
pub(crate) mod dispatch;
pub(crate) mod instances;
pub(crate) mod process_store;
pub(crate) mod replay;
pub(crate) mod routes;
pub(crate) mod runner;
pub(crate) mod sent_on;
pub(crate) mod settle;
pub(crate) mod step;
pub(crate) mod turn;

use std::any::Any;
use std::marker::PhantomData;

use crate::domain::codec_error::DecodeError;
use crate::domain::emitted::Emitted;
use crate::domain::error::BoxError;
use crate::domain::event::Event;
use crate::domain::event_schema::Shape;
use crate::domain::id::AggregateId;
use crate::domain::metadata::Envelope;
use crate::follow::definition::{FollowerDefinition, FollowerKind};
use crate::follow::error::HandlerError;
use crate::follow::handler::{EventHandler, Lists, Target, sealed};
use crate::follow::process::actions::Actions;
use crate::follow::process::sent_on::SentOn;
use crate::follow::process::turn::{Instance, Turn};
use crate::follow::reaction::ReactingTarget;

/// A follower with a state for each *instance*: events in, commands out, with a memory and a clock.
///
/// Others call it a process manager or a saga. It mirrors an aggregate: `#[apply]` methods remember what has happened, and
/// `#[react]` methods decide what to do about it, on the state with the event in it. A process is made of both:
///
/// ```
/// use std::time::Duration;
///
/// use factum::follow::CommandRoutes;
/// use factum::prelude::*;
/// use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, AggregateId)] struct OrderId(String);
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct OrderPlaced { cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct OrderShipped;
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct OrderCancelled;
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct PaymentTaken { order: OrderId }
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct PlaceOrder { #[command(id)] order: OrderId, cents: u64 }
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct ShipOrder(OrderId);
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct CancelOrder(OrderId);
/// # #[derive(Debug, Serialize, Deserialize, Command)] struct TakePayment { #[command(id)] order: OrderId, cents: u64 }
/// # #[derive(Debug, PartialEq)] struct Declined;
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = OrderId, commands(PlaceOrder, ShipOrder, CancelOrder), events(OrderPlaced, OrderShipped, OrderCancelled))]
/// # struct Order { is_shipped: bool }
/// # #[handlers] impl Order {
/// #     #[execute] fn place(&self, command: PlaceOrder) -> OrderPlaced { OrderPlaced { cents: command.cents } }
/// #     #[execute] fn ship(&self, _: ShipOrder) -> OrderShipped { OrderShipped }
/// #     #[execute] fn cancel(&self, _: CancelOrder) -> OrderCancelled { OrderCancelled }
/// #     #[apply] fn placed(&mut self, _: &OrderPlaced) {}
/// #     #[apply] fn shipped(&mut self, _: &OrderShipped) { self.is_shipped = true; }
/// #     #[apply] fn cancelled(&mut self, _: &OrderCancelled) {}
/// # }
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = OrderId, error = Declined, commands(TakePayment), events(PaymentTaken))]
/// # struct Payment;
/// # #[handlers] impl Payment {
/// #     #[execute] fn take(&self, command: TakePayment) -> Result<PaymentTaken, Declined> {
/// #         if command.cents > 1_000 { Err(Declined) } else { Ok(PaymentTaken { order: command.order }) }
/// #     }
/// #     #[apply] fn taken(&mut self, _: &PaymentTaken) {}
/// # }
///
/// #[derive(Debug, Serialize, Deserialize, Timeout)]
/// struct PaymentOverdue;
///
/// #[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]
/// #[process(
///     id = OrderId,
///     starts(OrderPlaced by stream),
///     events(PaymentTaken by order, OrderShipped by stream),
///     from(Order, Payment),
///     commands(TakePayment, ShipOrder, CancelOrder),
///     timeouts(PaymentOverdue),
/// )]
/// struct Fulfilment {
///     cents: u64,
/// }
///
/// #[handlers]
/// impl Fulfilment {
///     #[apply]
///     fn begin(&mut self, event: &OrderPlaced) {
///         self.cents = event.cents;
///     }
///     #[react]
///     fn placed(&self, _: &OrderPlaced, id: &OrderId) -> (TakePayment, After<PaymentOverdue>) {
///         let take = TakePayment { order: id.clone(), cents: self.cents };
///         (take, After(PaymentOverdue, Duration::from_secs(900)))
///     }
///     #[refused]
///     fn declined(&self, command: &TakePayment, _: &Declined) -> (Cancel<PaymentOverdue>, CancelOrder, Done) {
///         (Cancel::new(), CancelOrder(command.order.clone()), Done)
///     }
///     #[react]
///     fn overdue(&self, _: &PaymentOverdue, id: &OrderId) -> (CancelOrder, Done) {
///         (CancelOrder(id.clone()), Done)
///     }
///     #[react]
///     fn paid(&self, event: &PaymentTaken) -> (Cancel<PaymentOverdue>, ShipOrder) {
///         (Cancel::new(), ShipOrder(event.order.clone()))
///     }
///     #[react]
///     fn shipped(&self, _: &OrderShipped) -> Done {
///         Done
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let orders = store.repository::<Order>();
/// let commands = CommandRoutes::new().to(orders.clone()).to(store.repository::<Payment>());
/// let mut process = SqliteProcess::new(&store, Fulfilment::default(), commands.shared())?;
///
/// let id = OrderId("4711".into());
/// orders.execute(PlaceOrder { order: id.clone(), cents: 50 })?;
/// process.catch_up()?;
/// assert!(orders.load(&id)?.state().is_shipped);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a program that keeps running, [`SqliteProcess::follow`](crate::sqlite::SqliteProcess::follow) runs it in the background.
/// The derive takes `#[process(..)]` with
///
/// | key | meaning |
/// |---|---|
/// | `id = OrderId` | the type of the instances' ids; required |
/// | `starts(OrderPlaced by stream, ..)` | the events that start an instance; required |
/// | `events(PaymentTaken by order, ..)` | the events that an instance gets once it has started |
/// | `from(Order, Payment)` | the aggregates that have these events; required |
/// | `commands(ShipOrder, TakePayment for Payment, CancelOrder unrefused, ..)` | the commands that it may send; required |
/// | `timeouts(PaymentOverdue, ..)` | its [time-outs](Timeout) |
/// | `name = "fulfilment"` | the name under which all is stored; by default, the type's name in kebab case |
/// | `crate = path` | the path of `factum`, if it is re-exported; a name that `Cargo.toml` gives it is found |
///
/// * `by stream` means the instance with the id of the aggregate that the event happens to, and `by field` the one whose id is in
///   that field.
/// * A command that its aggregate can refuse needs a `#[refused]` method or the word `unrefused`: a refusal is then a dead
///   letter. `for Payment` says which aggregate is meant, where several take the command.
/// * Handlers take the event or time-out, then if they want the instance's `id: &OrderId`, and for an event its `&Envelope<'_>`.
///   `key: &str` is the key of the event's stream. So an id that is a `String` needs a type of its own.
/// * They return what [`IntoActions`](crate::follow::IntoActions) has: commands, [`After`](crate::follow::After),
///   [`At`](crate::follow::At), [`Cancel`](crate::follow::Cancel), [`Done`](crate::follow::Done), and tuples, options, lists and
///   results of these.
///
/// # What is stored, and when
///
/// State, commands and time-outs commit together with the process's position. The commands are sent after that, those of one
/// instance in order, those of different instances side by side. Each has the idempotency key
/// `process/instance/event id/index`, so it happens once, whatever crashes. A refused command keeps no key: after a crash
/// before the refusal is recorded, the aggregate decides again.
///
/// If the aggregate is in the same store (the same handle, or a clone of it), the commit of a command's events also takes the
/// command out of those that wait. So it never happens after it was recorded as refused, or discarded, by another program. With
/// another store, only the key protects it.
///
/// * Time-outs fire in order of their times, and late rather than never. One that was due before an event was recorded fires
///   before that event is handled, also after a pause.
/// * What an instance can't handle or send is a [dead letter](crate::follow::ProcessLetter), which holds the instance: its later
///   events, time-outs and commands wait. Other instances go on. [`Instances`](crate::follow::Instances) lists, retries and
///   discards dead letters.
/// * A command that is refused, which follows from a refusal, and so on, is a dead letter after 100 refusals in a row. So is a
///   time-out of an instance that has had 100 time-outs in a row, each due less than a millisecond after the one before.
/// * A state whose fields have changed is replayed from the events and time-outs in the instance's history, 1,000 in each step.
/// * Instances that are done stay, with their histories, so that late events start nothing.
///   [`Instances::remove_done`](crate::follow::Instances::remove_done) removes them.
/// * Handlers run in the write transaction of their step. They decide, and call nothing.
///
/// Stored time-outs have [versions](Event#versions), as events have. A command that has changed since it was stored derives
/// `Event` beside `Command`, and declares its changes by `#[event(..)]`. A new name has the earlier ones as `aliases(..)` there.
///
/// [`given_process`](crate::testing::given_process) tests a process without a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a process",
    label = "this type does not derive `Process`",
    note = "annotate `{Self}` with `#[derive(Debug, Default, Clone, Serialize, Deserialize, Process)]` and `#[process(..)]`"
)]
#[doc(alias = "saga")]
#[doc(alias = "process manager")]
#[doc(alias = "workflow")]
pub trait Process: EventHandler<Target = Commanding<Self>> + Send + Sync + 'static {
    /// The type of the instances' ids.
    type Id: AggregateId;

    /// How the state of an instance is written and read.
    const STATE: StateCodec<Self>;

    /// The names of the commands that it may send.
    const SENDS: &'static [&'static str];

    /// What it sends on each event, time-out and refusal.
    const STEPS: &'static [SentOn];

    /// A copy of the state. The derive uses [`Clone`].
    #[must_use]
    fn duplicate(&self) -> Self;

    /// Hands a stored time-out over.
    ///
    /// Fails if the process has no time-out of this name, or can't read it.
    fn handle_timeout(
        &mut self,
        name: &str,
        version: u32,
        payload: &str,
        envelope: &Envelope<'_>,
        turn: &Turn<'_, Self>,
    ) -> Result<(), HandlerError>;

    /// The name that a stored command has now; `None` if the process does not list it any more.
    ///
    /// The default, for an impl by hand, knows no earlier names.
    #[must_use]
    fn name_now(command: &str) -> Option<&'static str> {
        Self::SENDS.iter().copied().find(|name| *name == command)
    }

    /// The JSON of a stored command in the version that the code has now; `None` if that is the version in which it is
    /// stored, or if the process does not list the command any more.
    ///
    /// `command` is the name that it has now. Fails if the command can't be read. The default, for an impl by hand, has one version of each command.
    fn upgraded(command: &str, version: u32, payload: &str) -> Result<Option<String>, BoxError> {
        let _ = (command, version, payload);
        Ok(None)
    }

    /// Adds the shapes of the time-outs, and of commands with versions, to `out`, for the lock. The default, for an impl by
    /// hand, adds none.
    fn shapes(out: &mut Vec<Shape>) {
        let _ = out;
    }

    /// Decides on the refusal of a command; `None` if the process has no `#[refused]` method for it.
    fn handle_refusal(
        &mut self,
        command: &str,
        version: u32,
        payload: &str,
        refusal: &dyn Any,
        instance: &Instance<Self::Id>,
    ) -> Option<Result<Actions, BoxError>>;
}

/// How the state of a process is written and read, and the fingerprint of its shape.
///
/// A state that was written with another fingerprint is replayed from the instance's events.
#[derive(Debug, Clone, Copy)]
pub struct StateCodec<P> {
    /// The fingerprint of the state's shape.
    pub fingerprint: u64,
    /// Writes a state.
    pub encode: fn(&P, &mut Vec<u8>) -> Result<(), serde_json::Error>,
    /// Reads a state.
    pub decode: fn(&[u8]) -> Result<P, serde_json::Error>,
}

/// The target of processes: the store keeps their instances, and what these send and wait for.
pub struct Commanding<P>(PhantomData<fn() -> P>);

impl<P> sealed::Sealed for Commanding<P> {}

impl<P: Process> Target for Commanding<P> {
    type Context<'c> = Turn<'c, P>;
}

impl<P: Process> ReactingTarget for Commanding<P> {
    type Outcome = Actions;
    type ReactContext = Instance<P::Id>;
}

/// The process gets the event or time-out `E`.
///
/// `derive(Process)` implements it for everything that the process lists.
pub trait Receives<E>: Process + Lists<E> {
    /// Whether `E` starts an instance.
    const STARTS: bool;

    /// The id, as text, of the instance that an `E` in the stream of this key is for.
    ///
    /// Fails if the key is not the text of an id.
    fn instance(event: &E, key: &str) -> Result<String, BoxError>;

    /// Remembers `event`, if there is an `#[apply]` method for it.
    fn remember(&mut self, event: &E);

    /// Decides on `event`, if there is a `#[react]` method for it.
    fn decide(
        &mut self,
        event: &E,
        envelope: &Envelope<'_>,
        instance: &Instance<Self::Id>,
    ) -> Result<Actions, BoxError>;
}

/// The process lists the command `C`: what it may send is part of its type.
///
/// `derive(Process)` implements it for each command listed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the command `{C}`",
    label = "may not send `{C}`: it is not in `commands(..)`",
    note = "add it to the list on `{Self}`: `commands({C}, ..)`"
)]
pub trait Sends<C>: Process {
    /// How the command is stored until it is sent.
    const CODEC: CommandCodec<C>;
}

/// How a command is stored until it is sent.
#[derive(Debug)]
pub struct CommandCodec<C> {
    /// The command's name.
    pub name: &'static str,
    /// Its earlier names, under which it may be stored.
    pub aliases: &'static [&'static str],
    /// The category of the aggregate that takes it, if the process says so: `commands(C for A)`.
    pub aggregate: Option<&'static str>,
    /// The version of its shape that this code writes.
    pub version: u32,
    /// Writes a command as JSON.
    pub write: fn(&C) -> Result<String, BoxError>,
    /// Reads a command that was written at this version.
    pub read: fn(u32, &str) -> Result<C, DecodeError>,
}

impl<C> CommandCodec<C> {
    /// This codec, of a command that the aggregate of this category takes.
    #[must_use]
    pub const fn sent_to(mut self, aggregate: Option<&'static str>) -> Self {
        self.aggregate = aggregate;
        self
    }

    /// Whether a command of this name is stored so.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }

    /// The JSON of a stored command as it is now; `None` if it was stored so.
    pub(crate) fn upgraded(&self, version: u32, payload: &str) -> Result<Option<String>, BoxError> {
        if version == self.version {
            return Ok(None);
        }
        (self.write)(&(self.read)(version, payload)?).map(Some)
    }
}

impl<C> Clone for CommandCodec<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for CommandCodec<C> {}

/// The process lists the time-out `T`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the time-out `{T}`",
    label = "not in `timeouts(..)`",
    note = "add it to the list on `{Self}`: `timeouts({T}, ..)`"
)]
pub trait Sets<T>: Process {}

/// A time-out of a process: what an instance wants to be reminded of, with its data.
///
/// It is stored as events are, with a name and a version. `#[timeout(..)]` takes what `#[event(..)]` takes, for the name and the
/// [versions](Event#versions).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time-out",
    label = "this type does not derive `Timeout`",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Timeout)]`"
)]
pub trait Timeout: Event {}

/// What the process does when a command `C` is refused: what a `#[refused]` method becomes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `#[refused]` method for the command `{C}`",
    label = "no `#[refused]` method takes `&{C}`",
    note = "write one in a `#[handlers]` block: `#[refused] fn name(&self, command: &{C}, refusal: &Error) -> ..`",
    note = "or say that a refusal is a dead letter: `commands({C} unrefused, ..)`"
)]
pub trait Refused<C>: Sends<C> {
    /// The error of the aggregate that takes the command.
    type Refusal: 'static;

    /// The commands that the method may return.
    #[doc(hidden)]
    const SENDS: Emitted = Emitted::NONE;

    /// Decides on the refusal.
    fn refused(
        &mut self,
        command: &C,
        refusal: &Self::Refusal,
        instance: &Instance<Self::Id>,
    ) -> Result<Actions, BoxError>;
}

impl FollowerDefinition {
    /// The definition of the process `P`.
    pub(crate) const fn of_process<P: Process>() -> Self {
        let mut definition = Self::new::<P>(FollowerKind::Process);
        // Keys of commands and the times of time-outs come from metadata, whatever the handlers look at.
        definition.wants_metadata = true;
        definition
    }
}
