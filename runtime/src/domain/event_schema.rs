//! The shapes of stored events, as data. `events.lock` records them, and the derives compare them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use crate::domain::hash::fingerprint;
use crate::domain::json_schema;
use crate::domain::type_shape::{EventStructure, TypeKind, TypeShape};

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
    /// What names and types do not say of the JSON.
    #[doc(hidden)]
    pub structure: EventStructure,
}

impl Shape {
    /// The JSON Schema of the event's payload at this version, for programs that write or read it in another language.
    ///
    /// It follows JSON Schema 2020-12. The types of Rust and of its standard library, [`Uuid`](crate::Uuid) and
    /// [`Timestamp`](crate::Timestamp) are known by their names, and others by their [`EventSchema`]. Any other type, and a
    /// field that serde writes by a function, allow all values.
    ///
    /// ```
    /// use factum::prelude::*;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Debug, Serialize, Deserialize, Event)]
    /// struct MoneyDeposited {
    ///     cents: u32,
    ///     note: Option<String>,
    /// }
    ///
    /// let mut shapes = Vec::new();
    /// MoneyDeposited::shapes(&mut shapes);
    /// let schema = shapes[0].json_schema();
    /// assert_eq!(schema["title"], "money-deposited version 1");
    /// assert_eq!(schema["properties"]["cents"]["maximum"], u32::MAX);
    /// assert_eq!(schema["required"], serde_json::json!(["cents"]));
    /// ```
    #[must_use]
    pub fn json_schema(&self) -> serde_json::Value {
        json_schema::of_event(self)
    }
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

    /// The structure of the type's JSON; an impl by hand does not say it.
    #[doc(hidden)]
    #[must_use]
    fn shape() -> TypeShape {
        TypeShape::of::<Self>(TypeKind::Opaque, &[])
    }
}

macro_rules! containers {
    ($($text:literal $as:literal $container:ty),* $(,)?) => {$(
        impl<T: EventSchema> EventSchema for $container {
            const FINGERPRINT: u64 = fingerprint($text, &[T::FINGERPRINT]);

            fn shape() -> TypeShape {
                TypeShape::of::<Self>(TypeKind::Same($as), &[("T", Some(T::shape))])
            }
        }
    )*};
}

containers! {
    "Option" "Option<T>" Option<T>,
    "Box" "T" Box<T>,
    "list" "Vec<T>" Vec<T>,
    "list" "Vec<T>" VecDeque<T>,
    "list" "Vec<T>" BTreeSet<T>,
}

impl<T: EventSchema, S> EventSchema for HashSet<T, S> {
    const FINGERPRINT: u64 = fingerprint("list", &[T::FINGERPRINT]);

    fn shape() -> TypeShape {
        TypeShape::of::<Self>(TypeKind::Same("Vec<T>"), &[("T", Some(T::shape))])
    }
}

impl<K, V: EventSchema> EventSchema for BTreeMap<K, V> {
    const FINGERPRINT: u64 = fingerprint("map", &[V::FINGERPRINT]);

    fn shape() -> TypeShape {
        TypeShape::of::<Self>(TypeKind::Same("BTreeMap<K,V>"), &[("V", Some(V::shape))])
    }
}

impl<K, V: EventSchema, S> EventSchema for HashMap<K, V, S> {
    const FINGERPRINT: u64 = fingerprint("map", &[V::FINGERPRINT]);

    fn shape() -> TypeShape {
        TypeShape::of::<Self>(TypeKind::Same("BTreeMap<K,V>"), &[("V", Some(V::shape))])
    }
}

impl<T: EventSchema, const N: usize> EventSchema for [T; N] {
    const FINGERPRINT: u64 = fingerprint("array", &[N as u64, T::FINGERPRINT]);

    fn shape() -> TypeShape {
        TypeShape::of::<Self>(TypeKind::Array(N), &[("T", Some(T::shape))])
    }
}
