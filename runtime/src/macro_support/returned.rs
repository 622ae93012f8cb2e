//! The return values of `#[execute]` methods, as lists of events.

use crate::domain::aggregate::Aggregate;
use crate::domain::decision::{IntoEvents, list};

/// The events of an `#[execute]` method whose return type is written as `Result`.
#[inline]
pub fn decide_fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Into<A::Error>,
{
    match result {
        Ok(events) => decide_infallible(events),
        Err(error) => Err(error.into()),
    }
}

/// The events of an `#[execute]` method whose return type is certainly not a `Result`.
#[inline]
pub fn decide_infallible<A: Aggregate, T: IntoEvents<A>>(decided: T) -> Result<Vec<A::Event>, A::Error> {
    Ok(list(decided))
}

/// The events of an `#[execute]` method whose return type may be an alias of a `Result`.
///
/// rustc infers `Kind` from the type.
pub fn decide<A: Aggregate, T: Decision<A, Kind>, Kind>(decided: T) -> Result<Vec<A::Event>, A::Error> {
    decided.decided()
}

/// A return type that is events, or a `Result` of events. `Kind` is [`Plain`] or [`Fallible`].
#[diagnostic::on_unimplemented(
    message = "a handler of `{A}` can't return `{Self}`",
    label = "not events that `{A}` lists",
    note = "return an event that `{A}` lists, an `Option`, tuple, array or `Vec` of these, `{A}`'s event enum, or `Events<Self>`; alone, or as `Result<_, Error>`"
)]
pub trait Decision<A: Aggregate, Kind> {
    /// The result of [`Execute::execute`](crate::Execute::execute).
    fn decided(self) -> Result<Vec<A::Event>, A::Error>;
}

/// The kind of a return type that is events.
#[derive(Debug)]
pub struct Plain;

/// The kind of a return type that is a `Result`.
#[derive(Debug)]
pub struct Fallible;

impl<A: Aggregate, T: IntoEvents<A>> Decision<A, Plain> for T {
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        decide_infallible(self)
    }
}

// Hides this impl in error messages: it does not help if the return type is not an event.
#[diagnostic::do_not_recommend]
impl<A, T, E> Decision<A, Fallible> for Result<T, E>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Into<A::Error>,
{
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        decide_fallible(self)
    }
}
