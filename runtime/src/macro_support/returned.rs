//! The return values of `#[execute]` methods, as lists of events.

use std::marker::PhantomData;

use crate::domain::aggregate::{Aggregate, Execute};
use crate::domain::decision::{IntoEvents, list};
use crate::domain::emitted::Emitted;

/// The events of an `#[execute]` method whose return type is written as `Result`.
#[inline]
pub fn decide_fallible<A, T, E>(result: Result<T, E>) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate,
    T: IntoEvents<A>,
    E: Refuses<A, A::Error>,
{
    match result {
        Ok(events) => decide_infallible(events),
        Err(error) => Err(error.refusal()),
    }
}

/// An error type of a handler, which converts into the error `X` of the aggregate `A`.
// A trait of our own, because a missing `Into` does not say what the aggregate's error is, nor where that is declared.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the error of `{A}`, and does not convert into it",
    label = "the error of `{A}` is `{X}`",
    note = "declare it on `{A}`, `#[aggregate(error = {Self})]`, or write `impl From<{Self}> for {X}`",
    note = "without `error = ..`, the error is `Infallible`: nothing is refused"
)]
pub trait Refuses<A, X> {
    /// The error of the aggregate.
    fn refusal(self) -> X;
}

#[diagnostic::do_not_recommend]
impl<A, X, E: Into<X>> Refuses<A, X> for E {
    #[inline]
    fn refusal(self) -> X {
        self.into()
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
    message = "expected events of `{A}`, found `{Self}`",
    label = "not, or not only, events that `{A}` lists",
    note = "the events of `{A}` are in its `#[aggregate(events(..))]`: add another one there, and an `#[apply]` method for it",
    note = "an `#[execute]` method returns them alone, or as `Result<_, Error>`",
    note = "several are a tuple, an `Option`, an array, a `Vec` or `Events<{A}>`; a tuple has 16 parts at most: nest them, as `((a, b), (c, d))`"
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

#[diagnostic::do_not_recommend]
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
    E: Refuses<A, A::Error>,
{
    fn decided(self) -> Result<Vec<A::Event>, A::Error> {
        decide_fallible(self)
    }
}

/// The events that a return type `T` of a handler can be. rustc finds this function before that of [`NotEvents`].
// A function, as are those below: rustc interprets the constants of a crate when it checks it.
#[derive(Debug)]
pub struct EmitsOf<A, T>(PhantomData<(A, T)>);

impl<A: Aggregate, T: IntoEvents<A>> EmitsOf<A, T> {
    /// The events.
    #[must_use]
    pub fn factum_emits() -> Emitted {
        T::EMITS
    }
}

/// The answer for a type that is no events: if it should be, other code reports that.
pub trait NotEvents {
    /// Not known.
    #[must_use]
    fn factum_emits() -> Emitted {
        Emitted::Any
    }
}

impl<A, T> NotEvents for EmitsOf<A, T> {}

/// What the aggregate `A` does with the command `C`. rustc finds this function before that of [`NotHandled`].
#[derive(Debug)]
pub struct Handled<A, C>(PhantomData<(A, C)>);

impl<A: Execute<C>, C> Handled<A, C> {
    /// The events that its handler can return.
    #[must_use]
    pub fn factum_emits() -> Emitted {
        <A as Execute<C>>::emits()
    }
}

/// The answer for a command without a handler: other code reports that.
pub trait NotHandled {
    /// A placeholder.
    #[must_use]
    fn factum_emits() -> Emitted {
        Emitted::Any
    }
}

impl<A, C> NotHandled for Handled<A, C> {}
