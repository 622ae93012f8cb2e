//! The trait of events: their names and versions, and how an event is encoded and decoded.

use std::fmt::Debug;

use crate::domain::codec_error::{DecodeError, EncodeError};
use crate::domain::event_schema::Shape;

/// A fact of the domain: something that happened, named in the past tense.
///
/// Derive it: `#[derive(Debug, Serialize, Deserialize, Event)]`. The derive takes
///
/// * `#[event(name = "money-deposited")]`: the name that the event is stored under. Stored events keep it, so
///   it must not change. Without this attribute, it is the struct's own name in kebab case.
/// * `#[event(version = 2)]`: the event version; 1 if not given.
/// * `#[event(aliases("paid-in"))]`: earlier names, under which events are stored.
/// * the changes since version 1: `added`, `renamed` and `changed` on fields, `removed` and `previous` on the
///   struct.
///
/// # Versions
///
/// Stored events are never rewritten. An event of an older version is decoded in the shape of that version,
/// and converted to the current struct in one step. The declared changes define the step:
///
/// | change | attribute |
/// |---|---|
/// | a field is new | `#[event(added(since = 2, default = Currency::Usd))]` on the field |
/// | a field has another name | `#[event(renamed(since = 2, from = "sum"))]` on the field |
/// | a field has another type or meaning | `#[event(changed(since = 3, from = String, with = Channel::from_legacy))]` on the field; `try_with` for a conversion that returns a `Result` |
/// | a field is removed | `#[event(removed(since = 3, name = "branch", ty = String))]` on the struct |
/// | anything else | `#[event(version = 3, previous = MoneyDepositedV2)]` on the struct, and `From` or `TryFrom` for it |
/// | the event has another name | `#[event(name = "new", aliases("old"))]` on the struct |
///
/// ```
/// use factum::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
/// #[event(name = "money-deposited", version = 3)]
/// struct MoneyDeposited {
///     #[event(renamed(since = 2, from = "sum"), changed(since = 3, from = u32, with = u64::from))]
///     cents: u64,
///     #[event(added(since = 2, default = "USD".to_owned()))]
///     currency: String,
/// }
///
/// let first = MoneyDeposited::decode(1, r#"{"sum": 5}"#)?;
/// assert_eq!(first, MoneyDeposited { cents: 5, currency: "USD".into() });
/// # Ok::<(), factum::DecodeError>(())
/// ```
///
/// * Several changes of one field are written in order.
/// * Every version from 2 on needs a change, so that none is forgotten. An impossible history does not
///   compile.
/// * serde's attributes on a field mean the same in every version. One exception: if the type of a field has
///   changed, attributes about the type, such as `with`, apply to the current type only.
/// * `previous(since = 3, from = MoneyDepositedV2)` is the form for a struct whose fields change again after
///   version 3.
/// * The previous struct is an event with the same name, the version before, and a history of its own.
///
/// # Names
///
/// The name connects stored events to code, not the Rust type. A struct may be renamed or moved. If the event
/// name changes, the old name must become an alias.
///
/// ```
/// use factum::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, Event)]
/// struct MoneyDeposited {
///     cents: u64,
/// }
///
/// assert_eq!(MoneyDeposited::NAME, "money-deposited");
/// assert_eq!(MoneyDeposited::VERSION, 1);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "this type does not derive `Event`",
    note = "annotate `{Self}` with `#[derive(Debug, Serialize, Deserialize, Event)]`"
)]
pub trait Event: Debug + Sized + 'static {
    /// The name under which the event is stored.
    const NAME: &'static str;

    /// The version of the event's shape that this code writes, from 1.
    const VERSION: u32;

    /// Earlier names of the event, under which it can still be read.
    const ALIASES: &'static [&'static str] = &[];

    /// The message of `derive(Event)`, if `events.lock` records a newer version than this.
    #[doc(hidden)]
    const LOWERED: Option<&'static str> = None;

    /// Appends the event, as JSON text, to `out`.
    ///
    /// Fails if serde can't write the event as JSON, as with a map whose keys are not strings.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads an event that was stored at `version` of its shape.
    ///
    /// Fails if this code does not know the version, or if the payload does not fit the shape.
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError>;

    /// Adds the shape of each version that can be read to `out`. The default, for an impl by hand, adds none.
    fn shapes(out: &mut Vec<Shape>) {
        let _ = out;
    }
}

/// Name, version and earlier names of an [`Event`], as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKind {
    /// The name under which the event is stored.
    pub name: &'static str,
    /// The newest version of its shape.
    pub version: u32,
    /// Earlier names, under which the event can still be read.
    pub aliases: &'static [&'static str],
}

impl EventKind {
    /// The kind of the event type `E`.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self { name: E::NAME, version: E::VERSION, aliases: E::ALIASES }
    }

    /// The kind of a retired event that has no struct. Every version of it is read as nothing.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, version: u32::MAX, aliases: &[] }
    }

    /// All names that the event is or was stored under, the current one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}
