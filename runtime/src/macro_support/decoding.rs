//! Decoding of a stored event into an event enum, by the event's name.

use crate::domain::codec_error::DecodeError;
use crate::domain::event::EventKind;
use crate::domain::event_set::{Decoded, EventSet};

/// The current name of the event that has the alias `name`.
#[cold]
#[must_use]
pub fn current_name(kinds: &[EventKind], name: &str) -> Option<&'static str> {
    // The caller has tried the kind whose current name is `name`; to return it again would lead to an endless
    // recursion.
    kinds.iter().find(|kind| kind.name != name && kind.aliases.contains(&name)).map(|kind| kind.name)
}

/// Whether the stored `name` is the name `of` an event.
#[inline]
#[must_use]
pub fn name_is(name: &str, of: &str) -> bool {
    name == of
}

/// Decodes an event that is stored under an alias of a listed or retired event.
#[cold]
pub fn decode_other<E: EventSet>(name: &str, version: u32, payload: &str) -> Result<Decoded<E>, DecodeError> {
    match current_name(E::KINDS, name).or_else(|| current_name(E::RETIRED, name)) {
        Some(name) => E::decode(name, version, payload),
        None => Err(DecodeError::UnknownName { name: name.to_owned(), version }),
    }
}
