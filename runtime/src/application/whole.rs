//! The traits of a whole application, which `derive(Application)` implements.

use crate::application::command::ApplicationCommand;
use crate::application::model::Model;
use crate::store::event_store::EventStore;

/// The whole of a program: its aggregates, and what follows their events.
///
/// Derive it on a struct with a field for each follower, and for the services of aggregates:
///
/// ```
/// use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
///
/// #[derive(Default, Projection)]
/// #[projection(events(MoneyDeposited), from(BankAccount))]
/// struct Deposits {
///     cents: u64,
/// }
///
/// #[handlers]
/// impl Deposits {
///     #[project]
///     fn deposited(&mut self, event: &MoneyDeposited) {
///         self.cents += event.cents;
///     }
/// }
///
/// #[derive(Application)]
/// #[application(aggregates(BankAccount))]
/// struct Bank {
///     #[projection]
///     deposits: Deposits,
/// }
///
/// # use std::time::Duration;
/// let bank = Bank { deposits: Deposits::default() }.start(&MemoryStore::new())?;
/// // The command's type says which aggregate it is for. The answer comes when the view has seen the event.
/// let options = ExecuteOptions::new().seen_by::<Deposits>(Duration::from_secs(10));
/// bank.execute_with(DepositMoney { account: AccountId("alice".into()), cents: 50 }, &options)?;
/// assert_eq!(bank.view(|deposits: &Deposits| deposits.cents), Some(50));
/// bank.stop(Duration::from_secs(10))?;
/// # Ok::<(), BoxError>(())
/// ```
///
/// The derive takes `#[application(..)]` on the struct, with these keys:
///
/// | key | meaning |
/// |---|---|
/// | `aggregates(Order, Stock, ..)` | the aggregates; required. `other::Order as OtherOrder` names the variant of the command enum |
/// | `schedules(CancelOrder, ..)` | the commands that timers send: see [`Running::schedule`](crate::application::Running::schedule) |
/// | `json` | commands come by name too, as JSON: see [`Running::execute_json`](crate::application::Running::execute_json) and [`ApplicationCommand`] |
/// | `command(name = Name, derive(Clone, ..))` | the name, and more derives, of the generated enum of commands |
/// | `name = "shop"` | the application's name; without it, the type's name in kebab case |
/// | `crate = path` | the path of `factum`, if it is renamed or re-exported |
///
/// Each field has one of these attributes:
///
/// | attribute | the field is |
/// |---|---|
/// | `#[services(Payment, ..)]` | the services of these aggregates. With several aggregates, it is cloned |
/// | `#[projection]` | a view that follows in the background |
/// | `#[reaction]` | a reaction, in the background. It may give commands to the aggregates: see [`Delivery::execute`](crate::follow::Delivery::execute) |
/// | `#[process]` | a [process](crate::follow::Process). It sends its commands through the application, also `internal` ones |
/// | `#[hook]` | a [hook](crate::application::Hook): it runs around each command, and around each event of a follower |
/// | `#[store]` | a store beside the one of the events, for `store = ..` |
///
/// A view or a reaction may say how it runs, as `#[reaction(retry(5), dead_letters)]`:
///
/// | key | meaning |
/// |---|---|
/// | `inline` | the view is part of each append; see [`SqliteProjection::inline`](crate::sqlite::SqliteProjection::inline) |
/// | `workers = 2` | so many workers share it, each with a clone; it needs `partition_by = stream` and `Clone` |
/// | `retry(5)` | how often an event that fails is tried again |
/// | `delay = Duration::from_secs(1)` | the delay before the first retry, which doubles each time; 0.1 seconds by default |
/// | `dead_letters` | an event that still fails becomes a dead letter; see [`OnFailure::DeadLetter`](crate::follow::OnFailure::DeadLetter) |
/// | `sequenced` | later events of its stream wait behind it; see [`OnFailure::SequencedDeadLetter`](crate::follow::OnFailure::SequencedDeadLetter) |
/// | `store = views` | the view, or the progress, is in the store in the field `views`; `store = 1` in a tuple struct |
///
/// A process has `retry`, `delay`, and `senders = 8`: so many commands are sent at a time, each of another instance; 4 by default.
///
/// # What the compiler checks
///
/// * Aggregates have different names, and so have followers. No command name is one of two aggregates.
/// * The application has each aggregate that a follower reads, and each listed event is one of these.
/// * An aggregate that decides with services has them.
/// * An aggregate of the application takes each command that a process, a reaction or a timer sends.
/// * The store that the application starts on can keep its views, reactions, processes and timers.
/// * A command that is executed is one of its aggregates'. A follower that a command waits for is one of its fields.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an application",
    label = "this type does not derive `Application`",
    note = "annotate `{Self}` with `#[derive(Application)]` and `#[application(aggregates(..))]`"
)]
#[doc(alias = "service")]
#[doc(alias = "bounded context")]
pub trait Application: Sized + 'static {
    /// The application's name.
    const NAME: &'static str;

    /// What the application is made of.
    const MODEL: Model;

    /// The enum of all commands, as `ShopCommand`: a variant for each aggregate, with the aggregate's own command enum.
    type Command: ApplicationCommand<Application = Self>;

    /// A tuple of repositories, in the order of `aggregates(..)`.
    #[doc(hidden)]
    type Aggregates<S: EventStore + Clone + 'static>: Send + Sync + 'static;
}

/// The application takes commands by name: it has `#[application(json)]`.
#[diagnostic::on_unimplemented(
    message = "the application `{Self}` takes no commands by name",
    label = "its commands come by their types",
    note = "add `json`: `#[application(aggregates(..), json)]` on `{Self}`"
)]
pub trait TakesNames: Application {}
