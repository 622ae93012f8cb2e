//! What `derive(Event)` says of an event, and how it is an [`Event`] by that.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::event::{DecodeError, EncodeError, Event};
use crate::private::unreadable;
use crate::shape::{Shape, read_shapes};

/// What `derive(Event)` says of an event: whatever says it is an [`Event`].
///
/// Not to be written by hand: an impl of [`Event`] is as short.
// One impl of `Event` for all that are derived: rustc takes longer for two more functions in each of them than for
// finding out that this one fits.
pub trait DerivedEvent: Debug + Stored + 'static {
    /// See [`Event::NAME`].
    const NAME: &'static str;

    /// See [`Event::VERSION`].
    const VERSION: u32 = 1;

    /// See [`Event::ALIASES`].
    const ALIASES: &'static [&'static str] = &[];

    /// The fields of each version, as text that [`read_shapes`] reads.
    #[doc(hidden)]
    const SHAPES: &'static str;

    /// The fingerprints of the types in [`SHAPES`](Self::SHAPES) that may have one, in order.
    #[doc(hidden)]
    const FINGERPRINTS: &'static [u64] = &[];

    /// [`Event::shapes`] of the previous struct, if there is one.
    #[doc(hidden)]
    const PREVIOUS: Option<fn(&mut Vec<Shape>)> = None;

    /// See [`Event::decode`]: of all versions but the current one, those that the event declares a way from.
    #[doc(hidden)]
    fn read_older(version: u32, _: &str) -> Result<Self, DecodeError> {
        unreadable(version)
    }
}

// Who has forgotten the derive is to hear of the derive, not of what it generates.
#[diagnostic::do_not_recommend]
impl<E: DerivedEvent> Event for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const ALIASES: &'static [&'static str] = E::ALIASES;

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.to_json(out).map_err(EncodeError::json::<E>)
    }

    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError> {
        if version == E::VERSION {
            E::from_json(payload).map_err(|source| DecodeError::payload::<E>(version, source))
        } else {
            E::read_older(version, payload)
        }
    }

    fn shapes(out: &mut Vec<Shape>) {
        read_shapes(E::NAME, E::PREVIOUS, E::SHAPES, E::FINGERPRINTS, out);
    }
}

/// serde can write it and read it.
// Both in one trait, of which they are no supertraits: an event that derives neither is one mistake.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` can't be stored: it does not derive both `Serialize` and `Deserialize`",
    label = "stored as JSON, which serde's derives write and read",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`, after `use serde::{{Deserialize, Serialize}};`"
)]
pub trait Stored: Sized {
    /// Appends it as JSON to `out`.
    fn to_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;

    /// Reads it.
    fn from_json(json: &str) -> Result<Self, serde_json::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Stored for T {
    #[inline]
    fn to_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(out, self)
    }

    #[inline]
    fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}
