//! The trait that the generated command enum implements, and the impl of [`CommandSet`] that follows from it.

use std::any::Any;
use std::fmt::{self, Debug};

use crate::domain::command::Command;
use crate::domain::command_mark::CommandMark;
use crate::domain::command_set::{CommandKind, CommandSet, no_command};
use crate::domain::emitted::Emitted;
use crate::domain::invalid_command::InvalidCommand;
use crate::domain::read_command::ReadCommandError;
use crate::macro_support::listed::{IdFor, variant_of};

/// Reads a command of the set `S` from JSON.
pub type ReadListedCommand<S> = fn(&str) -> Result<S, ReadCommandError>;

/// What `derive(Aggregate)` declares about its commands. Every type with this trait is a [`CommandSet`].
// One `match`, and one impl of `CommandSet` for all: rustc compiles these faster than a `match` in each method.
pub trait DerivedCommandSet: Debug + Sized + 'static {
    /// See [`CommandSet::KINDS`].
    const KINDS: &'static [CommandKind];

    /// See [`CommandSet::EMITS`].
    const EMITS: &'static [fn() -> Emitted];

    /// Reads each of the commands, in the order of the kinds.
    const READERS: &'static [ReadListedCommand<Self>];

    /// See [`CommandSet::Id`].
    type Id;

    /// The name of the variant, and the command in it.
    fn listed(&self) -> (&'static str, &dyn AnyCommand<Self::Id, Self>);
}

/// A command of the set `S`, for an aggregate with ids of type `I`. Its type is not known.
pub trait AnyCommand<I, S>: Debug {
    /// [`Command::NAME`].
    fn name(&self) -> &'static str;

    /// [`Command::aggregate_id`].
    fn id(&self) -> &I;

    /// [`Command::again`].
    fn again(&self) -> Option<S>;

    /// [`Command::mark`].
    fn mark(&self) -> CommandMark;

    /// [`Command::write`].
    fn write(&self) -> Option<Result<serde_json::Value, serde_json::Error>>;

    /// [`Command::validate`].
    fn validate(&self) -> Result<(), InvalidCommand>;

    /// The command, for a caller that asks for its type.
    fn as_any(&self) -> &dyn Any;
}

impl<C, I, S: From<C>> AnyCommand<I, S> for C
where
    C: Command + 'static,
    C::Id: IdFor<I, C>,
{
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn id(&self) -> &I {
        <C::Id as IdFor<I, C>>::id(self)
    }

    fn again(&self) -> Option<S> {
        Command::again(self).map(S::from)
    }

    fn mark(&self) -> CommandMark {
        Command::mark(self)
    }

    fn write(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        Command::write(self)
    }

    fn validate(&self) -> Result<(), InvalidCommand> {
        Command::validate(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

// Hides this impl in error messages.
#[diagnostic::do_not_recommend]
impl<S: DerivedCommandSet> CommandSet for S {
    const KINDS: &'static [CommandKind] = S::KINDS;
    const EMITS: &'static [fn() -> Emitted] = S::EMITS;

    type Id = S::Id;

    fn aggregate_id(&self) -> &S::Id {
        self.listed().1.id()
    }

    fn name(&self) -> &'static str {
        self.listed().1.name()
    }

    fn read(name: &str, json: &str) -> Result<Self, ReadCommandError> {
        match S::KINDS.iter().zip(S::READERS).find(|(kind, _)| kind.name == name) {
            Some((_, read)) => read(json),
            None => Err(no_command(name, S::KINDS)),
        }
    }

    fn again(&self) -> Option<Self> {
        self.listed().1.again()
    }

    fn mark(&self) -> CommandMark {
        self.listed().1.mark()
    }

    fn write(&self) -> Option<Result<serde_json::Value, serde_json::Error>> {
        self.listed().1.write()
    }

    fn validate(&self) -> Result<(), InvalidCommand> {
        self.listed().1.validate()
    }

    fn as_any(&self) -> &dyn Any {
        self.listed().1.as_any()
    }
}

/// Formats a command as a variant of its enum.
pub fn debug_command<I, S>(
    (variant, command): (&str, &dyn AnyCommand<I, S>),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    variant_of(&command, variant, f)
}
