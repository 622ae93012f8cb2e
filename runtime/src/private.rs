//! What generated code calls. Not for anybody else: it changes without notice.

pub use serde;
use serde::Serialize;
use serde::de::DeserializeOwned;

use std::fmt;
use std::marker::PhantomData;

use crate::aggregate::{Aggregate, Upcast};
use crate::command::Command;
use crate::error::BoxError;
use crate::event::{DecodeError, Decoded, EncodeError, Event, EventKind, EventSet};
pub use crate::events::IntoEvents;
use crate::events::list;
use crate::metadata::Envelope;
use crate::projection::{Project, ProjectError, Projection, Writer};
use crate::reaction::React;
use crate::shape::{EventSchema, FNV_OFFSET, Shape, hashed, mixed, never_zero, read_shapes};
use crate::store::StoredEvent;

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

/// One event as JSON, appended to `out`: the one place where an event type meets serde's serializer.
pub fn encode<E: Event + Serialize>(event: &E, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    serde_json::to_writer(out, event).map_err(EncodeError::json::<E>)
}

/// JSON as the event `E` was at `version`: as itself, or as the private struct that derive has made of that version.
/// The one place where such a type meets serde's deserializer.
pub fn decode<E: Event, T: DeserializeOwned>(version: u32, payload: &str) -> Result<T, DecodeError> {
    serde_json::from_str(payload).map_err(|source| DecodeError::payload::<E>(version, source))
}

/// The event `E` at its current version, which is all that is left: at any other it can't be read.
pub fn decode_current<E: Event + DeserializeOwned>(version: u32, payload: &str) -> Result<E, DecodeError> {
    if version == E::VERSION {
        decode::<E, E>(version, payload)
    } else {
        Err(DecodeError::version::<E>(version))
    }
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

/// A decoded event as a variant of its enum.
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

/// The id of a command that is for an aggregate with ids of type `I`.
pub fn id_of<C, I>(command: &C) -> &I
where
    C: Command,
    C::Id: IdFor<I, C>,
{
    command.aggregate_id().same()
}

/// That the id of the command `C` is the aggregate's `I`: an equality whose failure can be explained.
#[diagnostic::on_unimplemented(
    message = "the command `{C}` has the id `{Self}`, and the aggregate that lists it has the id `{I}`",
    label = "`{C}` is for an aggregate with another id",
    note = "make the `#[command(id)]` field of `{C}` a `{I}`, or the aggregate's `id` a `{Self}`"
)]
pub trait IdFor<I, C> {
    /// Itself.
    fn same(&self) -> &I;
}

impl<I, C> IdFor<I, C> for I {
    fn same(&self) -> &I {
        self
    }
}

/// What an `#[execute]` method has returned, if it says `Result`.
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

/// An event of type `E` as it is at hand, for a handler that borrows it.
///
/// Stored or decoded, it goes through one function to its handler, so that a handler that is missing is missed once: rustc
/// tells errors that are alike in all once.
pub trait AtHand<E> {
    /// Hands it to `handle`.
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError>;
}

/// With the event's own way to decode it: what is no event is missed where that is named.
impl<E, D> AtHand<E> for (&StoredEvent<'_>, D)
where
    D: FnOnce(u32, &str) -> Result<E, DecodeError>,
{
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError> {
        let (event, decode) = self;
        let typed = decode(event.schema, event.payload)?;
        Ok(handle(&typed, &event.envelope))
    }
}

impl<E> AtHand<E> for (&E, &Envelope<'_>) {
    fn hand<T>(self, handle: impl FnOnce(&E, &Envelope<'_>) -> T) -> Result<T, DecodeError> {
        Ok(handle(self.0, self.1))
    }
}

/// One event, as the projection's handler for `E` takes it.
pub fn project<P: Project<E>, E>(
    projection: &mut P,
    event: impl AtHand<E>,
    writer: &Writer<'_, P>,
) -> Result<(), ProjectError> {
    event.hand(|event, envelope| projection.project(event, envelope, writer))?.map_err(ProjectError::Handler)
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
    event: &StoredEvent<'_>,
    decode: impl FnOnce(u32, &str) -> Result<E, DecodeError>,
) -> Result<Option<Prepared<P>>, DecodeError> {
    Ok(Some(Prepared(Box::new(decode(event.schema, event.payload)?))))
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

/// The first event that has a name, or had one, that one before it has or had; `kinds.len()` if there is none.
///
/// rustc interprets this for every aggregate, and takes microseconds for what a processor does in nanoseconds. So it does not
/// compare each with each, but only those whose mark was set before.
pub const fn repeated(kinds: &[EventKind]) -> usize {
    let mut marks = [false; MARKS];
    let mut index = 0;
    while index < kinds.len() {
        let kind = &kinds[index];
        let of_name = mark(kind.name);
        let mut was_set = marks[of_name];
        marks[of_name] = true;
        let mut alias = 0;
        while alias < kind.aliases.len() {
            let of_alias = mark(kind.aliases[alias]);
            was_set |= marks[of_alias];
            marks[of_alias] = true;
            alias += 1;
        }
        if was_set && !is_new(kinds, index) {
            return index;
        }
        index += 1;
    }
    index
}

/// A prime, and many more than an aggregate has events.
const MARKS: usize = 4093;

/// Most names have another one than most others: they differ in length, in how they begin, or in how they end.
const fn mark(name: &str) -> usize {
    let bytes = name.as_bytes();
    match bytes {
        [first, .., third, second, last] => {
            let ends =
                *first as usize + *third as usize * 29 + *second as usize * 311 + *last as usize * 3121;
            (ends + bytes.len() * 811) % MARKS
        }
        _ => bytes.len(),
    }
}

/// That the event at `index` is not the one that [`repeated`] has found. The error has its caret at the caller.
#[track_caller]
pub const fn assert_new(repeated: usize, index: usize, message: &str) {
    assert!(repeated != index, "{}", message);
}

/// Whether none of the names of the event at `index` is one of an event before it.
pub const fn is_new(kinds: &[EventKind], index: usize) -> bool {
    is_unused(kinds, index, &kinds[index])
}

/// Whether none of the names of `kind` is one of the first `count` events.
pub const fn is_unused(kinds: &[EventKind], count: usize, kind: &EventKind) -> bool {
    let mut unused = true;
    let mut index = 0;
    while index < count {
        unused &= !share_a_name(&kinds[index], kind);
        index += 1;
    }
    unused
}

const fn share_a_name(left: &EventKind, right: &EventKind) -> bool {
    let mut share = is_among(left.name, right);
    let mut index = 0;
    while index < left.aliases.len() {
        share |= is_among(left.aliases[index], right);
        index += 1;
    }
    share
}

const fn is_among(name: &str, kind: &EventKind) -> bool {
    let mut found = same(name, kind.name);
    let mut index = 0;
    while index < kind.aliases.len() {
        found |= same(name, kind.aliases[index]);
        index += 1;
    }
    found
}

/// Whether two names are one.
pub const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut same = left.len() == right.len();
    let mut index = 0;
    while same && index < left.len() {
        same = left[index] == right[index];
        index += 1;
    }
    same
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

/// Asks for the fingerprint of `T`, which may have none.
#[derive(Debug)]
pub struct Schema<T: ?Sized>(PhantomData<T>);

impl<T: EventSchema + ?Sized> Schema<T> {
    /// That of its [`EventSchema`]: an inherent constant, and so found first where there is one.
    pub const FINGERPRINT: u64 = T::FINGERPRINT;
}

/// Types without an [`EventSchema`].
pub trait NoSchema {
    /// None.
    const FINGERPRINT: u64 = 0;
}

impl<T: ?Sized> NoSchema for Schema<T> {}

/// The fingerprint of a shape written as `text`, with parts that have fingerprints of their own.
pub const fn fingerprint(text: &str, parts: &[u64]) -> u64 {
    let mut hash = hashed(FNV_OFFSET, text);
    let mut index = 0;
    while index < parts.len() {
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    never_zero(hash)
}

/// The shapes of an event that has a previous struct: that one's, and its own.
pub fn shapes<E: Event, P: Event>(out: &mut Vec<Shape>) {
    P::shapes(out);
    read_shapes::<E>(out);
}

/// The fingerprint of a type as it is written, of those of its parts; 0 if none of them has one.
pub const fn fingerprint_of(parts: &[u64]) -> u64 {
    if are_zero(parts) {
        return 0;
    }
    let mut hash = FNV_OFFSET;
    let mut index = 0;
    while index < parts.len() {
        hash = mixed(hash, parts[index]);
        index += 1;
    }
    never_zero(hash)
}

/// Asked first: most types have none, and rustc's interpreter takes its time for a hash.
const fn are_zero(parts: &[u64]) -> bool {
    let mut index = 0;
    while index < parts.len() {
        if parts[index] != 0 {
            return false;
        }
        index += 1;
    }
    true
}

/// Whether one of the events has, or had, this name.
pub const fn knows(kinds: &[EventKind], name: &str) -> bool {
    let mut knows = false;
    let mut index = 0;
    while index < kinds.len() {
        knows |= is_among(name, &kinds[index]);
        index += 1;
    }
    knows
}

/// Whether the event of this name, if it is among them, is at `version` at least.
pub const fn is_at_least(kinds: &[EventKind], name: &str, version: u32) -> bool {
    let mut is = true;
    let mut index = 0;
    while index < kinds.len() {
        is &= kinds[index].version >= version || !is_among(name, &kinds[index]);
        index += 1;
    }
    is
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_name_is_found_and_no_other() {
        let kind = |name, aliases| EventKind { name, version: 1, aliases };
        for (kinds, expected) in [
            (vec![], 0),
            (vec![kind("opened", &[]), kind("closed", &[]), kind("opened", &[])], 2),
            (vec![kind("paid-in", &["paid"]), kind("paid", &[])], 1),
            (vec![kind("paid", &[]), kind("paid-in", &["paid"])], 1),
            (vec![kind("new", &["old"]), kind("newer", &["old"])], 1),
            // A name of its own that it had before.
            (vec![kind("paid", &["paid"]), kind("spent", &[])], 2),
            // One mark, two names.
            (vec![kind("card-used", &[]), kind("coin-used", &[])], 2),
            (vec![kind("a", &[]), kind("b", &[]), kind("b", &[])], 2),
        ] {
            assert_eq!(repeated(&kinds), expected, "{kinds:?}");
        }
        assert_eq!(mark("card-used"), mark("coin-used"));
    }
}
