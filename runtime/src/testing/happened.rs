//! The events that a test of a follower gives.

use uuid::Uuid;

use crate::domain::aggregate::Aggregate;
use crate::domain::codec_error::EncodeError;
use crate::domain::decision::{IntoEvents, list};
use crate::domain::error::with_causes;
use crate::domain::event::Event;
use crate::domain::event_set::EventSet;
use crate::domain::id::AggregateId;
use crate::domain::metadata::Metadata;
use crate::domain::new_id::new_id;
use crate::domain::stream_name::StreamName;
use crate::domain::time::Timestamp;
use crate::follow::handler::{EventHandler, Lists};
use crate::store::append::{Append, ExpectedVersion, NewEvent};
use crate::store::event_store::EventStore;

/// The key of an event whose test does not say to which aggregate it happened.
const KEY: &str = "1";

/// The events of a test of the follower `F`; see [`project`](crate::testing::project).
///
/// * an event that the follower lists: it happens to an aggregate with the key `1`;
/// * the events of an aggregate with an id, [`of`];
/// * an `Option`, an array or a `Vec` of these;
/// * a tuple of up to 16 of these; tuples can be nested.
#[diagnostic::on_unimplemented(
    message = "expected events for a test of `{F}`, found `{Self}`",
    label = "not, or not only, events that `{F}` lists",
    note = "list it on `{F}`: `events({Self}, ..)`; an event that it does not list is given with `of::<Aggregate>(id, event)`"
)]
pub trait Happened<F> {
    /// Appends the events to `history`, in order.
    #[doc(hidden)]
    fn append_to(self, history: &mut History);
}

/// Events of one aggregate, for a test of a follower; see [`of`].
#[derive(Debug, Clone)]
#[must_use = "give the events to `project` or `react`"]
pub struct EventsOf {
    stream: StreamName,
    events: Vec<Written>,
    recorded_at: Option<Timestamp>,
    metadata: Metadata,
}

/// Stored events, in order.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct History(Vec<EventsOf>);

/// An event as it is stored.
#[derive(Debug, Clone)]
struct Written {
    name: &'static str,
    version: u32,
    json: String,
    id: Uuid,
}

/// Events of the aggregate `A` with this id, for a test of a follower.
///
/// `events` is anything that a handler of the aggregate may return. The follower need not list them.
///
/// ```
/// # use factum::prelude::*;
/// # mod bank { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/bank.rs")); }
/// # use bank::*;
/// use factum::testing::{of, project};
///
/// #[derive(Debug, Default, PartialEq, Projection)]
/// #[projection(events(MoneyDeposited), from(BankAccount))]
/// struct Depositors(Vec<AccountId>);
///
/// #[handlers]
/// impl Depositors {
///     #[project]
///     fn deposited(&mut self, _: &MoneyDeposited, id: AccountId) {
///         self.0.push(id);
///     }
/// }
///
/// let alice = || AccountId("alice".into());
/// project(Depositors::default(), of::<BankAccount>(alice(), MoneyDeposited { cents: 5 }))
///     .then_view(&Depositors(vec![alice()]));
/// ```
///
/// # Panics
///
/// If an event can't be written as JSON.
#[track_caller]
pub fn of<A: Aggregate>(id: impl Into<A::Id>, events: impl IntoEvents<A>) -> EventsOf {
    let events = list(events);
    let written =
        events.iter().map(|event| written(event.name(), event.event_version(), |out| event.encode(out)));
    EventsOf::new(A::CATEGORY, &id.into().to_text(), written.collect())
}

impl EventsOf {
    fn new(category: &str, key: &str, events: Vec<Written>) -> Self {
        let stream = StreamName::new(category, key);
        Self { stream, events, recorded_at: None, metadata: Metadata::default() }
    }

    /// Sets when the events were recorded; now, if a test does not say it.
    pub fn recorded_at(self, recorded_at: Timestamp) -> Self {
        Self { recorded_at: Some(recorded_at), ..self }
    }

    /// Sets the metadata of the events.
    pub fn metadata(self, metadata: Metadata) -> Self {
        Self { metadata, ..self }
    }
}

#[track_caller]
fn written(
    name: &'static str,
    version: u32,
    encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Written {
    let mut json = Vec::new();
    if let Err(error) = encode(&mut json) {
        panic!("{}", with_causes(&error));
    }
    let Ok(json) = String::from_utf8(json) else { panic!("`{name}` is not stored as JSON") };
    Written { name, version, json, id: new_id() }
}

impl History {
    /// The events that a test gives.
    pub(crate) fn of<F>(events: impl Happened<F>) -> Self {
        let mut history = Self::default();
        events.append_to(&mut history);
        history
    }

    /// The number of the events.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|of_one| of_one.events.len()).sum()
    }

    /// Appends the events to a store. Those whose time the test does not say happen at `now`.
    #[track_caller]
    pub(crate) fn store(&self, store: &impl EventStore, now: Timestamp) {
        for EventsOf { stream, events, recorded_at, metadata } in &self.0 {
            let events: Vec<_> = events
                .iter()
                .map(|event| {
                    let Written { name, version, json, id } = event;
                    NewEvent::new(name, *version, json, *id, recorded_at.unwrap_or(now), metadata)
                })
                .collect();
            if let Err(error) = store.append(&[Append::new(stream, ExpectedVersion::Any, &events)]) {
                panic!("{}", with_causes(&error));
            }
        }
    }
}

/// The category of the first aggregate of `F` that has the event `E`.
fn category<F: Lists<E>, E>() -> &'static str {
    let has = F::SOURCES.get(<F as Lists<E>>::INDEX).copied().unwrap_or(&[true]);
    F::FROM.iter().zip(has).find(|(_, has)| **has).map_or("test", |(from, _)| *from)
}

// An event that `F` does not list, and a type that is no event, are one error each: that of `Happened`.
#[diagnostic::do_not_recommend]
impl<F: Lists<E>, E: Event> Happened<F> for E {
    #[track_caller]
    fn append_to(self, history: &mut History) {
        let event = written(E::NAME, E::VERSION, |out| self.encode(out));
        history.0.push(EventsOf::new(category::<F, E>(), KEY, vec![event]));
    }
}

impl<F: EventHandler> Happened<F> for EventsOf {
    fn append_to(self, history: &mut History) {
        history.0.push(self);
    }
}

impl<F, T: Happened<F>> Happened<F> for Option<T> {
    fn append_to(self, history: &mut History) {
        if let Some(events) = self {
            events.append_to(history);
        }
    }
}

impl<F, T: Happened<F>> Happened<F> for Vec<T> {
    fn append_to(self, history: &mut History) {
        for events in self {
            events.append_to(history);
        }
    }
}

impl<F, T: Happened<F>, const N: usize> Happened<F> for [T; N] {
    fn append_to(self, history: &mut History) {
        for events in self {
            events.append_to(history);
        }
    }
}

macro_rules! tuples {
    ($first:ident $($part:ident)*) => {
        // Otherwise every message about a type that is not an event lists these impls.
        #[diagnostic::do_not_recommend]
        impl<Follower, $first: Happened<Follower>, $($part: Happened<Follower>),*> Happened<Follower> for ($first, $($part,)*) {
            #[allow(non_snake_case, clippy::allow_attributes)]
            fn append_to(self, history: &mut History) {
                let ($first, $($part,)*) = self;
                $first.append_to(history);
                $($part.append_to(history);)*
            }
        }
        tuples!($($part)*);
    };
    () => {
        impl<Follower> Happened<Follower> for () {
            fn append_to(self, _: &mut History) {}
        }
    };
}

tuples!(T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15 T16);
