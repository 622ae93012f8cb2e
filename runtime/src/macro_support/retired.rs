//! Decoding of events that an aggregate has retired.

use std::marker::PhantomData;

use crate::domain::aggregate::{Aggregate, Upcast};
use crate::domain::codec_error::DecodeError;
use crate::domain::decision::{IntoEvents, list};
use crate::domain::error::BoxError;
use crate::domain::event::Event;
use crate::domain::event_set::Decoded;
use crate::macro_support::old_versions::{ConversionError, upcast_failed};

/// Reads a retired event `E` of the aggregate `A`.
///
/// The method `read_retired` is that of [`ReadUpcast`] if `A: Upcast<E>`, otherwise that of [`ReadDropped`].
/// Generated code calls `(&probe).read_retired(..)`. For rustc, a method whose receiver is `&RetiredProbe` comes
/// before one whose receiver is `&&RetiredProbe`.
#[derive(Debug)]
pub struct RetiredProbe<A, E>(PhantomData<(A, E)>);

impl<A, E> RetiredProbe<A, E> {
    /// The probe, whose `read_retired` reads an event.
    #[must_use]
    pub const fn ask() -> Self {
        Self(PhantomData)
    }
}

/// Reads a retired event that has an `#[upcast]` function. rustc finds this method first.
pub trait ReadUpcast<A: Aggregate> {
    /// The events that the `#[upcast]` function returns.
    fn read_retired(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError>;
}

impl<A: Upcast<E>, E: Event> ReadUpcast<A> for RetiredProbe<A, E> {
    fn read_retired(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError> {
        match A::upcast(E::decode(version, payload)?) {
            Ok(events) => Ok(Decoded::Several(events)),
            Err(source) => Err(upcast_failed::<E>(version, None, source)),
        }
    }
}

/// Reads a retired event that has no `#[upcast]` function. rustc finds this method second.
pub trait ReadDropped<A: Aggregate> {
    /// No events.
    fn read_retired(&self, version: u32, payload: &str) -> Result<Decoded<A::Event>, DecodeError>;
}

impl<A: Aggregate, E: Event> ReadDropped<A> for &RetiredProbe<A, E> {
    fn read_retired(&self, _: u32, _: &str) -> Result<Decoded<A::Event>, DecodeError> {
        Ok(Decoded::Several(Vec::new()))
    }
}

/// The events of an `#[upcast]` function that returns a `Result`.
pub fn upcast_fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, BoxError>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: ConversionError,
{
    result.map(upcast).map_err(Into::into)
}

/// The events of an `#[upcast]` function that can't fail.
pub fn upcast<A: Aggregate, T: IntoEvents<A>>(events: T) -> Vec<A::Event> {
    list(events)
}
