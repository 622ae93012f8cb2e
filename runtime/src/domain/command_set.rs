//! The trait of the command enum, and what it says of its commands.

use std::any::Any;
use std::fmt::Debug;

use crate::domain::command::Command;
use crate::domain::command_fields::CommandFields;
use crate::domain::command_mark::{CommandMark, type_name};
use crate::domain::command_traits::CommandTraits;
use crate::domain::emitted::Emitted;
use crate::domain::invalid_command::InvalidCommand;
use crate::domain::misspelling::nearest;
use crate::domain::read_command::ReadCommandError;

/// The closed set of commands of one aggregate: the enum that `derive(Aggregate)` generates.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the command enum of an aggregate",
    label = "`derive(Aggregate)` has not generated this type"
)]
pub trait CommandSet: Debug + Sized {
    /// Every command of the set, in the order in which the aggregate lists them.
    const KINDS: &'static [CommandKind];

    /// Which events each command leads to, in the same order. The default, for an impl by hand, does not say it.
    #[doc(hidden)]
    const EMITS: &'static [fn() -> Emitted] = &[];

    /// The id type of the aggregate that takes the commands.
    type Id;

    /// The id of the aggregate that this command is for.
    fn aggregate_id(&self) -> &Self::Id;

    /// The [name](Command::NAME) of this command.
    fn name(&self) -> &'static str;

    /// Reads the command of this name from its JSON.
    ///
    /// The default, for an impl by hand, reads none.
    fn read(name: &str, json: &str) -> Result<Self, ReadCommandError> {
        let _ = json;
        Err(no_command(name, Self::KINDS))
    }

    /// [`Command::again`] of this command.
    fn again(&self) -> Option<Self> {
        None
    }

    /// The command as JSON; `None` if it is not `Serialize`.
    #[doc(hidden)]
    fn write(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        None
    }

    /// [`Command::validate`] of this command.
    fn validate(&self) -> Result<(), InvalidCommand> {
        Ok(())
    }

    /// The struct of this command, for a caller that asks for its type. The default, for an impl by hand, is the set itself.
    fn as_any(&self) -> &dyn Any
    where
        Self: 'static,
    {
        self
    }

    /// [`Command::mark`] of this command.
    fn mark(&self) -> CommandMark {
        CommandMark::of(self, type_name::<Self>(), 0, None)
    }
}

/// What a [`Command`] says of itself, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandKind {
    /// [`Command::NAME`].
    pub name: &'static str,
    /// [`Command::FIELDS`].
    pub fields: CommandFields,
    /// [`Command::INTERNAL`].
    pub internal: bool,
    /// Whether the command can be read from JSON.
    pub readable: bool,
    /// Whether the command can be written as JSON.
    pub writable: bool,
}

impl CommandKind {
    /// The kind of the command type `C`.
    #[must_use]
    pub const fn of<C: Command>() -> Self {
        Self {
            name: C::NAME,
            fields: C::FIELDS,
            internal: C::INTERNAL,
            readable: C::READ.is_some(),
            writable: matches!(C::TRAITS, Some(CommandTraits { content: Some(_), .. })),
        }
    }
}

/// How many characters of an unknown name an error shows.
const LONGEST_NAME: usize = 64;

/// The error for a name that no command has, or that no impl reads.
#[cold]
#[must_use]
pub(crate) fn no_command(name: &str, kinds: &[CommandKind]) -> ReadCommandError {
    if let Some(kind) = kinds.iter().find(|kind| kind.name == name) {
        return ReadCommandError::NotReadable { name: kind.name };
    }
    let meant = nearest(name, kinds.iter().map(|kind| kind.name));
    ReadCommandError::UnknownName { name: shortened(name), meant }
}

/// A name from outside as an error shows it: it may be as long as its sender likes.
fn shortened(name: &str) -> String {
    match name.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
