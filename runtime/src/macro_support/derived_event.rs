//! The trait that `derive(Event)` implements, and the impl of [`Event`] that follows from it.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event::Event;
use crate::domain::event_schema::{FieldShape, Shape};
use crate::domain::type_shape::{EventParts, EventStructure, FieldNotes, Form};
use crate::macro_support::old_versions::unreadable;

/// The name of an event, the folder of the package that defines it, and its shapes as text.
///
/// The text of the shapes has a line for each version, and after it a line for each field:
///
/// ```text
/// 1
/// cents: u64
/// place: 1 Place
/// ```
///
/// A type that is not one of Rust's own has the number that [`DerivedEvent::parts`] knows it by. The character
/// after the first version separates the lines: a newline, unless a field's name has one.
// A text, and no list of fields: rustc interprets the lists in a crate's constants when it checks the crate. One constant for
// all three: a further one costs rustc more than what is in it.
pub type ConstEvent = (&'static str, Option<&'static str>, &'static str);

/// What `derive(Event)` declares about an event. Every type with this trait is an [`Event`].
///
/// An impl by hand should be one of [`Event`], which is as short.
// All derived events share one impl of `Event`: rustc compiles that faster than two more functions for each
// event.
pub trait DerivedEvent: Debug + Stored + 'static {
    /// See [`Event::NAME`], and each version that the struct itself can read, with its fields.
    const EVENT: ConstEvent;

    /// See [`Event::VERSION`].
    const VERSION: u32 = 1;

    /// See [`Event::ALIASES`].
    const ALIASES: &'static [&'static str] = &[];

    /// See [`Event::LOWERED`].
    #[doc(hidden)]
    const LOWERED: Option<&'static str> = None;

    /// Adds the types that fields are written with, by the numbers of these fields' types.
    fn parts(_: &mut EventParts) {}

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
    const NAME: &'static str = E::EVENT.0;
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
        let mut parts = EventParts::default();
        E::parts(&mut parts);
        let (event, folder, text) = E::EVENT;
        for (version, fields) in shapes_of(text) {
            let shape = |(name, of, ty)| FieldShape { name, ty, fingerprint: parts.fingerprint(of) };
            let fields = fields.into_iter().map(shape);
            let structure = EventStructure { form: E::FORM, notes: E::NOTES, parts: parts.clone() };
            out.push(Shape { event, version, fields: fields.collect(), folder, structure });
        }
    }
}

/// The name of a field, the number of its type or 0, and the type.
type WrittenField = (&'static str, usize, &'static str);

/// Reads the shapes of [`ConstEvent`]: the fields of each version.
fn shapes_of(text: &'static str) -> Vec<(u32, Vec<WrittenField>)> {
    let end = text.chars().find(|char| !char.is_ascii_digit()).unwrap_or('\n');
    let mut shapes = Vec::new();
    for line in text.split(end) {
        if let Ok(version) = line.parse() {
            shapes.push((version, Vec::new()));
        } else if let (Some((name, ty)), Some((_, fields))) = (line.rsplit_once(": "), shapes.last_mut()) {
            let numbered = ty.split_once(' ').and_then(|(of, ty)| Some((of.parse().ok()?, ty)));
            let (of, ty) = numbered.unwrap_or((0, ty));
            fields.push((name, of, ty));
        }
    }
    shapes
}

/// A type that serde can write and read.
// One trait for both, without supertraits: rustc reports an event that derives neither once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be stored: it does not derive both `Serialize` and `Deserialize`",
    label = "stored as JSON, which serde's derives write and read",
    note = "annotate `{Self}` with `#[derive(Serialize, Deserialize)]` as well, after `use serde::{{Deserialize, Serialize}};`"
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_from_their_text() {
        assert_eq!(shapes_of("1"), [(1, vec![])]);
        assert_eq!(
            shapes_of("1\nsum: u64\n12\ncents: u64\nplaces: 1 Vec<Place>"),
            [(1, vec![("sum", 0, "u64")]), (12, vec![("cents", 0, "u64"), ("places", 1, "Vec<Place>")])]
        );
        // Names in JSON may have anything in them.
        assert_eq!(
            shapes_of("1\u{1}two\nlines: u8\u{1}: u16\u{1}2: u32"),
            [(1, vec![("two\nlines", 0, "u8"), ("", 0, "u16"), ("2", 0, "u32")])]
        );
    }
}
