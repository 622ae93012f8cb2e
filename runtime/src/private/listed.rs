//! Events and commands as a list of them sees them.
//!
//! What generated code asks of a listed type, it asks here and not of [`Event`] or [`Command`] itself: these have `Debug` above
//! them, and a type without it would be told of at each question, not once where it derives.

use std::fmt;

use crate::command::Command;
use crate::event::{DecodeError, EncodeError, Event, EventKind};
use crate::shape::Shape;

/// An event in a list.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`"
)]
// Constants, which are the functions themselves: functions that call them would be compiled for each event.
pub trait ListedEvent: Sized {
    /// [`Event::NAME`].
    const NAME: &'static str;
    /// [`Event::VERSION`].
    const VERSION: u32;
    /// Both, and the earlier names.
    const KIND: EventKind;

    /// [`Event::encode`].
    const ENCODE: fn(&Self, &mut Vec<u8>) -> Result<(), EncodeError>;
    /// [`Event::decode`].
    const DECODE: fn(u32, &str) -> Result<Self, DecodeError>;
    /// [`Event::shapes`].
    const SHAPES: fn(&mut Vec<Shape>);

    /// The variant of that name, with the event in it.
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<E: Event> ListedEvent for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const KIND: EventKind = EventKind::of::<E>();

    const ENCODE: fn(&Self, &mut Vec<u8>) -> Result<(), EncodeError> = E::encode;
    const DECODE: fn(u32, &str) -> Result<Self, DecodeError> = E::decode;
    const SHAPES: fn(&mut Vec<Shape>) = E::shapes;

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
    /// [`Command::aggregate_id`].
    const ID: fn(&Self) -> &I;

    /// The variant of that name, with the command in it.
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<C, I> ListedCommand<I> for C
where
    C: Command,
    C::Id: IdFor<I, C>,
{
    const ID: fn(&Self) -> &I = <C::Id as IdFor<I, C>>::ID;

    #[inline]
    fn debug(&self, variant: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        variant_of(self, variant, f)
    }
}

/// That the id of the command `C` is the aggregate's `I`: an equality whose failure can be explained.
#[diagnostic::on_unimplemented(
    message = "the command `{C}` has the id `{Self}`, and the aggregate that lists it has the id `{I}`",
    label = "`{C}` is for an aggregate with another id",
    note = "make the `#[command(id)]` field of `{C}` a `{I}`, or the aggregate's `id` a `{Self}`"
)]
pub trait IdFor<I, C> {
    /// [`Command::aggregate_id`].
    const ID: fn(&C) -> &I;
}

impl<I, C: Command<Id = I>> IdFor<I, C> for I {
    const ID: fn(&C) -> &I = C::aggregate_id;
}
