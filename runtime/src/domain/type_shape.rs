//! The structure of a type's JSON, as far as serde's derive makes it.

use crate::domain::hash::fingerprint_of;

/// The structure of a type inside events, as `derive(EventSchema)` declares it.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct TypeShape {
    /// The type's path: two types have different ones.
    pub(crate) path: &'static str,
    pub(crate) kind: TypeKind,
    pub(crate) parts: TypeParts,
}

impl TypeShape {
    /// The structure of `T`.
    #[must_use]
    pub fn of<T: ?Sized>(kind: TypeKind, parts: TypeParts) -> Self {
        Self { path: std::any::type_name::<T>(), kind, parts }
    }
}

/// The types that a structure names, by their text, each with its own structure if that is known.
///
/// Functions, as a type may contain itself.
#[doc(hidden)]
pub type TypeParts = &'static [(&'static str, Option<fn() -> TypeShape>)];

/// The fingerprint and the structure of a type in an event: 0 and `None` if it has neither.
#[doc(hidden)]
pub type EventPart = (u64, Option<fn() -> TypeShape>);

/// The types that the fields of an event are written with, if those are not Rust's own.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct EventParts(Vec<(usize, &'static str, EventPart)>);

impl EventParts {
    /// Adds one of the types that the field type with a number is written with, and its text.
    pub fn add(&mut self, of: usize, text: &'static str, part: EventPart) {
        self.0.push((of, text, part));
    }

    /// The fingerprint of the field type with a number.
    pub(crate) fn fingerprint(&self, of: usize) -> u64 {
        let parts = self.0.iter().filter(|(number, ..)| *number == of);
        let parts: Vec<_> = parts.map(|(_, _, (fingerprint, _))| *fingerprint).collect();
        fingerprint_of(&parts)
    }

    /// The types by their text, with their structures.
    pub(crate) fn structures(&self) -> impl Iterator<Item = (&'static str, Option<fn() -> TypeShape>)> {
        self.0.iter().map(|(_, text, (_, structure))| (*text, *structure))
    }
}

// The addresses of functions differ from build to build.
impl PartialEq for EventParts {
    fn eq(&self, other: &Self) -> bool {
        let known =
            |(of, text, (fingerprint, _)): &(usize, &'static str, EventPart)| (*of, *text, *fingerprint);
        self.0.iter().map(known).eq(other.0.iter().map(known))
    }
}

impl Eq for EventParts {}

/// Fields, each with its name in JSON, its type as text, and what serde's attributes say of it.
#[doc(hidden)]
pub type FieldTypes = &'static [(&'static str, &'static str, u8)];

/// What serde's attributes say of fields of an event, by version and name.
#[doc(hidden)]
pub type FieldNotes = &'static [(u32, &'static str, u8)];

/// The field need not be there.
pub(crate) const OPTIONAL: u8 = 1;
/// A function writes the field: its type does not say what its JSON is.
pub(crate) const OPAQUE: u8 = 2;
/// The field gives its own fields to the JSON, and not its name.
pub(crate) const FLATTENED: u8 = 4;

/// What a type is.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum TypeKind {
    /// Not known.
    Opaque,
    /// A struct.
    Struct(Form, FieldTypes),
    /// An enum.
    Enum(Tagging, &'static [(&'static str, Form, FieldTypes)]),
    /// What the JSON of a type with this text is.
    Same(&'static str),
    /// An array of the type `T`.
    Array(usize),
}

/// The form of a struct, or of a variant.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Fields with names: an object.
    Named,
    /// Fields without names: an array; one alone is the JSON itself.
    Tuple,
    /// No fields: `null`.
    Unit,
    /// An attribute of serde makes something else of it.
    Opaque,
}

/// How the JSON of an enum says which variant it is.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub enum Tagging {
    /// By an object with one field, of the variant's name.
    External,
    /// By a field of this name, beside those of the variant.
    Internal(&'static str),
    /// By a field of the first name, beside the variant itself under the second.
    Adjacent(&'static str, &'static str),
    /// Not at all.
    Untagged,
}

/// What the names and types of an event's fields do not say of its JSON.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventStructure {
    pub(crate) form: Form,
    pub(crate) notes: FieldNotes,
    pub(crate) parts: EventParts,
}
