//! The traits of listed events and commands, which the code that `derive(Aggregate)` generates uses.
//!
//! [`Event`] and [`Command`] have the supertrait `Debug`: rustc would report a type without `Debug` at every
//! use of them. The traits here do not, so rustc reports it once, at the type's own derive.

use std::fmt;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::command::Command;
use crate::domain::command_mark::CommandMark;
use crate::domain::command_set::CommandKind;
use crate::domain::event::{Event, EventKind};
use crate::domain::event_schema::Shape;
use crate::domain::read_command::ReadCommandError;

/// An event in an aggregate's list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`"
)]
pub trait ListedEvent: Sized {
    /// [`Event::NAME`].
    const NAME: &'static str;
    /// [`Event::VERSION`].
    const VERSION: u32;
    /// The name, the version and the aliases.
    const KIND: EventKind;
    /// [`Event::LOWERED`].
    const LOWERED: Option<&'static str>;

    /// [`Event::encode`].
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;
    /// [`Event::decode`].
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError>;
    /// [`Event::shapes`].
    fn shapes(out: &mut Vec<Shape>);

    /// Formats the event as a tuple variant with the name `variant`.
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<E: Event> ListedEvent for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const KIND: EventKind = EventKind::of::<E>();
    const LOWERED: Option<&'static str> = E::LOWERED;

    #[inline]
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Event::encode(self, out)
    }

    #[inline]
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {
        <E as Event>::decode(version, payload)
    }

    #[inline]
    fn shapes(out: &mut Vec<Shape>) {
        <E as Event>::shapes(out);
    }

    #[inline]
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        variant_of(self, variant, f)
    }
}

fn variant_of(inner: &dyn fmt::Debug, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_tuple(variant.trim_start_matches("r#")).field(inner).finish()
}

/// A command in the list of an aggregate with ids of type `I`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "annotate `{Self}` with `#[derive(Debug, Command)]` and mark its id field with `#[command(id)]`"
)]
pub trait ListedCommand<I>: Sized {
    /// [`Command::NAME`].
    const NAME: &'static str;
    /// The name, the fields, and how the command may be used.
    const KIND: CommandKind;

    /// [`Command::READ`].
    fn read(json: &str) -> Result<Self, ReadCommandError>;

    /// [`Command::aggregate_id`].
    fn id(&self) -> &I;

    /// [`Command::mark`].
    fn mark(&self) -> CommandMark;

    /// [`Command::again`].
    fn again(&self) -> Option<Self>;

    /// Formats the command as a tuple variant with the name `variant`.
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<C, I> ListedCommand<I> for C
where
    C: Command,
    C::Id: IdFor<I, C>,
{
    const NAME: &'static str = C::NAME;
    const KIND: CommandKind = CommandKind::of::<C>();

    fn read(json: &str) -> Result<Self, ReadCommandError> {
        let Some(read) = C::READ else { return Err(ReadCommandError::NotReadable { name: C::NAME }) };
        read(json).map_err(|error| ReadCommandError::malformed(C::NAME, json, error))
    }

    #[inline]
    fn id(&self) -> &I {
        <C::Id as IdFor<I, C>>::id(self)
    }

    fn mark(&self) -> CommandMark {
        Command::mark(self)
    }

    fn again(&self) -> Option<Self> {
        Command::again(self)
    }

    #[inline]
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        variant_of(self, variant, f)
    }
}

/// The id type of the command `C` is the aggregate's `I`.
///
/// A trait, because an equality of types can't have an error message of its own.
#[diagnostic::on_unimplemented(
    message = "the command `{C}` has the id `{Self}`, and the aggregate that lists it has the id `{I}`",
    label = "`{C}` is for an aggregate with another id",
    note = "make the `#[command(id)]` field of `{C}` a `{I}`, or the aggregate's `id` a `{Self}`"
)]
pub trait IdFor<I, C> {
    /// [`Command::aggregate_id`].
    fn id(command: &C) -> &I;
}

impl<I, C: Command<Id = I>> IdFor<I, C> for I {
    #[inline]
    fn id(command: &C) -> &I {
        command.aggregate_id()
    }
}
