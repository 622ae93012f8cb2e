//! What generated code calls. Not for anybody else: it changes without notice.

mod following;
mod listed;
mod names;
mod rules;
mod shapes;

pub use serde;
use serde::Serialize;
use serde::de::DeserializeOwned;

use std::marker::PhantomData;

use crate::aggregate::{Aggregate, Upcast};
use crate::error::BoxError;
use crate::event::{DecodeError, Decoded, EncodeError, Event, EventKind, EventSet};
pub use crate::events::IntoEvents;
use crate::events::list;

pub use self::following::{
    AtHand, Done, NotProjected, Prepared, Projected, WriterFor, prepare, project, project_other, projected,
    react, unknown_name, writer,
};
pub use self::listed::{IdFor, ListedCommand, ListedEvent};
pub use self::names::{assert_new, is_at_least, is_new, is_unused, knows, repeated, same};
pub use self::shapes::{NoSchema, Schema, fingerprint, fingerprint_of};
pub use crate::{__command_enum as command_enum, __event_enum as event_enum};

/// What types are called in generated code: rustc reads each word of it, and there is much of it.
pub type Bytes = Vec<u8>;
/// What [`Event::encode`] and [`EventSet::encode`] return.
pub type Encoding = Result<(), EncodeError>;
/// What [`Event::decode`] returns.
pub type Decoding<E> = Result<E, DecodeError>;
/// What [`Aggregate::execute`] and [`Execute::execute`](crate::Execute::execute) return.
pub type Execution<A> = Result<Vec<<A as Aggregate>::Event>, <A as Aggregate>::Error>;
/// What `A` decides with.
pub type Services<A> = <A as Aggregate>::Services;

/// JSON as the event `E` was at the older `version`: as the private struct that derive has made of it.
pub fn decode<E: Event, T: DeserializeOwned>(version: u32, payload: &str) -> Result<T, DecodeError> {
    serde_json::from_str(payload).map_err(|source| DecodeError::payload::<E>(version, source))
}

/// The event `E` at a version that it declares no way from.
#[cold]
pub fn unreadable<E: Event>(version: u32) -> Result<E, DecodeError> {
    Err(DecodeError::version::<E>(version))
}

/// The event `E` as its previous struct `P` reads it.
pub fn decode_previous<E, P>(version: u32, payload: &str) -> Result<E, DecodeError>
where
    P: Event + TryInto<E, Error: Into<BoxError>>,
    E: Event,
{
    let previous = P::decode(version, payload).map_err(|error| match error {
        // What it was on the way to is the present version, not the previous struct's.
        DecodeError::Upcast { field, source, .. } => upcast_failed::<E>(version, field, source),
        other => other,
    })?;
    previous.try_into().map_err(|error| upcast_failed::<E>(version, None, error.into()))
}

/// An old value as a new one.
pub fn convert<Old, New>(with: impl FnOnce(Old) -> New, old: Old) -> New {
    with(old)
}

/// The same, where it can fail; `field` is what the value belongs to.
pub fn try_convert<E: Event, Old, New, X: Into<BoxError>>(
    version: u32,
    field: &'static str,
    with: impl FnOnce(Old) -> Result<New, X>,
    old: Old,
) -> Result<New, DecodeError> {
    with(old).map_err(|error| upcast_failed::<E>(version, Some(field), error.into()))
}

#[cold]
fn upcast_failed<E: Event>(version: u32, field: Option<&'static str>, source: BoxError) -> DecodeError {
    DecodeError::Upcast { name: E::NAME, version, current: E::VERSION, field, source }
}

/// The present name of the event that was once stored as `name`.
#[cold]
pub fn current_name(kinds: &[EventKind], name: &str) -> Option<&'static str> {
    // A kind that has the name now has been tried: to give it again would go round in circles.
    kinds.iter().find(|kind| kind.name != name && kind.aliases.contains(&name)).map(|kind| kind.name)
}

/// Whether what is stored under `name` is an event that is called `of`.
#[inline]
pub fn is(name: &str, of: &str) -> bool {
    name == of
}

/// A decoded event as a variant of its enum.
#[inline]
pub fn one<E, S>(
    event: Result<E, DecodeError>,
    variant: impl FnOnce(E) -> S,
) -> Result<Decoded<S>, DecodeError> {
    event.map(|event| Decoded::One(variant(event)))
}

/// What was stored under a name that is not current: `retired`, if that knows it, or the event that is called
/// otherwise now.
#[cold]
pub fn decode_other<E: EventSet>(name: &str, version: u32, payload: &str) -> Result<Decoded<E>, DecodeError> {
    match current_name(E::KINDS, name).or_else(|| current_name(E::RETIRED, name)) {
        Some(name) => E::decode(name, version, payload),
        None => Err(DecodeError::UnknownName { name: name.to_owned(), version }),
    }
}

/// A retired event of the aggregate `A`: how it is read depends on whether `A: Upcast<E>`.
#[derive(Debug)]
pub struct Retired<A, E>(PhantomData<(A, E)>);

impl<A, E> Retired<A, E> {
    /// The question.
    pub const fn ask() -> Self {
        Self(PhantomData)
    }
}

/// With an `#[upcast]` function. Called on a reference, and found first: that is its own receiver.
pub trait ReadAsOthers<A: Aggregate> {
    /// What it has become.
    fn read(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError>;
}

impl<A: Upcast<E>, E: Event> ReadAsOthers<A> for Retired<A, E> {
    fn read(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError> {
        match A::upcast(E::decode(version, payload)?) {
            Ok(events) => Ok(Decoded::Several(events)),
            Err(source) => Err(upcast_failed::<E>(version, None, source)),
        }
    }
}

/// Without one. Found second: its receiver takes one more reference.
pub trait ReadAsNothing<A: Aggregate> {
    /// Nothing.
    fn read(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError>;
}

impl<A: Aggregate, E: Event> ReadAsNothing<A> for &Retired<A, E> {
    fn read(&self, _: u32, _: &str) -> Result<Decoded<A::Event>, DecodeError> {
        Ok(Decoded::Several(Vec::new()))
    }
}

/// What an `#[upcast]` function has returned, if it says `Result`.
pub fn upcast_fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, BoxError>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Into<BoxError>,
{
    result.map(upcast).map_err(Into::into)
}

/// What an `#[upcast]` function has returned.
pub fn upcast<A: Aggregate, T: IntoEvents<A>>(events: T) -> Vec<A::Event> {
    list(events)
}

/// What an `#[execute]` method has returned, if it says `Result`.
#[inline]
pub fn fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Into<A::Error>,
{
    match result {
        Ok(events) => infallible(events),
        Err(error) => Err(error.into()),
    }
}

/// What an `#[execute]` method has returned, if it is plainly no `Result`.
#[inline]
pub fn infallible<A: Aggregate, T: IntoEvents<A>>(decided: T) -> Result<Vec<A::Event>, A::Error> {
    Ok(list(decided))
}

/// What an `#[execute]` method has returned, if its type's name does not tell: `Kind` follows from the type.
pub fn decided<A: Aggregate, T: Decision<A, Kind>, Kind>(decided: T) -> Result<Vec<A::Event>, A::Error> {
    decided.decided()
}

/// A return type that is events, or a `Result` of events under another name.
#[diagnostic::on_unimplemented(
    message = "a handler of `{A}` can't return `{Self}`",
    label = "not events that `{A}` lists",
    note = "return an event that `{A}` lists, an `Option`, tuple, array or `Vec` of such, `{A}`'s event enum, or `Events<Self>`; alone, or as `Result<_, Error>`"
)]
pub trait Decision<A: Aggregate, Kind> {
    /// As `execute` gives it on.
    fn decided(self) -> Result<Vec<A::Event>, A::Error>;
}

/// A decision that can't fail.
#[derive(Debug)]
pub struct Plain;

/// A decision that may be refused.
#[derive(Debug)]
pub struct Fallible;

impl<A: Aggregate, T: IntoEvents<A>> Decision<A, Plain> for T {
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        infallible(self)
    }
}

// Of no help to who returns what is no event.
#[diagnostic::do_not_recommend]
impl<A, T, E> Decision<A, Fallible> for Result<T, E>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Into<A::Error>,
{
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        fallible(self)
    }
}

/// Asks how the state `A` is written and read, for which it needs serde's derives.
#[derive(Debug)]
pub struct Kept<A>(PhantomData<A>);

/// With them: inherent constants, and so found first where there are any.
impl<A: Serialize + DeserializeOwned> Kept<A> {
    /// It is possible.
    pub const IS_POSSIBLE: bool = true;
    /// How it is written.
    pub const ENCODE: fn(&A, &mut Vec<u8>) -> Result<(), serde_json::Error> =
        |state, out| serde_json::to_writer(out, state);
    /// How it is read.
    pub const DECODE: fn(&[u8]) -> Result<A, serde_json::Error> = |bytes| serde_json::from_slice(bytes);
}

/// Without them. None of it is ever called: generated code asserts that it is possible.
pub trait NotKept {
    /// The state.
    type State;
    /// It is not.
    const IS_POSSIBLE: bool = false;
    /// Not at all.
    const ENCODE: fn(&Self::State, &mut Vec<u8>) -> Result<(), serde_json::Error> =
        |_, _| Err(serde::ser::Error::custom("no serde"));
    /// Not at all.
    const DECODE: fn(&[u8]) -> Result<Self::State, serde_json::Error> =
        |_| Err(serde::de::Error::custom("no serde"));
}

impl<A> NotKept for Kept<A> {
    type State = A;
}
