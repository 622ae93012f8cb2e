//! Events on their way to the handlers of projections and reactions.

use std::fmt;
use std::marker::PhantomData;

use super::knows;
use crate::aggregate::Aggregate;
use crate::error::BoxError;
use crate::event::{DecodeError, EventSet};
use crate::metadata::Envelope;
use crate::projection::{Project, ProjectError, Projection, Writer};
use crate::reaction::React;
use crate::store::StoredEvent;

/// An event of type `E` as it is at hand, for a handler that borrows it.
///
/// Stored or decoded, it goes through one function to its handler, so that a handler that is missing is missed once: rustc
/// tells errors that are alike in all once.
pub trait AtHand<E> {
    /// Hands it to `handle`.
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError>;
}

/// With what it is decoded: what is no event is missed where it is asked to decode.
impl<E> AtHand<E> for (&StoredEvent<'_>, Result<E, DecodeError>) {
    #[inline]
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError> {
        let (event, decoded) = self;
        Ok(handle(&decoded?, &event.envelope))
    }
}

impl<E> AtHand<E> for (&E, &Envelope<'_>) {
    #[inline]
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError> {
        Ok(handle(self.0, self.1))
    }
}

/// One event, as the projection's handler for `E` takes it.
#[inline]
pub fn project<P: Project<E>, E>(
    projection: &mut P,
    event: impl AtHand<E>,
    writer: &Writer<'_, P>,
) -> Result<(), ProjectError> {
    event.hand(|event, envelope| projection.project(event, envelope, writer))?.map_err(ProjectError::Handler)
}

/// What the views of `P` are written with, as a handler's argument wants it.
pub fn writer<'w, 't, P, W>(writer: &'w Writer<'t, P>) -> &'w W
where
    P: Projection,
    Writer<'t, P>: WriterFor<P, W>,
{
    writer.same()
}

/// That it is the same, or holds it: an equality whose failure can be explained.
#[diagnostic::on_unimplemented(
    message = "the view `{P}` is not written with `{W}`",
    label = "handlers of `{P}` get a `&{Self}` here, if they want one",
    note = "a view in SQLite says so, `#[projection(into = Sqlite, ..)]`, and its handlers get a `&Transaction<'_>`; in memory, the view is `self`: leave this argument out"
)]
pub trait WriterFor<P, W> {
    /// Itself, or what it holds.
    fn same(&self) -> &W;
}

impl<P, W> WriterFor<P, W> for W {
    fn same(&self) -> &W {
        self
    }
}

/// An event that is decoded, and waits for its handler.
pub struct Prepared<P: Projection>(Box<dyn Handle<P>>);

impl<P: Projection> Prepared<P> {
    /// Hands it to its handler.
    pub fn project(
        self,
        projection: &mut P,
        envelope: &Envelope<'_>,
        writer: &Writer<'_, P>,
    ) -> Result<(), BoxError> {
        self.0.handle(projection, envelope, writer)
    }
}

impl<P: Projection> fmt::Debug for Prepared<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// An event of any type that `P` has a handler for.
trait Handle<P: Projection> {
    fn handle(
        self: Box<Self>,
        projection: &mut P,
        envelope: &Envelope<'_>,
        writer: &Writer<'_, P>,
    ) -> Result<(), BoxError>;
}

impl<P: Project<E>, E> Handle<P> for E {
    fn handle(
        self: Box<Self>,
        projection: &mut P,
        envelope: &Envelope<'_>,
        writer: &Writer<'_, P>,
    ) -> Result<(), BoxError> {
        projection.project(&self, envelope, writer)
    }
}

/// One stored event, decoded for the projection's handler for `E`, which gets it later.
pub fn prepare<P: Project<E>, E: 'static>(
    decoded: Result<E, DecodeError>,
) -> Result<Option<Prepared<P>>, DecodeError> {
    Ok(Some(Prepared(Box::new(decoded?))))
}

/// One event, as the reaction's handler for `E` takes it.
pub fn react<R: React<E>, E>(
    reaction: &mut R,
    event: impl AtHand<E>,
    delivery: &Writer<'_, R>,
) -> Result<(), ProjectError> {
    event.hand(|event, envelope| reaction.react(event, envelope, delivery))?.map_err(ProjectError::Handler)
}

/// Asks whether the handler of `P` for `E` looks at metadata; that there is one is asked elsewhere.
#[derive(Debug)]
pub struct Projected<P, E>(PhantomData<(P, E)>);

impl<P: Project<E>, E> Projected<P, E> {
    /// What the handler says: an inherent constant, and so found first where there is one.
    pub const METADATA: bool = P::ENVELOPE;
}

/// Events without a handler.
pub trait NotProjected {
    /// Nobody knows.
    const METADATA: bool = true;
}

impl<P, E> NotProjected for Projected<P, E> {}

/// One stored event of the aggregate `A` that the projection does not list. If `A` has retired it, each event that it
/// has become goes to its handler; if `A` lists it, it is another's business; if `A` does not know it, nobody can tell
/// what the view would miss.
pub fn project_other<P: Projection, A: Aggregate>(
    projection: &mut P,
    event: &StoredEvent<'_>,
    writer: &Writer<'_, P>,
) -> Result<(), ProjectError> {
    let (name, version) = (event.name, event.schema);
    if !knows(A::Event::RETIRED, name) {
        return if knows(A::Event::KINDS, name) { Ok(()) } else { Err(unknown_name(name, version)) };
    }
    let mut result = Ok(());
    A::Event::decode(event.name, event.schema, event.payload)?.each(|_, typed| {
        if result.is_ok() {
            result = projection.project_typed(typed.inner(), &event.envelope, writer);
        }
    });
    result
}

/// The error for a stored event that a projection did not ask for.
#[cold]
pub fn unknown_name(name: &str, version: u32) -> ProjectError {
    ProjectError::Decode(DecodeError::UnknownName { name: name.to_owned(), version })
}

/// What a `#[project]` or `#[react]` method has returned, if it returns something.
pub fn projected<T: Done>(result: T) -> Result<(), BoxError> {
    result.done()
}

/// That something is done, or why not.
#[diagnostic::on_unimplemented(
    message = "a `#[project]` or `#[react]` method can't return `{Self}`",
    label = "neither nothing nor a `Result<(), _>`",
    note = "let it return nothing, or `Result<(), E>` with any error type `E`, as `Result<(), BoxError>`"
)]
pub trait Done {
    /// As the caller wants it.
    fn done(self) -> Result<(), BoxError>;
}

impl<E: Into<BoxError>> Done for Result<(), E> {
    fn done(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}
