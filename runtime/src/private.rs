//! What generated code calls. Not for anybody else: it changes without notice.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::aggregate::Aggregate;
use crate::event::{DecodeError, EncodeError, Event};
pub use crate::events::IntoEvents;

/// One event as JSON, appended to `out`: the one place where an event type meets serde's serializer.
pub fn encode<E: Event + Serialize>(event: &E, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    serde_json::to_writer(out, event).map_err(|source| EncodeError { name: E::NAME, source })
}

/// JSON as an event in its current shape: the one place where an event type meets serde's deserializer.
pub fn decode<E: Event + DeserializeOwned>(version: u32, payload: &str) -> Result<E, DecodeError> {
    serde_json::from_str(payload).map_err(|source| DecodeError::Payload { name: E::NAME, version, source })
}

/// The error for a version other than the current one.
#[cold]
pub fn unreadable_version<E: Event>(version: u32) -> DecodeError {
    if version > E::VERSION {
        DecodeError::NewerVersion { name: E::NAME, version, known: E::VERSION }
    } else {
        DecodeError::UnreadableVersion { name: E::NAME, version, current: E::VERSION }
    }
}

/// The error for a name that no event has.
#[cold]
pub fn unknown_name(name: &str) -> DecodeError {
    DecodeError::UnknownName { name: name.to_owned() }
}

/// Whether an event was stored under `name` before it got its present name.
pub fn was_named<E: Event>(name: &str) -> bool {
    E::ALIASES.contains(&name)
}

/// What an `#[execute]` method has returned, if it says `Result`.
pub fn fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate,
    T: IntoEvents<A>,
    A::Error: From<E>,
{
    Ok(infallible(result?))
}

/// What an `#[execute]` method has returned, if it does not say `Result`.
pub fn infallible<A: Aggregate, T: IntoEvents<A>>(decided: T) -> Vec<A::Event> {
    let mut events = Vec::new();
    decided.append_to(&mut events);
    events
}

/// What an `#[execute]` method has returned, if its type's name does not tell: `Kind` follows from the type.
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
        Ok(infallible(self))
    }
}

impl<A, T, E> Decision<A, Fallible> for Result<T, E>
where
    A: Aggregate,
    T: IntoEvents<A>,
    A::Error: From<E>,
{
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        fallible(self)
    }
}

/// Whether two events would be stored, or were once, under one name.
pub const fn share_a_name<E: Event, F: Event>() -> bool {
    is_among(E::NAME, F::NAME, F::ALIASES) || is_among(F::NAME, E::NAME, E::ALIASES) || {
        let mut index = 0;
        let mut found = false;
        while index < E::ALIASES.len() {
            found |= is_among(E::ALIASES[index], F::NAME, F::ALIASES);
            index += 1;
        }
        found
    }
}

const fn is_among(name: &str, first: &str, others: &[&str]) -> bool {
    let mut found = same(name, first);
    let mut index = 0;
    while index < others.len() {
        found |= same(name, others[index]);
        index += 1;
    }
    found
}

const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut index = 0;
    while same && index < left.len() {
        same = left[index] == right[index];
        index += 1;
    }
    same
}
