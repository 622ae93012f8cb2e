//! The base of projections and reactions: the events that they list, and a handler for each.

use std::any::Any;
use std::cell::RefMut;
use std::fmt;

use crate::domain::codec_error::DecodeError;
use crate::domain::error::BoxError;
use crate::domain::event::EventKind;
use crate::domain::metadata::Envelope;
use crate::domain::panic::catch_panic;
use crate::follow::error::HandlerError;
use crate::store::read::StoredEvent;

/// A type with handlers for events: the base of [`Projection`](crate::follow::Projection) and
/// [`Reaction`](crate::follow::Reaction), whose derives implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handlers for events",
    label = "this type derives neither `Projection` nor `Reaction`",
    note = "annotate `{Self}` with `#[derive(Projection)]` and `#[projection(events(..), from(..))]`, or with \
            `#[derive(Reaction)]` and `#[reaction(events(..), from(..))]`"
)]
#[doc(alias = "event handler")]
pub trait EventHandler: Sized {
    /// The name that the follower's progress is stored under.
    const NAME: &'static str;

    /// The events that the follower lists.
    const EVENTS: &'static [EventKind];

    /// The categories of the aggregates whose events count; empty if all do.
    const FROM: &'static [&'static str] = &[];

    /// Those categories in `FROM` that are given by name, as text. Which events they have is not known.
    const FROM_BY_NAME: &'static [&'static str] = &[];

    /// For each event, which of `FROM` it comes from; empty if all events come from all.
    #[doc(hidden)]
    const SOURCES: &'static [&'static [bool]] = &[];

    /// Whether a handler uses metadata. If none does, the store need not read it.
    const WANTS_METADATA: bool = true;

    /// What the handlers write to.
    type Target: Target;

    /// Handles a stored event: chooses the handler by `name`, which the event has now or had in an earlier
    /// version.
    fn handle_stored(
        &mut self,
        name: &str,
        event: &StoredEvent<'_>,
        context: &Context<'_, Self>,
    ) -> Result<(), HandlerError>;

    /// Handles an event that is already decoded, as which a retired event is read. An event that is not
    /// listed changes nothing.
    fn handle_typed(
        &mut self,
        event: &dyn Any,
        envelope: &Envelope<'_>,
        context: &Context<'_, Self>,
    ) -> Result<(), HandlerError>;

    /// Whether no handler gets a stored event: its aggregate is known to have it, and the follower does not list it.
    #[doc(hidden)]
    #[must_use]
    fn passes_over(event: &StoredEvent<'_>) -> bool {
        let _ = event;
        false
    }

    /// Decodes a stored event for a later call of its handler; `None` if the event has to be decoded then.
    #[doc(hidden)]
    fn prepare(name: &str, event: &StoredEvent<'_>) -> Result<Option<Prepared<Self>>, DecodeError> {
        let _ = (name, event);
        Ok(None)
    }
}

/// The follower lists the event `E`.
///
/// `derive(Projection)` and `derive(Reaction)` implement it for each event listed. A handler for an event
/// that is not listed would never be called, so it does not compile.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not list the event `{E}`",
    label = "would never be called: `{E}` is not in `events(..)`",
    note = "add it to the list on `{Self}`: `events({E}, ..)`; in a process, `events({E} by stream, ..)`, or `timeouts({E}, ..)`"
)]
pub trait Lists<E>: EventHandler {
    /// The event's place in [`EVENTS`](EventHandler::EVENTS), if `SOURCES` has a row for each.
    #[doc(hidden)]
    const INDEX: usize = 0;
}

/// A follower that needs the events of one stream in order, and those of different streams in any order.
///
/// Several workers can share it, each with a partition of the streams.
///
/// `partition_by = stream`, in `#[projection(..)]` or `#[reaction(..)]`, declares it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say that several workers can share it",
    label = "runs with one worker only",
    note = "if events of different streams may be taken in any order, declare it: `#[projection(partition_by = stream)]` \
            on `{Self}`, or `#[reaction(partition_by = stream)]`"
)]
pub trait PartitionedByStream: EventHandler {}

/// What the handlers of a follower write to: a view in memory, tables of a database, the outside world.
///
/// [`Memory`](crate::memory::Memory), `Sqlite`, `Postgres`, [`Sql`](crate::follow::Sql) and
/// [`SideEffects`](crate::follow::SideEffects) implement it.
#[diagnostic::on_unimplemented(
    message = "a view can't be kept in `{Self}`",
    label = "not what a view is kept in",
    note = "write `into = Sqlite` for a view in SQLite, or `into = Sql` for one in any database; without `into`, the view is in memory"
)]
pub trait Target: sealed::Sealed {
    /// What a handler gets besides the event and its envelope.
    type Context<'c>;
}

pub(crate) mod sealed {
    /// Only factum's own targets have runners.
    pub trait Sealed {}
}

/// What the handlers of `H` get besides the event and its envelope.
pub type Context<'c, H> = <<H as EventHandler>::Target as Target>::Context<'c>;

/// What a follower works with that gets its ids from the keys of the events' streams. A process has ids of its own.
#[doc(hidden)]
pub trait KnowsNoId {}

impl KnowsNoId for () {}

/// Lends the context, or a part of it, to a handler that takes a `W`.
///
/// A trait instead of a type equality, so that a diagnostic can explain the failure.
#[diagnostic::on_unimplemented(
    message = "a handler of `{H}` can't take a `&{W}`",
    label = "not what `{H}` works with",
    note = "a handler takes its event, then, if it wants, `envelope: &Envelope<'_>`, and the aggregate's id, as `id: &AccountId` or as text, `key: &str`, then what its follower works with",
    note = "that is `&Transaction<'_>` in a view with `#[projection(into = Sqlite, ..)]`, `&mut dyn SqlTransaction` with `into = Sql`, `&ViewTransaction<'_>` with `into = Postgres`, and `&Delivery` in a reaction; a view in memory is `self`, and has nothing else"
)]
#[doc(hidden)]
pub trait LendsTo<H, W> {
    /// The context, or the part of it.
    fn lend(&self) -> &W;
}

impl<H, W> LendsTo<H, W> for W {
    fn lend(&self) -> &W {
        self
    }
}

/// Lends a handler of `H` what it takes as a `&mut W`.
#[diagnostic::on_unimplemented(
    message = "a handler of `{H}` can't take a `&mut {W}`",
    label = "not what `{H}` works with",
    note = "a view with `#[projection(into = Sql, ..)]` works with `&mut dyn SqlTransaction`, and one with `into = Sqlite` with \
            `&Transaction<'_>`; a view in memory is `self`, and has nothing else"
)]
#[doc(hidden)]
pub trait LendsMut<H, W: ?Sized> {
    /// What the handler takes.
    fn lend_mut(&self) -> RefMut<'_, W>;
}

/// A call of a handler with an event that is already decoded.
#[doc(hidden)]
pub struct Prepared<H: EventHandler>(Box<Call<H>>);

type Call<H> = dyn FnOnce(&mut H, &Envelope<'_>, &Context<'_, H>) -> Result<(), BoxError>;

impl<H: EventHandler> Prepared<H> {
    /// Wraps the closure that calls the handler.
    pub fn new(
        call: impl FnOnce(&mut H, &Envelope<'_>, &Context<'_, H>) -> Result<(), BoxError> + 'static,
    ) -> Self {
        Self(Box::new(call))
    }

    /// Calls the handler.
    pub(crate) fn call(
        self,
        handler: &mut H,
        envelope: &Envelope<'_>,
        context: &Context<'_, H>,
    ) -> Result<(), BoxError> {
        (self.0)(handler, envelope, context)
    }
}

impl<H: EventHandler> fmt::Debug for Prepared<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prepared")
    }
}

/// Calls a handler, and turns its panic into an error of its event. Changes to the handler's own fields stay.
pub(crate) fn contained(handler: impl FnOnce() -> Result<(), HandlerError>) -> Result<(), HandlerError> {
    catch_panic(handler).unwrap_or_else(|panic| Err(HandlerError::Handler(Box::new(panic))))
}
