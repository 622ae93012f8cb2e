//! The command of any aggregate of an application: the enum that `derive(Application)` generates.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeStruct as _};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::application::answer::{Answer, ByNameError};
use crate::application::parts::{Has, RoutedTo};
use crate::application::untyped::{AnyOptions, LaterAnswer};
use crate::application::way::{SharedWay, Way};
use crate::application::whole::{Application, TakesNames};
use crate::domain::aggregate::Aggregate;
use crate::domain::command_set::{CommandKind, CommandSet, no_command};
use crate::domain::id::AggregateId;
use crate::domain::read_command::ReadCommandError;
use crate::domain::stream_name::StreamName;
use crate::repository::waits::Waits;
use crate::store::event_store::EventStore;

/// A command of any aggregate of an application.
///
/// `derive(Application)` generates the enum that implements it, beside the struct: for `Shop`, it is `ShopCommand`. It has a
/// variant for each aggregate, which holds that aggregate's own command enum.
/// [`Running::execute_any`](crate::application::Running::execute_any) carries it out.
///
/// ```
/// use factum::prelude::*;
/// # mod bank {
/// #     use factum::prelude::*;
/// #     use serde::{Deserialize, Serialize};
/// #     #[derive(Debug, Serialize, Deserialize, Command)]
/// #     pub struct DepositMoney { #[command(id)] pub account: String, pub cents: u64 }
/// #     #[derive(Debug, Serialize, Deserialize, Event)]
/// #     pub struct MoneyDeposited { pub cents: u64 }
/// #     #[derive(Debug, Default, Clone, Aggregate)]
/// #     #[aggregate(id = String, commands(DepositMoney), events(MoneyDeposited))]
/// #     pub struct BankAccount;
/// #     #[handlers]
/// #     impl BankAccount {
/// #         #[execute] fn deposit(&self, command: DepositMoney) -> MoneyDeposited { MoneyDeposited { cents: command.cents } }
/// #         #[apply] fn deposited(&mut self, _: &MoneyDeposited) {}
/// #     }
/// # }
/// # use bank::*;
///
/// #[derive(Application)]
/// #[application(aggregates(BankAccount), json)]
/// struct Bank;
///
/// let bank = Bank.start(&MemoryStore::new())?;
///
/// // From a queue, or from the body of a request.
/// let command = BankCommand::from_json(r#"{"command": "deposit-money", "content": {"account": "alice", "cents": 50}}"#)?;
/// assert_eq!((command.name(), command.stream().as_str()), ("deposit-money", "bank-account/alice"));
/// assert_eq!(bank.execute_any(command)?.events, ["money-deposited"]);
///
/// // Made by the program, and looked at.
/// let command = BankCommand::of(DepositMoney { account: "alice".into(), cents: 9 });
/// match &command {
///     BankCommand::BankAccount(BankAccountCommand::DepositMoney(deposit)) => assert_eq!(deposit.cents, 9),
/// }
/// let json = serde_json::to_string(&command)?;
/// assert_eq!(json, r#"{"command":"deposit-money","content":{"account":"alice","cents":9}}"#);
/// # Ok::<(), BoxError>(())
/// ```
///
/// # As JSON
///
/// With `#[application(json)]`, the enum is `Deserialize`, and it is `Serialize` if all commands are. Its form is
/// `{"command": "deposit-money", "content": {..}}`; a command that is a unit struct needs no `content`. Other keys are left to the caller.
///
/// | reads | takes | error |
/// |---|---|---|
/// | [`from_json`](Self::from_json) | text | a [`ByNameError`] |
/// | `Deserialize` | any format that describes itself, and parts of other structs by `#[serde(flatten)]` | the text of that error |
///
/// `Serialize` and `Deserialize` have the content as a [`serde_json::Value`] in between, where an integer has at most 64 bits,
/// and where the last of two equal keys counts. `from_json` takes any integer, and leaves equal keys to the command's own `Deserialize`.
///
/// Both come from outside: they refuse a command that is `#[command(internal)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the command enum of an application",
    label = "`derive(Application)` has not generated this type"
)]
pub trait ApplicationCommand: Debug + Sized + 'static {
    /// The application whose commands these are.
    type Application: Application<Command = Self>;

    /// The commands of each aggregate.
    #[doc(hidden)]
    const AGGREGATES: &'static [CommandsOf<Self>];

    /// The name of the aggregate, and the command in the variant.
    #[doc(hidden)]
    fn lent(&self) -> (&'static str, &dyn LentCommand);

    /// Carries out the command.
    #[doc(hidden)]
    fn execute<S: EventStore + Clone + 'static>(
        self,
        way: &Way<'_, <Self::Application as Application>::Aggregates<S>>,
        options: &AnyOptions<'_>,
    ) -> Result<Answer, ByNameError>;

    /// The enum of a command struct, or of an aggregate's command enum.
    fn of<C, A>(command: C) -> Self
    where
        C: RoutedTo<Self::Application, A>,
        A: Aggregate,
    {
        command.into_any()
    }

    /// The [name](crate::Command::NAME) of this command.
    fn name(&self) -> &'static str {
        self.lent().1.name()
    }

    /// The stream of the aggregate that this command is for.
    fn stream(&self) -> StreamName {
        let (category, command) = self.lent();
        StreamName::new(category, &command.key())
    }

    /// Reads the command with this name from its own JSON, for callers outside of the program.
    ///
    /// Fails if no command has the name, if the command is `internal`, or if the JSON is not that of the command.
    fn read(name: &str, json: &str) -> Result<Self, ByNameError>
    where
        Self::Application: TakesNames,
    {
        let of =
            |commands: &'static CommandsOf<Self>| commands.kinds.iter().map(move |kind| (kind, commands));
        let all = || Self::AGGREGATES.iter().flat_map(of);
        match all().find(|(kind, _)| kind.name == name) {
            Some((CommandKind { internal: true, name, .. }, _)) => Err(ByNameError::Internal { name }),
            Some((_, commands)) => Ok((commands.read)(name, json)?),
            None => {
                let kinds: Vec<_> = all().map(|(kind, _)| *kind).filter(|kind| !kind.internal).collect();
                Err(no_command(name, &kinds).into())
            }
        }
    }

    /// Reads a command from `{"command": "place-order", "content": {..}}`, for callers outside of the program.
    ///
    /// Fails as [`read`](Self::read) does, and if the JSON has another form. The line and the column of an error in the content
    /// count from the content's beginning.
    fn from_json(json: &str) -> Result<Self, ByNameError>
    where
        Self::Application: TakesNames,
    {
        let Named { command, content } =
            serde_json::from_str::<Named<&RawValue>>(json).map_err(ByNameError::NoCommand)?;
        Self::read(&command, content.map_or("null", RawValue::get))
    }
}

/// The commands of an application, each of which a task can carry out: see [`InTasks`](crate::repository::in_tasks::InTasks).
#[diagnostic::on_unimplemented(
    message = "a task can't carry out each command of `{Self}`",
    label = "some aggregate, with its commands, events and error, can't go from thread to thread",
    note = "make each `Send`, the events and the aggregates `Sync` too, and the services `Clone`"
)]
pub trait CommandInTasks: ApplicationCommand {
    /// Carries out the command in a task, which waits in this way.
    #[doc(hidden)]
    fn execute_later<W, S>(
        self,
        way: SharedWay<<Self::Application as Application>::Aggregates<S>>,
        options: AnyOptions<'static>,
    ) -> LaterAnswer
    where
        W: Waits,
        S: EventStore + Clone + 'static,
        <Self::Application as Application>::Aggregates<S>: Send + Sync;
}

/// A command by its name, and what it has.
#[derive(Deserialize)]
struct Named<T> {
    command: String,
    content: Option<T>,
}

/// A command of one aggregate.
pub trait LentCommand {
    /// [`CommandSet::name`].
    fn name(&self) -> &'static str;

    /// The text of the aggregate's id.
    fn key(&self) -> Cow<'_, str>;

    /// [`CommandSet::write`].
    fn write(&self) -> Option<Result<Value, serde_json::Error>>;
}

impl<C: CommandSet<Id: AggregateId>> LentCommand for C {
    fn name(&self) -> &'static str {
        CommandSet::name(self)
    }

    fn key(&self) -> Cow<'_, str> {
        self.aggregate_id().to_text()
    }

    fn write(&self) -> Option<Result<Value, serde_json::Error>> {
        CommandSet::write(self)
    }
}

/// The commands of one aggregate, and how they are read as the application's `C`.
#[derive(Debug)]
pub struct CommandsOf<C> {
    kinds: &'static [CommandKind],
    read: fn(&str, &str) -> Result<C, ReadCommandError>,
}

impl<C> CommandsOf<C> {
    /// Those of the aggregate `A`.
    #[must_use]
    pub const fn of<A: Aggregate>() -> Self
    where
        C: ApplicationCommand<Application: Has<A>>,
    {
        Self {
            kinds: A::Command::KINDS,
            read: |name, json| A::Command::read(name, json).map(<C::Application as Has<A>>::into_any),
        }
    }
}

/// Writes the application's command as JSON. Generated code asks for it where all commands are `Serialize`.
pub fn serialize_command<S: Serializer>(
    command: &impl ApplicationCommand,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let (_, command) = command.lent();
    let content = match command.write() {
        Some(written) => written.map_err(S::Error::custom)?,
        None => {
            let name = command.name();
            return Err(S::Error::custom(format!("the command `{name}` does not derive `Serialize`")));
        }
    };
    let mut named = serializer.serialize_struct("Named", 2)?;
    named.serialize_field("command", command.name())?;
    named.serialize_field("content", &content)?;
    named.end()
}

/// Reads the application's command, for callers outside of the program.
pub fn deserialize_command<'de, C, D>(deserializer: D) -> Result<C, D::Error>
where
    C: ApplicationCommand<Application: TakesNames>,
    D: Deserializer<'de>,
{
    let Named { command, content } = Named::<Value>::deserialize(deserializer)?;
    C::read(&command, &content.unwrap_or_default().to_string()).map_err(|error| match &error {
        // Its line and column are those of a text that the caller has never seen.
        ByNameError::Read(ReadCommandError::Malformed { source, .. }) => {
            let place = format!(" at line {} column {}", source.line(), source.column());
            let cause = source.to_string();
            D::Error::custom(format_args!("{error}: {}", cause.strip_suffix(&place).unwrap_or(&cause)))
        }
        _ => D::Error::custom(error),
    })
}

/// Whether all commands of an application are `Serialize`.
#[must_use]
pub const fn writes_all<C: ApplicationCommand>() -> bool {
    let mut aggregates = C::AGGREGATES;
    while let [CommandsOf { kinds, .. }, later @ ..] = aggregates {
        let mut kinds = *kinds;
        while let [kind, others @ ..] = kinds {
            if !kind.writable {
                return false;
            }
            kinds = others;
        }
        aggregates = later;
    }
    true
}

/// Whether all commands are `Serialize`: `IS` says it.
///
/// The lifetime makes rustc ask where the enum is written, and not where its impl stands.
#[derive(Debug)]
pub struct WritesAll<'a, const IS: bool>(PhantomData<&'a ()>);

/// All commands of an application are `Serialize`.
#[diagnostic::on_unimplemented(
    message = "not all commands of the application can be written as JSON",
    label = "a command of the application does not derive `Serialize`",
    note = "derive `Serialize` for each command, also for those that are `internal`"
)]
pub trait AllWritten {}

impl AllWritten for WritesAll<'_, true> {}
