//! What a handler of a follower takes beside its event: the id of the event's aggregate, or what the follower works with.

#![expect(
    clippy::indexing_slicing,
    reason = "constants have no other access to slices; the loops keep to their lengths"
)]

use std::marker::PhantomData;
use std::ops::Deref;

use crate::domain::id::{AggregateId, InvalidId};
use crate::domain::metadata::Envelope;
use crate::follow::handler::{EventHandler, KnowsNoId, LendsTo, Lists};
use crate::follow::reaction::Delivery;

/// The id of an event's aggregate, for a handler of `H` that takes it as a `W`.
pub fn id<H, E, W, I, const SOURCES: u128>(envelope: &Envelope<'_>) -> Result<W, InvalidId>
where
    H: KeyedBy<SOURCES, I>,
    W: IdOf<H, E, I>,
{
    W::from_text(envelope.key)
}

/// What a handler of `H` takes as a `&W`: an id, or the context. rustc infers `Kind` from the type.
pub fn beside<'w, H, E, C, W, Kind, I, const SOURCES: u128>(
    context: &'w C,
    envelope: &Envelope<'_>,
) -> Result<Lent<'w, W>, InvalidId>
where
    W: Beside<H, C, Kind>,
    Kind: Fits<H, E, W, I, SOURCES>,
{
    W::lend(context, envelope)
}

/// A type that a handler of `H` may take by reference. `Kind` is [`FromContext`] or [`FromKey`].
#[diagnostic::on_unimplemented(
    message = "a handler of `{H}` can't take a `&{Self}`",
    label = "neither the id of an aggregate nor what `{H}` works with",
    note = "a handler takes its event, then, if it wants, `envelope: &Envelope<'_>`, and the aggregate's id, as `id: &AccountId` or as text, `key: &str`, then what its follower works with",
    note = "that is `&Transaction<'_>` in a view with `#[projection(into = Sqlite, ..)]`, `&mut dyn SqlTransaction` with `into = Sql`, `&ViewTransaction<'_>` with `into = Postgres`, and `&Delivery` in a reaction; a view in memory is `self`, and has nothing else"
)]
pub trait Beside<H, C, Kind>: Sized {
    /// The argument.
    fn lend<'w>(context: &'w C, envelope: &Envelope<'_>) -> Result<Lent<'w, Self>, InvalidId>;
}

/// The kind of an argument that is the context, or a part of it.
#[derive(Debug)]
pub struct FromContext;

impl<H, C: LendsTo<H, W>, W> Beside<H, C, FromContext> for W {
    fn lend<'w>(context: &'w C, _: &Envelope<'_>) -> Result<Lent<'w, W>, InvalidId> {
        Ok(Lent::Borrowed(context.lend()))
    }
}

/// The kind of an argument that is an id.
#[derive(Debug)]
pub struct FromKey;

impl<H, C: KnowsNoId, W: AggregateId> Beside<H, C, FromKey> for W {
    fn lend<'w>(_: &'w C, envelope: &Envelope<'_>) -> Result<Lent<'w, W>, InvalidId> {
        W::from_text(envelope.key).map(Lent::Owned)
    }
}

/// The kind of an argument that is the delivery to a reaction, with the type of the reaction.
#[derive(Debug)]
pub struct FromDelivery;

#[diagnostic::do_not_recommend]
impl<H> Beside<H, Delivery, FromDelivery> for Delivery<H> {
    fn lend<'w>(context: &'w Delivery, _: &Envelope<'_>) -> Result<Lent<'w, Self>, InvalidId> {
        Ok(Lent::Owned(context.to()))
    }
}

/// The argument `W` is right for the event `E`, as an id is that is the one of the event's aggregate. `I` is the type of that one.
// Apart from `Beside`: rustc infers the kind first, and reports an id of another aggregate as such.
pub trait Fits<H, E, W, I, const SOURCES: u128> {}

impl<H, E, W, const SOURCES: u128> Fits<H, E, W, (), SOURCES> for FromContext {}

impl<H, E, W, const SOURCES: u128> Fits<H, E, W, (), SOURCES> for FromDelivery {}

impl<H, E, W, I, const SOURCES: u128> Fits<H, E, W, I, SOURCES> for FromKey
where
    H: KeyedBy<SOURCES, I>,
    W: IdOf<H, E, I>,
{
}

/// An argument that a handler borrows.
#[derive(Debug)]
pub enum Lent<'w, W> {
    /// The context, or a part of it.
    Borrowed(&'w W),
    /// An id, made for this call.
    Owned(W),
}

impl<W> Deref for Lent<'_, W> {
    type Target = W;

    fn deref(&self) -> &W {
        match self {
            Self::Borrowed(lent) => lent,
            Self::Owned(id) => id,
        }
    }
}

/// The type is the id `I` of the aggregate that has the event `E`.
// A trait, because an equality of types can't have an error message of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the id of the aggregate that has the event `{E}`",
    label = "the id of that aggregate is `{I}`",
    note = "take `id: &{I}`, or `key: &str` for its text"
)]
pub trait IdOf<H, E, I>: AggregateId {}

impl<H, E, W: AggregateId> IdOf<H, E, Self> for W {}

impl<H, E, W: AggregateId> IdOf<H, E, AnyId> for W {}

/// The id of an aggregate that the follower gives by its name, as text: the type of its ids is not known.
#[derive(Debug)]
pub enum AnyId {}

/// The aggregate that the bit in `SOURCES` stands for, in the order of `from(..)`, has ids of the type `I`.
// `I` is no associated type: a follower may be public, and its aggregates not.
#[diagnostic::on_unimplemented(
    message = "several aggregates of `{Self}` have this event, and each could have an id of another type",
    label = "whose id?",
    note = "take `key: &str` for the text of the id, and `envelope: &Envelope<'_>` for the aggregate, its `category`"
)]
pub trait KeyedBy<const SOURCES: u128, I> {}

impl<H> KeyedBy<0, AnyId> for H {}

/// The aggregates of `H` that have one of its events, one bit each, in the order of `from(..)`; 0 if it is an event of an
/// aggregate that `H` gives by its name. `index` is that of the event among [`EventHandler::SOURCES`].
#[must_use]
pub const fn sources<H: EventHandler>(index: usize) -> u128 {
    let types = H::FROM.len() - H::FROM_BY_NAME.len();
    if H::SOURCES.is_empty() {
        // All of `FROM` are given by name, or it is one aggregate.
        return types as u128;
    }
    let has = H::SOURCES[index];
    let mut bits = 0;
    let mut source = 0;
    while source < types && source < u128::BITS as usize {
        if has[source] {
            bits |= 1 << source;
        }
        source += 1;
    }
    bits
}

/// The place of the event `E` in the list of `H`. rustc finds this constant before that of [`Unlisted`].
#[derive(Debug)]
pub struct Place<H, E>(PhantomData<(H, E)>);

impl<H: Lists<E>, E> Place<H, E> {
    /// The place in the list.
    pub const INDEX: usize = <H as Lists<E>>::INDEX;
}

/// The answer for an event that the follower does not list: other code reports that.
pub trait Unlisted {
    /// A placeholder.
    const INDEX: usize = 0;
}

impl<H, E> Unlisted for Place<H, E> {}
