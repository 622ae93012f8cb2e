//! How generated code passes an event to a handler of a projection or a reaction.

use std::cell::RefMut;
use std::marker::PhantomData;

use crate::domain::aggregate::Aggregate;
use crate::domain::codec_error::DecodeError;
use crate::domain::error::BoxError;
use crate::domain::event_set::EventSet;
use crate::domain::metadata::Envelope;
use crate::follow::error::HandlerError;
use crate::follow::handler::{Context, EventHandler, LendsMut, LendsTo, Prepared};
use crate::follow::process::actions::{Actions, IntoActions};
use crate::follow::process::turn::Turn;
use crate::follow::process::{Commanding, Process, Receives};
use crate::follow::projection::Project;
use crate::follow::reaction::{
    Delivery, Outcome, React, ReactContext, ReactingTarget, Reaction, SideEffects,
};
use crate::macro_support::names::knows_name;
use crate::store::read::StoredEvent;

/// An event of type `E`, stored or decoded, for a handler that borrows it.
///
/// Both kinds reach the handler through one function. So a missing handler leads to two identical errors, of
/// which rustc reports one.
pub trait AtHand<E> {
    /// Passes the event to `handle`. Fails if the stored event can't be decoded.
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError>;
}

/// A stored event, with the result of its decoding.
///
/// Generated code decodes the event, so rustc reports a type that is not an event there.
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

/// Passes one event to the projection's handler for `E`.
#[inline]
pub fn project<P: Project<E>, E>(
    projection: &mut P,
    event: impl AtHand<E>,
    context: &Context<'_, P>,
) -> Result<(), HandlerError> {
    event.hand(|event, envelope| projection.project(event, envelope, context))?.map_err(HandlerError::Handler)
}

/// The context of a handler of `H`, as the type of the handler's argument.
pub fn context<'w, 't, H, W>(context: &'w Context<'t, H>) -> &'w W
where
    H: EventHandler,
    Context<'t, H>: LendsTo<H, W>,
{
    context.lend()
}

/// The part of the context that a handler of `H` takes as a `&mut W`.
pub fn context_mut<'w, 't, H, W: ?Sized>(context: &'w Context<'t, H>) -> RefMut<'w, W>
where
    H: EventHandler,
    Context<'t, H>: LendsMut<H, W>,
{
    context.lend_mut()
}

/// What a `#[react]` or `#[refused]` method of `H` gets besides its event, as the type of the method's argument.
pub fn lent<H, W>(context: &ReactContext<H>) -> &W
where
    H: EventHandler<Target: ReactingTarget>,
    ReactContext<H>: LendsTo<H, W>,
{
    context.lend()
}

/// A decoded event that the projection's handler for `E` gets later.
pub fn prepare<P: Project<E>, E: 'static>(
    decoded: Result<E, DecodeError>,
) -> Result<Option<Prepared<P>>, DecodeError> {
    let event = decoded?;
    Ok(Some(Prepared::new(move |projection: &mut P, envelope, context| {
        projection.project(&event, envelope, context)
    })))
}

/// Passes one event to its instance of the process `P`.
pub fn advance<P: Receives<E>, E>(
    _: &mut P,
    event: impl AtHand<E>,
    turn: &Turn<'_, P>,
) -> Result<(), HandlerError> {
    event.hand(|event, envelope| turn.take(event, envelope))?.map_err(HandlerError::Handler)
}

/// Passes one event to the reaction's handler for `E`.
pub fn react<R: Reaction + React<E>, E>(
    reaction: &mut R,
    event: impl AtHand<E>,
    delivery: &Delivery,
) -> Result<(), HandlerError> {
    event.hand(|event, envelope| reaction.react(event, envelope, delivery))?.map_err(HandlerError::Handler)
}

/// Whether the handler of `P` for `E` needs metadata.
///
/// This compiles without a handler: other generated code requires one.
#[derive(Debug)]
pub struct Projected<P, E>(PhantomData<(P, E)>);

impl<P: Project<E>, E> Projected<P, E> {
    /// The handler's own constant. rustc finds this inherent constant before the one of [`NotProjected`].
    pub const WANTS_METADATA: bool = <P as Project<E>>::WANTS_METADATA;
}

/// The answer for an event without a handler.
pub trait NotProjected {
    /// A placeholder: code with a missing handler does not compile.
    const WANTS_METADATA: bool = true;
}

impl<P, E> NotProjected for Projected<P, E> {}

/// Handles a stored event of the aggregate `A` that the follower does not list.
///
/// | the event | result |
/// |---|---|
/// | `A` has retired it | each event that it is read as goes to its handler |
/// | `A` lists it | ignored |
/// | `A` does not know it | an error: the follower might miss something |
pub fn handle_other<H: EventHandler, A: Aggregate>(
    handler: &mut H,
    event: &StoredEvent<'_>,
    context: &Context<'_, H>,
) -> Result<(), HandlerError> {
    let (name, version) = (event.name, event.event_version);
    if !knows_name(A::Event::RETIRED, name) {
        return if knows_name(A::Event::KINDS, name) { Ok(()) } else { Err(unknown_name(name, version)) };
    }
    A::Event::decode(event.name, event.event_version, event.payload)?
        .into_events()
        .try_for_each(|typed| handler.handle_typed(typed.as_any(), &event.envelope, context))
}

/// Handles a stored event that the follower does not list, of an aggregate whose type it does not know.
///
/// The event is ignored if the follower gives the aggregate by name.
pub fn handle_unknown<H: EventHandler>(event: &StoredEvent<'_>) -> Result<(), HandlerError> {
    if H::FROM_BY_NAME.contains(&event.envelope.category) {
        Ok(())
    } else {
        Err(unknown_name(event.name, event.event_version))
    }
}

/// The error for a stored event that neither the follower nor the aggregate knows.
fn unknown_name(name: &str, version: u32) -> HandlerError {
    HandlerError::Decode(DecodeError::UnknownName { name: name.to_owned(), version })
}

/// The result of a `#[react]` or `#[refused]` method of `H` that has a return type.
pub fn reacted<H: EventHandler<Target: ReactingTarget>, T: Reacted<H>>(
    result: T,
) -> Result<Outcome<H>, BoxError> {
    result.reacted()
}

/// A return type of a `#[react]` method of `H`, whose target is `T`.
#[diagnostic::on_unimplemented(
    message = "a handler of `{H}` can't return `{Self}`",
    label = "not what a reaction or a process returns",
    note = "a reaction returns nothing, or `Result<(), E>` with any error type `E`, as `Result<(), BoxError>`",
    note = "a process returns commands and time-outs that it lists: `ShipOrder`, `After`, `At`, `Cancel`, `Done`, an `Option`, tuple, array or `Vec` of these, or a `Result` of that"
)]
pub trait Reacted<H: EventHandler, T: ReactingTarget = <H as EventHandler>::Target> {
    /// The result, with any error as a [`BoxError`].
    fn reacted(self) -> Result<T::Outcome, BoxError>;
}

impl<H: EventHandler, E: Into<BoxError>> Reacted<H, SideEffects> for Result<(), E> {
    fn reacted(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

impl<P: Process, T: IntoActions<P>> Reacted<P, Commanding<P>> for T {
    fn reacted(self) -> Result<Actions, BoxError> {
        let mut actions = Actions::default();
        self.append_to(&mut actions)?;
        Ok(actions)
    }
}

/// The result of a `#[project]` method that has a return type.
pub fn projected<T: Done>(result: T) -> Result<(), BoxError> {
    result.done()
}

/// A return type of a `#[project]` method.
#[diagnostic::on_unimplemented(
    message = "a `#[project]` method can't return `{Self}`",
    label = "expected no return type, or `Result<(), _>`",
    note = "let it return nothing, or `Result<(), E>` with any error type `E`, as `Result<(), BoxError>`"
)]
pub trait Done {
    /// The result, with any error as a [`BoxError`].
    fn done(self) -> Result<(), BoxError>;
}

impl<E: Into<BoxError>> Done for Result<(), E> {
    fn done(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}
