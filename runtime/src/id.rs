//! Ids of aggregates and names of streams.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// What tells one aggregate of a kind from another: a `String`, an integer, a [`Uuid`], `()`, or a newtype of these.
///
/// A newtype derives it:
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
/// By hand, `from_text` must give back what `to_text` was made from, and two different ids must have different texts:
/// the text is the identity of the stream.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the id of an aggregate",
    label = "this type does not derive `AggregateId`",
    note = "use a `String`, an integer or a `Uuid`, or annotate a newtype of one with `#[derive(AggregateId)]`"
)]
pub trait AggregateId: Sized + 'static {
    /// The id as text. Any text will do, the empty one as well.
    fn to_text(&self) -> Cow<'_, str>;

    /// The id that has this text.
    ///
    /// Fails if no id has it, as when the stream of another kind of aggregate is looked at.
    fn from_text(text: &str) -> Result<Self, InvalidId>;
}

/// A text that is no id of the type asked for.
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
    /// The error for `text`, which no `T` has.
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

/// The id of an aggregate of which there is one: its text is empty.
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
                // `parse` takes more than one spelling (`+7`, `07`); an id has one.
                match text.parse::<Self>() {
                    Ok(id) if id.to_string() == text => Ok(id),
                    _ => Err(InvalidId::new::<Self>(text)),
                }
            }
        }
    )*};
}

displayed_ids!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize Uuid);

/// The name of a stream: the category of its aggregate, a `/`, and the id's text.
///
/// `derive(Aggregate)` refuses a category with a `/` in it, so the first one separates and no two pairs of category and
/// id share a name, whatever the id contains.
///
/// ```
/// use factum::StreamId;
///
/// let stream = StreamId::new("bank-account", "a/b");
/// assert_eq!(stream.to_string(), "bank-account/a/b");
/// assert_eq!((stream.category(), stream.key()), ("bank-account", "a/b"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Shared: every recorded event carries the name of its stream.
    name: Arc<str>,
    category: usize,
}

impl StreamId {
    /// The stream of `key` in `category`. What follows a `/` in `category` counts as part of the key.
    pub fn new(category: &str, key: &str) -> Self {
        let mut name = String::with_capacity(category.len() + 1 + key.len());
        name.push_str(category);
        name.push('/');
        name.push_str(key);
        let category = name.find('/').unwrap_or(category.len());
        Self { name: name.into(), category }
    }

    /// The stream of the aggregate `A` with this id.
    pub fn of<A: crate::Aggregate>(id: &A::Id) -> Self {
        Self::new(A::NAME, &id.to_text())
    }

    /// The part before the first `/`: the name of the aggregate.
    pub fn category(&self) -> &str {
        self.name.get(..self.category).unwrap_or_default()
    }

    /// The part after the first `/`: the text of the id.
    pub fn key(&self) -> &str {
        self.name.get(self.category + 1..).unwrap_or_default()
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The id of the aggregate whose stream this is.
    ///
    /// Fails if the key is no text of such an id.
    pub fn id<I: AggregateId>(&self) -> Result<I, InvalidId> {
        I::from_text(self.key())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.name, f)
    }
}
