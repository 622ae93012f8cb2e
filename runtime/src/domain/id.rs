//! The trait of the ids of aggregates.

use std::borrow::Cow;

use uuid::Uuid;

/// The id of an aggregate: a `String`, an integer, a [`Uuid`], `()`, or a newtype of one of these.
///
/// A newtype derives the trait:
///
/// ```
/// use factum::prelude::*;
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, AggregateId)]
/// struct AccountId(String);
///
/// let id = AccountId("alice".into());
/// assert_eq!(id.to_text(), "alice");
/// assert_eq!(AccountId::from_text("alice")?, id);
/// # Ok::<(), factum::InvalidId>(())
/// ```
///
/// An impl by hand keeps two laws, because the text is the key of the stream:
///
/// * `from_text` returns the id whose `to_text` it gets.
/// * Different ids have different texts.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the id of an aggregate",
    label = "this type does not derive `AggregateId`",
    note = "use a `String`, an integer or a `Uuid`, or annotate a newtype of one with `#[derive(AggregateId)]`"
)]
pub trait AggregateId: Sized + 'static {
    /// The id as text. Any text will do, also the empty one.
    fn to_text(&self) -> Cow<'_, str>;

    /// The id that has this text.
    ///
    /// Fails if no id has it, as with the key of a stream in another category.
    fn from_text(text: &str) -> Result<Self, InvalidId>;
}

/// A text that is not an id of the requested type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of type {wanted}")]
#[non_exhaustive]
pub struct InvalidId {
    /// The text.
    pub text: String,
    /// The type's name.
    pub wanted: &'static str,
}

impl InvalidId {
    /// The error for a `text` that is not the text of any `T`.
    #[must_use]
    pub fn new<T>(text: &str) -> Self {
        Self { text: text.to_owned(), wanted: std::any::type_name::<T>() }
    }
}

impl AggregateId for String {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        Ok(text.to_owned())
    }
}

/// The id of an aggregate that has only one instance: its text is empty.
impl AggregateId for () {
    fn to_text(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn from_text(text: &str) -> Result<Self, InvalidId> {
        if text.is_empty() { Ok(()) } else { Err(InvalidId::new::<Self>(text)) }
    }
}

macro_rules! displayed_ids {
    ($($id:ty)*) => {$(
        impl AggregateId for $id {
            fn to_text(&self) -> Cow<'_, str> {
                Cow::Owned(self.to_string())
            }

            fn from_text(text: &str) -> Result<Self, InvalidId> {
                // `parse` accepts several spellings (`+7`, `07`); an id has one.
                match text.parse::<Self>() {
                    Ok(id) if id.to_string() == text => Ok(id),
                    _ => Err(InvalidId::new::<Self>(text)),
                }
            }
        }
    )*};
}

displayed_ids!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize Uuid);
