//! The traits of listed events and commands, which the code that `derive(Aggregate)` generates uses.
//!
//! [`Event`] and [`Command`] have the supertrait `Debug`: rustc would report a type without `Debug` at every
//! use of them. The traits here do not, so rustc reports it once, at the type's own derive.

use std::fmt;

use crate::domain::codec_error::DecodeError;
use crate::domain::command::Command;
use crate::domain::command_set::CommandKind;
use crate::domain::event::{Event, EventKind};
use crate::domain::event_schema::Shape;
use crate::domain::event_set::Decoded;
use crate::domain::read_command::ReadCommandError;
use crate::macro_support::derived_command_set::AnyCommand;
use crate::macro_support::derived_event_set::AnyEvent;

/// An event in an aggregate's list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`"
)]
pub trait ListedEvent: Sized {
    /// [`Event::NAME`].
    const NAME: &'static str;
    /// The name, the version and the aliases.
    const KIND: EventKind;
    /// [`Event::LOWERED`].
    const LOWERED: Option<&'static str>;

    /// [`Event::decode`].
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError>;
    /// The event as one of the set `S`.
    fn read<S: From<Self>>(version: u32, payload: &str) -> Result<Decoded<S>, DecodeError>;
    /// [`Event::shapes`].
    fn shapes(out: &mut Vec<Shape>);
    /// The event without its type.
    fn any(&self) -> &dyn AnyEvent;
}

impl<E: Event> ListedEvent for E {
    const NAME: &'static str = E::NAME;
    const KIND: EventKind = EventKind::of::<E>();
    const LOWERED: Option<&'static str> = E::LOWERED;

    #[inline]
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {
        <E as Event>::decode(version, payload)
    }

    fn read<S: From<Self>>(version: u32, payload: &str) -> Result<Decoded<S>, DecodeError> {
        Ok(Decoded::One(<E as Event>::decode(version, payload)?.into()))
    }

    #[inline]
    fn shapes(out: &mut Vec<Shape>) {
        <E as Event>::shapes(out);
    }

    #[inline]
    fn any(&self) -> &dyn AnyEvent {
        self
    }
}

pub(super) fn variant_of(inner: &dyn fmt::Debug, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.debug_tuple(variant.trim_start_matches("r#")).field(inner).finish()
}

/// A command in the list of an aggregate with ids of type `I`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command",
    label = "this type does not derive `Command`",
    note = "annotate `{Self}` with `#[derive(Debug, Command)]` and mark its id field with `#[command(id)]`"
)]
pub trait ListedCommand<I>: Sized {
    /// The name, the fields, and how the command may be used.
    const KIND: CommandKind;

    /// Reads the command, as one of the set `S`, from JSON.
    fn read<S: From<Self>>(json: &str) -> Result<S, ReadCommandError>;

    /// The command, as one of the set `S`, without its type.
    fn any<S: From<Self>>(&self) -> &dyn AnyCommand<I, S>;
}

impl<C, I> ListedCommand<I> for C
where
    C: Command + 'static,
    C::Id: IdFor<I, C>,
{
    const KIND: CommandKind = CommandKind::of::<C>();

    fn read<S: From<Self>>(json: &str) -> Result<S, ReadCommandError> {
        let Some(read) = C::READ else { return Err(ReadCommandError::NotReadable { name: C::NAME }) };
        read(json).map(S::from).map_err(|error| ReadCommandError::malformed(C::NAME, json, error))
    }

    #[inline]
    fn any<S: From<Self>>(&self) -> &dyn AnyCommand<I, S> {
        self
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
