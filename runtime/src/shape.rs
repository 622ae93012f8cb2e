//! The shape of stored events, as data: what `events.lock` records and the derive compares.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::private::fingerprint_of;

/// One version of an event: the fields of its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The event's name.
    pub event: &'static str,
    /// The version.
    pub version: u32,
    /// Its fields, as serde names them; those of a tuple struct by number.
    pub fields: Vec<FieldShape>,
}

/// One field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's name in JSON.
    pub name: &'static str,
    /// Its type, as it is written, without the path.
    pub ty: &'static str,
    /// The fingerprint of the type's own shape, if that derives [`EventSchema`]; otherwise 0.
    pub fingerprint: u64,
}

/// Adds what [`DerivedEvent::SHAPES`](crate::derived::DerivedEvent::SHAPES) says. That is text, because a literal is what
/// rustc has least to do with.
///
/// A line for each version, and below it one for each field: a space, the type, ` #` and a number if that many of the
/// fingerprints make its own, a tab, the name. Before them come those of the struct that was the event before.
pub(crate) fn read_shapes(
    event: &'static str,
    previous: Option<fn(&mut Vec<Shape>)>,
    text: &'static str,
    fingerprints: &[u64],
    out: &mut Vec<Shape>,
) {
    if let Some(previous) = previous {
        previous(out);
    }
    let mut fingerprints = fingerprints.iter().copied();
    for line in text.lines() {
        let Some((ty, name)) = line.strip_prefix(' ').and_then(|field| field.split_once('\t')) else {
            out.push(Shape { event, version: line.parse().unwrap_or_default(), fields: Vec::new() });
            continue;
        };
        let (ty, count) = ty.rsplit_once(" #").unwrap_or((ty, "0"));
        let parts: Vec<u64> = fingerprints.by_ref().take(count.parse().unwrap_or_default()).collect();
        if let Some(shape) = out.last_mut() {
            shape.fields.push(FieldShape { name, ty, fingerprint: fingerprint_of(&parts) });
        }
    }
}

/// A type inside events whose shape is part of theirs.
///
/// Derive it on structs and enums that are fields of events: a change of them then counts as a change of every event that
/// has them, and `events.lock` notices, wherever in a field's type they are written. It is implemented for some containers
/// of such types as well, for the sake of type aliases.
///
/// ```
/// use factum::EventSchema;
///
/// #[derive(EventSchema)]
/// struct Address {
///     street: String,
///     country: Country,
/// }
///
/// #[derive(EventSchema)]
/// enum Country {
///     Italy,
///     Other(String),
/// }
///
/// assert_ne!(Address::FINGERPRINT, Country::FINGERPRINT);
/// ```
///
/// The fingerprint is made of the names and types of fields and variants and of serde's attributes, not of the type's own
/// name. A type that contains itself can't have one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no shape to record",
    label = "this type does not derive `EventSchema`",
    note = "annotate `{Self}` with `#[derive(EventSchema)]`"
)]
pub trait EventSchema {
    /// Changes when a field, a variant or a serde attribute does; never 0.
    const FINGERPRINT: u64;
}

macro_rules! as_their_parts {
    ($($text:literal $container:ty),* $(,)?) => {$(
        impl<T: EventSchema> EventSchema for $container {
            const FINGERPRINT: u64 = container($text, &[T::FINGERPRINT]);
        }
    )*};
}

as_their_parts! {
    "Option" Option<T>,
    "Box" Box<T>,
    "list" Vec<T>,
    "list" VecDeque<T>,
    "list" BTreeSet<T>,
}

impl<T: EventSchema, S> EventSchema for HashSet<T, S> {
    const FINGERPRINT: u64 = container("list", &[T::FINGERPRINT]);
}

impl<K, V: EventSchema> EventSchema for BTreeMap<K, V> {
    const FINGERPRINT: u64 = container("map", &[V::FINGERPRINT]);
}

impl<K, V: EventSchema, S> EventSchema for HashMap<K, V, S> {
    const FINGERPRINT: u64 = container("map", &[V::FINGERPRINT]);
}

impl<T: EventSchema, const N: usize> EventSchema for [T; N] {
    const FINGERPRINT: u64 = container("array", &[N as u64, T::FINGERPRINT]);
}

/// The fingerprint of a container, by what its JSON is, and of what it contains.
const fn container(text: &str, parts: &[u64]) -> u64 {
    let mut hash = hashed(FNV_OFFSET, text);
    let mut index = 0;
    while index < parts.len() {
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    never_zero(hash)
}

/// FNV-1a, after Fowler, Noll and Vo: simple enough for constants, and the same in every build.
pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

pub(crate) const fn hashed(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    // What follows is another part.
    (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3)
}

pub(crate) const fn mixed(mut hash: u64, part: u64) -> u64 {
    let bytes = part.to_le_bytes();
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(0x0100_0000_01b3);
        index += 1;
    }
    hash
}

pub(crate) const fn never_zero(hash: u64) -> u64 {
    if hash == 0 { 1 } else { hash }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_from_their_text() {
        let mut shapes = Vec::new();
        read_shapes(
            "sent",
            None,
            "1\n2\n String\tto whom\n Map<Place,Side> #3\tplaces\n [u8;4]\tcode\n",
            &[0, 7, 8],
            &mut shapes,
        );
        let field = |name, ty, fingerprint| FieldShape { name, ty, fingerprint };
        let fields = vec![
            field("to whom", "String", 0),
            field("places", "Map<Place,Side>", fingerprint_of(&[0, 7, 8])),
            field("code", "[u8;4]", 0),
        ];
        let expected = [
            Shape { event: "sent", version: 1, fields: Vec::new() },
            Shape { event: "sent", version: 2, fields },
        ];
        assert_eq!(shapes, expected);
    }
}
