//! The trait that `derive(Event)` implements, and the impl of [`Event`] that follows from it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event::Event;
use crate::domain::event_schema::{FieldShape, Shape};
use crate::domain::hash::fingerprint_of;
use crate::domain::type_shape::{EventParts, EventStructure, FieldNotes, Form};
use crate::macro_support::old_versions::unreadable;

/// The folder of the package that defines an event; its versions, each with the name and the type of its fields, and the number
/// of that type in the list that follows, or 0 for one of Rust's own.
// One constant costs rustc less than one for each part.
pub type ConstShapes =
    (Option<&'static str>, &'static [(u32, &'static [(&'static str, &'static str, usize)])], EventParts);

/// What `derive(Event)` declares about an event. Every type with this trait is an [`Event`].
///
/// An impl by hand should be one of [`Event`], which is as short.
// All derived events share one impl of `Event`: rustc compiles that faster than two more functions for each
// event.
pub trait DerivedEvent: Debug + Stored + 'static {
    /// See [`Event::NAME`].
    const NAME: &'static str;

    /// See [`Event::VERSION`].
    const VERSION: u32 = 1;

    /// See [`Event::ALIASES`].
    const ALIASES: &'static [&'static str] = &[];

    /// See [`Event::LOWERED`].
    #[doc(hidden)]
    const LOWERED: Option<&'static str> = None;

    /// Each version that the struct itself can read, with its fields. Only `lock!` and models contain this constant.
    const SHAPES: ConstShapes;

    /// The form of the struct in JSON.
    #[doc(hidden)]
    const FORM: Form = Form::Named;

    /// What serde's attributes say of fields, by version and name.
    #[doc(hidden)]
    const NOTES: FieldNotes = &[];

    /// [`Event::shapes`] of the previous struct, if there is one.
    #[doc(hidden)]
    const PREVIOUS: Option<fn(&mut Vec<Shape>)> = None;

    /// See [`Event::decode`]: reads the older versions for which the event declares changes.
    #[doc(hidden)]
    fn read_older(version: u32, _: &str) -> Result<Self, DecodeError> {
        unreadable(version)
    }
}

// Hides this impl in error messages: a type without the derive lacks `Event`, not `DerivedEvent`.
#[diagnostic::do_not_recommend]
impl<E: DerivedEvent> Event for E {
    const NAME: &'static str = E::NAME;
    const VERSION: u32 = E::VERSION;
    const ALIASES: &'static [&'static str] = E::ALIASES;
    const LOWERED: Option<&'static str> = E::LOWERED;

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
        if let Some(previous) = E::PREVIOUS {
            previous(out);
        }
        let (folder, shapes, parts) = E::SHAPES;
        for &(version, fields) in shapes {
            let fields = fields.iter().map(|&(name, ty, typed)| FieldShape {
                name,
                ty,
                fingerprint: typed.checked_sub(1).and_then(|index| parts.get(index)).map_or(0, |parts| {
                    let parts: Vec<_> = parts.iter().map(|(_, (fingerprint, _))| *fingerprint).collect();
                    fingerprint_of(&parts)
                }),
            });
            let structure = EventStructure { form: E::FORM, notes: E::NOTES, parts };
            out.push(Shape { event: E::NAME, version, fields: fields.collect(), folder, structure });
        }
    }
}

/// A type that serde can write and read.
// One trait for both, without supertraits: rustc reports an event that derives neither once.
#[diagnostic::on_unimplemented(
    message = "the event `{Self}` can't be stored: it does not derive both `Serialize` and `Deserialize`",
    label = "stored as JSON, which serde's derives write and read",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`, after `use serde::{{Deserialize, Serialize}};`"
)]
pub trait Stored: Sized {
    /// Appends the event, as JSON text, to `out`.
    fn to_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;

    /// Reads the event from JSON text.
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
