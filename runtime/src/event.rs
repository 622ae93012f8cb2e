//! What an event is, and how one becomes stored text and comes back.

use std::any::Any;
use std::fmt::Debug;

use crate::error::BoxError;
use crate::shape::Shape;

/// A fact of the domain: something that happened, named in the past tense.
///
/// Derive it: `#[derive(Debug, Serialize, Deserialize, Event)]`. The derive takes
///
/// * `#[event(name = "money-deposited")]`: the name it is stored under, for good. Without it, the struct's own
///   name in kebab case.
/// * `#[event(version = 2)]`: the version of its shape; 1 if not given.
/// * `#[event(aliases("paid-in"))]`: names it was stored under before it got this one.
///
/// * what has changed since version 1: on fields `added`, `renamed`, `changed`, on the struct `removed`, `previous`.
///
/// # Versions
///
/// Stored events are never rewritten. An event that was stored at an older version is read as that version was, and
/// becomes the present struct in one step. What the step is follows from what is declared:
///
/// | what changed | how it is written |
/// |---|---|
/// | a field is new | `#[event(added(since = 2, default = Currency::Usd))]` on the field |
/// | a field has another name | `#[event(renamed(since = 2, from = "sum"))]` on the field |
/// | a field has another type or meaning | `#[event(changed(since = 3, from = String, with = Channel::from_legacy))]` on the field; `try_with` for a conversion that gives a `Result` |
/// | a field is gone | `#[event(removed(since = 3, name = "branch", ty = String))]` on the struct |
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
/// Several changes of one field stand in order. Every version from 2 on needs a change, so that none is forgotten;
/// a history that can't have been does not compile. serde's attributes on fields mean the same in every version, but for
/// those that speak of the type of a field whose type has changed, as `with` does. With
/// `previous(since = 3, from = MoneyDepositedV2)`, fields may change further after the struct was made anew; the
/// previous struct is an event with the same name, one version below, and a history of its own.
///
/// # Names
///
/// The name, not the Rust type, is what ties stored events to code: a struct may be renamed or moved, its event name
/// may not (or only with the old one left behind as an alias).
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

    /// Earlier names of the event, still understood when read.
    const ALIASES: &'static [&'static str] = &[];

    /// Appends the event, as JSON text, to `out`.
    ///
    /// Fails if serde can't make JSON of it, as with a map whose keys are no strings.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads an event that was stored at `version` of its shape.
    ///
    /// Fails if this code does not know the version, or if the payload does not fit the shape.
    fn decode(version: u32, payload: &str) -> Result<Self, DecodeError>;

    /// Adds the shape of each version that can be read to `out`; of an impl by hand, nothing is known.
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
    /// Earlier names, still understood when read.
    pub aliases: &'static [&'static str],
}

impl EventKind {
    /// The kind of the event type `E`.
    pub const fn of<E: Event>() -> Self {
        Self { name: E::NAME, version: E::VERSION, aliases: E::ALIASES }
    }

    /// The kind of an event that is known by its name only: one that is read as nothing, whatever its version.
    pub const fn named(name: &'static str) -> Self {
        Self { name, version: u32::MAX, aliases: &[] }
    }

    /// All names that the event was ever stored under, the current one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// The closed set of events of one aggregate: the enum that `derive(Aggregate)` generates.
///
/// It is the codec between stored events and typed ones. Each variant is encoded and decoded by its own [`Event`]
/// impl; the enum adds the choice among them and no serialization of its own.
pub trait EventSet: Debug + Sized + 'static {
    /// Every event of the set, in the order in which the aggregate lists them.
    const KINDS: &'static [EventKind];

    /// Events that are stored and happen no more: each is read as other events, or as nothing.
    const RETIRED: &'static [EventKind] = &[];

    /// The name under which this event is stored.
    fn name(&self) -> &'static str;

    /// The version of the shape in which this event is stored.
    fn version(&self) -> u32;

    /// Appends the event, as JSON text, to `out`.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// Reads what was stored as `name` at `version` of its shape: an event of the set or, of a retired one, what it
    /// has become.
    fn decode(name: &str, version: u32, payload: &str) -> Result<Decoded<Self>, DecodeError>;

    /// The event itself, without the enum around it.
    fn inner(&self) -> &dyn Any;

    /// The shapes of all versions of all events, retired ones as well.
    fn shapes() -> Vec<Shape> {
        Vec::new()
    }
}

/// What a stored event is to the present code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded<E> {
    /// One event, as it should be.
    One(E),
    /// The events that a retired one has become, in order; possibly none.
    Several(Vec<E>),
}

impl<E> Decoded<E> {
    /// Hands each event to `take`, with its place among those that the stored event has become, from 0.
    pub fn each(self, mut take: impl FnMut(u32, E)) {
        match self {
            Self::One(event) => take(0, event),
            Self::Several(events) => {
                for (index, event) in (0..).zip(events) {
                    take(index, event);
                }
            }
        }
    }
}

/// An event that can't be stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// serde can't make JSON of it.
    #[error("the event `{name}` can't be written as JSON: {source}")]
    #[non_exhaustive]
    Json {
        /// The event's name.
        name: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
    /// It would never come back: its JSON does not fit its own shape. A `NaN` is written as `null`, which is no number;
    /// a field that is skipped when written has no default when read.
    #[error("the event `{name}` could not be read again: {source}")]
    #[non_exhaustive]
    Unreadable {
        /// The event's name.
        name: &'static str,
        /// What reading it would say.
        source: Box<DecodeError>,
    },
}

impl EncodeError {
    /// The error of an event written by hand that can't be written as JSON.
    pub fn json<E: Event>(source: serde_json::Error) -> Self {
        Self::Json { name: E::NAME, source }
    }
}

impl DecodeError {
    /// The error of an event written by hand whose payload does not fit the shape of its version.
    pub fn payload<E: Event>(version: u32, source: serde_json::Error) -> Self {
        Self::Payload { name: E::NAME, version, source }
    }

    /// The error of an event written by hand that does not know a version.
    #[cold]
    pub fn version<E: Event>(version: u32) -> Self {
        if version > E::VERSION {
            Self::NewerVersion { name: E::NAME, version, known: E::VERSION }
        } else {
            Self::UnreadableVersion { name: E::NAME, version, current: E::VERSION }
        }
    }
}

/// A stored event that this code can't read. Nothing is skipped: whoever meets one decides.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No event of the aggregate has this name, nor had it once.
    #[error("no event of the aggregate is stored under the name `{name}` (version {version})")]
    #[non_exhaustive]
    UnknownName {
        /// The stored name.
        name: String,
        /// The stored version.
        version: u32,
    },
    /// A newer program wrote it.
    #[error("version {version} of `{name}` is newer than version {known}, the newest this program knows")]
    #[non_exhaustive]
    NewerVersion {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// An old version, for which the event declares no way to the current one.
    #[error("`{name}` is at version {current} and declares no way to read its version {version}")]
    #[non_exhaustive]
    UnreadableVersion {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The current version.
        current: u32,
    },
    /// The payload does not fit the shape of that version.
    #[error("the payload of `{name}` version {version} does not fit: {source}")]
    #[non_exhaustive]
    Payload {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// What serde says, with line and column inside the payload.
        source: serde_json::Error,
    },
    /// The payload is that of its version, and can't be brought to the current one: a `try_with`, or the `TryFrom` of a
    /// previous struct, refuses it.
    #[error(
        "`{name}` version {version} can't be read as version {current}{}: {source}",
        field.map(|field| format!(" (field `{field}`)")).unwrap_or_default()
    )]
    #[non_exhaustive]
    Upcast {
        /// The event's name.
        name: &'static str,
        /// The stored version.
        version: u32,
        /// The current version.
        current: u32,
        /// The field that can't be converted; `None` if it is the event as a whole.
        field: Option<&'static str>,
        /// What the conversion says.
        source: BoxError,
    },
}
