//! The trait of commands.

use std::fmt::Debug;

use crate::domain::command_fields::CommandFields;
use crate::domain::command_mark::{CommandMark, type_name};
use crate::domain::command_traits::{CommandTraits, ReadCommand};
use crate::domain::invalid_command::InvalidCommand;

/// A request to an aggregate, named in the imperative. The aggregate may refuse it.
///
/// Derive it and mark the field that has the aggregate's id:
///
/// ```
/// use factum::prelude::*;
///
/// #[derive(Debug, Command)]
/// struct DepositMoney {
///     #[command(id)]
///     account: String,
///     cents: u64,
/// }
///
/// let command = DepositMoney { account: "alice".into(), cents: 50 };
/// assert_eq!(command.aggregate_id(), "alice");
/// ```
///
/// A tuple struct with one field needs no mark: `struct CloseAccount(AccountId);`. A command without fields
/// (`struct Tick;`) has the id `()`, for an aggregate that has only one instance.
///
/// The derive takes `#[command(..)]` with these keys:
///
/// | key | meaning |
/// |---|---|
/// | `id` | on a field: it has the aggregate's id |
/// | `singleton` | there is only one aggregate of the kind, and no field has its id |
/// | `name = "deposit-money"` | the [name](Self::NAME); without it, the type's name in kebab case |
/// | `internal` | the command comes from the program itself, never from outside by its name |
/// | `crate = path` | the path of `factum`, if it is re-exported; a name that `Cargo.toml` gives it is found |
///
/// # Validation
///
/// `#[validate(path)]` names a function that checks a field, or the whole struct. It runs before anything is read or decided,
/// however the command is sent:
///
/// ```
/// use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Booked;
///
/// #[derive(Debug, Command)]
/// #[validate(Book::ends_after_it_begins)]
/// struct Book {
///     #[command(id)]
///     room: String,
///     #[validate(not_empty)]
///     guest: String,
///     from: u32,
///     to: u32,
/// }
///
/// fn not_empty(text: &str) -> Result<(), &'static str> {
///     if text.is_empty() { Err("must not be empty") } else { Ok(()) }
/// }
///
/// impl Book {
///     fn ends_after_it_begins(&self) -> Result<(), String> {
///         if self.from < self.to { Ok(()) } else { Err(format!("ends on day {}, before it begins", self.to)) }
///     }
/// }
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Book), events(Booked))]
/// # struct Room;
/// # #[handlers] impl Room {
/// #     #[execute] fn book(&self, _: Book) -> Booked { Booked }
/// #     #[apply] fn booked(&mut self, _: &Booked) {}
/// # }
/// # let rooms = MemoryStore::new().repository::<Room>();
///
/// let error = rooms.execute(Book { room: "1".into(), guest: "".into(), from: 7, to: 3 }).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the command `book` is invalid: `guest`: must not be empty; ends on day 3, before it begins"
/// );
/// let ExecuteError::Invalid(invalid) = error else { unreachable!() };
/// assert_eq!(invalid.failures[0].field, Some("guest"));
/// ```
///
/// * The function takes a reference to the field or to the struct, and returns `Result<(), E>`: `E` is an error or a text.
/// * The attribute may stand several times. All checks run, and the error has each failure
///   ([`ExecuteError::Invalid`](crate::ExecuteError::Invalid)).
/// * A check sees the command alone. What depends on the aggregate's state is for its handler to refuse.
/// * Each command of a batch or a unit of work is checked before it is decided on.
/// * An invalid command of a process is a dead letter, which holds its instance. One of a timer is a dead letter too. One of a
///   reaction is an error of [`Delivery::execute`](crate::follow::Delivery::execute).
/// * With an idempotency key that is known, the command is checked all the same.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "annotate `{Self}` with `#[derive(Debug, Command)]` and mark its id field with `#[command(id)]`"
)]
pub trait Command: Debug + Sized {
    /// The name by which callers outside of the program, and stored commands, know the command.
    ///
    /// It stays if the struct is renamed.
    const NAME: &'static str;

    /// The name and the type of each field, as they are written.
    const FIELDS: CommandFields = match Self::TRAITS {
        Some(CommandTraits { fields, .. }) => fields,
        None => CommandFields::new(""),
    };

    /// Whether only the program itself sends the command.
    const INTERNAL: bool = false;

    /// How the command is read from JSON; `None` if it does not derive `Deserialize`.
    const READ: Option<ReadCommand<Self>> = match Self::TRAITS {
        Some(CommandTraits { read, .. }) => read,
        None => None,
    };

    /// What the derive says of the struct.
    // All in one constant: each further one costs rustc more than what is in it.
    #[doc(hidden)]
    const TRAITS: Option<CommandTraits<Self>> = None;

    /// The id type of the aggregate that takes the command.
    type Id;

    /// The id of the aggregate that the command is for.
    fn aggregate_id(&self) -> &Self::Id;

    /// A copy of the command; `None` if it can't be copied.
    ///
    /// A command that was decided on a state that was not stored after all is decided again. Without a copy, its
    /// caller gets a conflict. The derive copies a command that is `Clone`.
    fn again(&self) -> Option<Self> {
        Self::TRAITS?.copy.map(|copy| copy(self))
    }

    /// Checks the command by itself, before anything is read. See [above](#validation).
    ///
    /// The derive calls the functions in `#[validate(..)]`. Without any, every command is valid.
    fn validate(&self) -> Result<(), InvalidCommand> {
        Ok(())
    }

    /// What an idempotency key remembers of the command, to tell it from another one.
    ///
    /// The derive hashes what serde sees of a command that is `Serialize`, and otherwise its `Debug` text. An
    /// impl by hand gets the name of the type and the hash of its `Debug` text.
    fn mark(&self) -> CommandMark {
        match Self::TRAITS {
            Some(CommandTraits { name, shape, content, .. }) => {
                CommandMark::of(self, name, shape, content.and_then(|content| (content.hash)(self)))
            }
            None => CommandMark::of(self, type_name::<Self>(), 0, None),
        }
    }

    /// The command as JSON; `None` if it is not `Serialize`.
    #[doc(hidden)]
    fn write(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        Some((Self::TRAITS?.content?.write)(self))
    }
}
