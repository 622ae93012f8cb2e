//! The aggregates that the events of a follower come from, and checks of them at compile time.

#![expect(
    clippy::indexing_slicing,
    reason = "constants have no other access to slices; the loops keep to their lengths"
)]

use std::marker::PhantomData;

use crate::domain::aggregate::{Aggregate, Emits, Retires, Upcast};
use crate::domain::event::EventKind;
use crate::domain::event_set::EventSet;
use crate::follow::handler::EventHandler;
use crate::macro_support::names::{knows_name, same_name};
use crate::store::read::StoredEvent;

/// What the event `E` is to the aggregate `A`. rustc finds these constants before those of [`Unrelated`].
#[derive(Debug)]
pub struct Relation<A, E>(PhantomData<(A, E)>);

impl<A: Aggregate, E> Relation<A, E> {
    /// The aggregate.
    pub const AGGREGATE: Option<KnownAggregate> =
        Some(KnownAggregate { category: A::CATEGORY, kinds: A::Event::KINDS, retired: A::Event::RETIRED });
}

impl<A: Emits<E>, E> Relation<A, E> {
    /// The aggregate lists the event.
    pub const FACTUM_HAS: bool = true;
}

impl<A: Retires<E>, E> Relation<A, E> {
    /// The aggregate has retired the event.
    pub const FACTUM_RETIRES: bool = true;
}

impl<A: Upcast<E>, E> Relation<A, E> {
    /// What the aggregate reads the retired event as.
    pub const FACTUM_READ_AS: Option<&'static str> = Some(A::READ_AS);
}

/// The answers for an aggregate that does not know the event, and for a type that is no aggregate.
pub trait Unrelated {
    /// The type is no aggregate: other code reports that.
    const AGGREGATE: Option<KnownAggregate> = None;
    /// The aggregate does not list the event.
    const FACTUM_HAS: bool = false;
    /// The aggregate has not retired the event.
    const FACTUM_RETIRES: bool = false;
    /// There is no `#[upcast]` function for the event.
    const FACTUM_READ_AS: Option<&'static str> = None;
}

impl<A, E> Unrelated for Relation<A, E> {}

/// An aggregate as data.
#[derive(Debug)]
pub struct KnownAggregate {
    category: &'static str,
    kinds: &'static [EventKind],
    retired: &'static [EventKind],
}

/// An aggregate in `from(..)`, and what one of the follower's events is to it.
#[derive(Debug)]
pub struct Source {
    /// The aggregate's type, as the follower writes it.
    pub name: &'static str,
    /// The aggregate; `None` if the type is none.
    pub aggregate: Option<KnownAggregate>,
    /// Whether the aggregate lists the event.
    pub has: bool,
    /// Whether the aggregate has retired the event's type.
    pub retires: bool,
    /// What the aggregate reads the retired event as.
    pub read_as: Option<&'static str>,
}

/// Asserts that one of the aggregates has an event. The error points at the caller.
///
/// Unless the list of aggregates `is_closed`, the event may be one of an aggregate that is given by name.
#[track_caller]
pub const fn assert_has(sources: &[Source], event: &str, kind: &EventKind, is_closed: bool) {
    let mut index = 0;
    while index < sources.len() {
        if sources[index].has || sources[index].aggregate.is_none() {
            return;
        }
        index += 1;
    }
    index = 0;
    while index < sources.len() {
        assert_not_retired(&sources[index], event, kind, is_closed);
        index += 1;
    }
    if is_closed {
        let add = "`: add its aggregate to `from(..)`, or take it out of `events(..)`";
        fail(&["no aggregate in `from(..)` has the event `", event, "`, stored as `", kind.name, add], &[]);
    }
}

/// Asserts that an aggregate that does not list an event has not retired it, and has no other one of its name.
#[track_caller]
const fn assert_not_retired(source: &Source, event: &str, kind: &EventKind, is_closed: bool) {
    let Source { name, aggregate: Some(aggregate), retires, read_as, .. } = source else { return };
    let follower = "` in a follower with `from(\"";
    let as_stored = ["; to get stored ones as they are, list `", event, follower, aggregate.category, "\")`"];
    let take_out = ": take it out of `events(..)`";
    if let Some(read_as) = read_as {
        fail(
            &["`", name, "` has retired `", event, "`, and reads it as ", read_as, ": list that"],
            &as_stored,
        );
    }
    if *retires {
        fail(&["`", name, "` has retired `", event, "`, and reads it as nothing", take_out], &as_stored);
    }
    if is_closed && knows_name(aggregate.retired, kind.name) {
        fail(&["`", name, "` has retired the name `", kind.name, "` of `", event, "`", take_out], &as_stored);
    }
    if is_closed && knows_name(aggregate.kinds, kind.name) {
        let list = "`: list that one, or add its own aggregate to `from(..)`";
        fail(&["`", event, "` is not the event of `", name, "` that is stored as `", kind.name, list], &[]);
    }
}

/// Asserts that the category at `index` is not an earlier one. The error points at the caller.
#[track_caller]
pub const fn assert_other_category(categories: &[&str], index: usize, message: &str) {
    let mut earlier = 0;
    while earlier < index {
        assert!(!same_name(categories[earlier], categories[index]), "{}", message);
        earlier += 1;
    }
}

/// The longest message that rustc shows whole.
const MESSAGE: usize = 1024;

/// Fails with the parts as one message. A constant can't format its message from parts in another way.
#[track_caller]
pub(super) const fn fail(parts: &[&str], more: &[&str]) {
    let mut text = [b' '; MESSAGE];
    let mut length = 0;
    let mut part = 0;
    while part < parts.len() + more.len() {
        let bytes = if part < parts.len() { parts[part] } else { more[part - parts.len()] }.as_bytes();
        let mut index = 0;
        while index < bytes.len() && length < MESSAGE {
            text[length] = bytes[index];
            (length, index) = (length + 1, index + 1);
        }
        part += 1;
    }
    let (text, _) = text.split_at(length);
    let text = match std::str::from_utf8(text) {
        Ok(text) => text,
        // The end of the message is in the middle of a letter.
        Err(_) => "this event is not one of an aggregate in `from(..)`",
    };
    assert!(text.is_empty(), "{}", text);
}

/// Whether the event at `index` of the follower's list comes from streams of `category`.
#[must_use]
pub fn comes_from<H: EventHandler>(index: usize, category: &str) -> bool {
    match H::SOURCES.get(index) {
        Some(sources) => H::FROM.iter().zip(*sources).any(|(from, is)| *is && *from == category),
        None => true,
    }
}

/// The current name of the follower's event that has the alias `name` in streams of `category`.
#[cold]
#[must_use]
pub fn current_name_in<H: EventHandler>(category: &str, name: &str) -> Option<&'static str> {
    // The caller has tried the event whose current name is `name`; to return it again would lead to an endless
    // recursion.
    let is_alias = |index, kind: &EventKind| {
        kind.name != name && kind.aliases.contains(&name) && comes_from::<H>(index, category)
    };
    H::EVENTS.iter().enumerate().find(|(index, kind)| is_alias(*index, kind)).map(|(_, kind)| kind.name)
}

/// Whether a stored event of the aggregate `A` is one that `A` lists and the follower does not.
#[must_use]
pub fn passes_over<H: EventHandler, A: Aggregate>(event: &StoredEvent<'_>) -> bool {
    knows_name(A::Event::KINDS, event.name) && !lists::<H>(event)
}

/// Whether a stored event, of an aggregate whose type the follower does not know, is one that it does not list.
#[must_use]
pub fn passes_over_unknown<H: EventHandler>(event: &StoredEvent<'_>) -> bool {
    H::FROM_BY_NAME.contains(&event.envelope.category) && !lists::<H>(event)
}

fn lists<H: EventHandler>(event: &StoredEvent<'_>) -> bool {
    let is_named = |kind: &EventKind| kind.names().any(|name| name == event.name);
    let mut kinds = H::EVENTS.iter().enumerate();
    kinds.any(|(index, kind)| is_named(kind) && comes_from::<H>(index, event.envelope.category))
}
