//! The shapes of stored events, as data. `events.lock` records them, and the derives compare them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::domain::hash::fingerprint;

/// One version of an event: the fields of its JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The event's name.
    pub event: &'static str,
    /// The event version.
    pub version: u32,
    /// The fields of the JSON, as serde names them; those of a tuple struct by number.
    pub fields: Vec<FieldShape>,
    /// The folder of the `Cargo.toml` of the package that defines the event, on the machine that compiled it.
    pub folder: Option<&'static str>,
}

/// One field of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's name in JSON.
    pub name: &'static str,
    /// The field's type as the source names it, without the path.
    pub ty: &'static str,
    /// The fingerprint of the type's own shape, if the type derives [`EventSchema`]; otherwise 0.
    pub fingerprint: u64,
}

/// A type inside events, whose shape is part of the events' own shapes.
///
/// Derive it on structs and enums that are fields of events, or part of a field's type. A change of such a
/// type then counts as a change of every event that has it, and `events.lock` reports the change. Some
/// containers implement the trait too, for fields whose type is an alias.
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
/// The fingerprint covers the names and types of fields and variants, and serde's attributes. The type's own
/// name is not part of it.
///
/// A type may contain itself by its name, as in `Vec<Self>`. Where a type leads back to itself in another way, through a
/// second type or a path, rustc reports a cycle. Mark one field of that cycle with `#[event_schema(recursive)]`: the
/// fingerprint then leaves out what is inside of that field's type.
///
/// ```
/// use factum::EventSchema;
///
/// #[derive(EventSchema)]
/// struct Folder {
///     entries: Vec<Entry>,
/// }
///
/// #[derive(EventSchema)]
/// enum Entry {
///     File(String),
///     Folder(#[event_schema(recursive)] Folder),
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no shape to record",
    label = "this type does not derive `EventSchema`",
    note = "annotate `{Self}` with `#[derive(EventSchema)]`"
)]
pub trait EventSchema {
    /// The hash of the type's shape: changes when a field, a variant or a serde attribute does; never 0.
    const FINGERPRINT: u64;
}

macro_rules! containers {
    ($($text:literal $container:ty),* $(,)?) => {$(
        impl<T: EventSchema> EventSchema for $container {
            const FINGERPRINT: u64 = fingerprint($text, &[T::FINGERPRINT]);
        }
    )*};
}

containers! {
    "Option" Option<T>,
    "Box" Box<T>,
    "list" Vec<T>,
    "list" VecDeque<T>,
    "list" BTreeSet<T>,
}

impl<T: EventSchema, S> EventSchema for HashSet<T, S> {
    const FINGERPRINT: u64 = fingerprint("list", &[T::FINGERPRINT]);
}

impl<K, V: EventSchema> EventSchema for BTreeMap<K, V> {
    const FINGERPRINT: u64 = fingerprint("map", &[V::FINGERPRINT]);
}

impl<K, V: EventSchema, S> EventSchema for HashMap<K, V, S> {
    const FINGERPRINT: u64 = fingerprint("map", &[V::FINGERPRINT]);
}

impl<T: EventSchema, const N: usize> EventSchema for [T; N] {
    const FINGERPRINT: u64 = fingerprint("array", &[N as u64, T::FINGERPRINT]);
}
