//! What an `#[execute]` method returns: events, in one of several forms.

use crate::domain::aggregate::{Aggregate, Emits};
use crate::domain::emitted::Emitted;
use crate::domain::event::Event;
use crate::domain::event_set::read_back;

/// The events of a handler that needs the state after each event before it emits the next.
///
/// A handler that emits one event returns it; several events can be a tuple, an array or a `Vec`. This type
/// is for decisions that depend on the events before:
///
/// ```
/// # use factum::prelude::*;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Withdrawn { cents: i64 }
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Overdrawn;
/// # #[derive(Debug, Command)] struct Withdraw { #[command(id)] account: String, cents: i64 }
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Withdraw), events(Withdrawn, Overdrawn))]
/// # struct Account { balance: i64, frozen: bool }
/// #[handlers]
/// impl Account {
///     #[execute]
///     fn withdraw(&self, command: Withdraw) -> Events<Self> {
///         let mut events = Events::on(self);
///         let after = events.emit(Withdrawn { cents: command.cents });
///         if after.balance < 0 {
///             events.emit(Overdrawn);
///         }
///         events
///     }
/// #   #[apply] fn withdrawn(&mut self, event: &Withdrawn) { self.balance -= event.cents; }
/// #   #[apply] fn overdrawn(&mut self, _: &Overdrawn) { self.frozen = true; }
/// }
/// # let accounts = MemoryStore::new().repository::<Account>();
/// # let done = accounts.execute(Withdraw { account: "a".into(), cents: 5 })?;
/// # assert!(done.state().frozen && done.version() == 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`state`](Self::state) is a copy. The aggregate itself changes only after the events are stored.
#[derive(Debug, Clone)]
pub struct Events<A: Aggregate> {
    emitted: Vec<A::Event>,
    state: A,
}

impl<A: Aggregate> Events<A> {
    /// An empty list of events that follow on `state`. In a handler, write `Events::on(self)`.
    pub fn on(state: &A) -> Self {
        Self { emitted: Vec::new(), state: state.duplicate() }
    }

    /// Emits an event and returns the state after it.
    pub fn emit<E>(&mut self, event: E) -> &A
    where
        A: Emits<E>,
    {
        let event = A::event(event);
        // The event as every later load applies it. One that can't be stored fails with the command.
        match read_back(&event, &mut Vec::new()) {
            Ok(stored) => self.state.apply(&stored),
            Err(_) => self.state.apply(&event),
        }
        self.emitted.push(event);
        &self.state
    }

    /// The state after all events emitted so far.
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The events emitted so far.
    pub fn emitted(&self) -> &[A::Event] {
        &self.emitted
    }
}

/// What an `#[execute]` method may return, alone or in a `Result`: the events of aggregate `A` that follow.
///
/// * an event that the aggregate lists,
/// * the aggregate's event enum,
/// * [`Events`],
/// * an `Option`, an array or a `Vec` of these,
/// * a tuple of up to 16 of these; tuples can be nested,
/// * `()` for no event.
///
/// The return type thereby shows which events a command can lead to.
#[diagnostic::on_unimplemented(
    message = "expected events of `{A}`, found `{Self}`",
    label = "not, or not only, events that `{A}` lists",
    note = "the events of `{A}` are in its `#[aggregate(events(..))]`: add another one there, and an `#[apply]` method for it",
    note = "several are a tuple, an `Option`, an array, a `Vec` or `Events<{A}>`; a tuple has 16 parts at most: nest them, as `((a, b), (c, d))`"
)]
pub trait IntoEvents<A: Aggregate> {
    /// Which events these can be.
    const EMITS: Emitted = Emitted::Any;

    /// Appends the events to `out`, in order.
    fn append_to(self, out: &mut Vec<A::Event>);

    /// The events as a new list. An impl that knows their number allocates the list in one piece.
    fn into_list(self) -> Vec<A::Event>
    where
        Self: Sized,
    {
        let mut list = Vec::new();
        self.append_to(&mut list);
        list
    }
}

/// The events as a new list, for any form that a handler returns.
#[inline]
pub(crate) fn list<A: Aggregate>(events: impl IntoEvents<A>) -> Vec<A::Event> {
    events.into_list()
}

// An event that `A` does not list, and a type that is no event, are one error each: that of `IntoEvents`.
#[diagnostic::do_not_recommend]
impl<A: Emits<E>, E: Event> IntoEvents<A> for E {
    const EMITS: Emitted = Emitted::One(E::NAME);

    #[inline]
    fn append_to(self, out: &mut Vec<A::Event>) {
        out.push(A::event(self));
    }

    #[inline]
    fn into_list(self) -> Vec<A::Event> {
        vec![A::event(self)]
    }
}

impl<A: Aggregate> IntoEvents<A> for Events<A> {
    fn append_to(mut self, out: &mut Vec<A::Event>) {
        out.append(&mut self.emitted);
    }
}

impl<A: Aggregate, T: IntoEvents<A>> IntoEvents<A> for Option<T> {
    const EMITS: Emitted = Emitted::Maybe(&T::EMITS);

    fn append_to(self, out: &mut Vec<A::Event>) {
        if let Some(events) = self {
            events.append_to(out);
        }
    }

    fn into_list(self) -> Vec<A::Event> {
        self.map_or_else(Vec::new, IntoEvents::into_list)
    }
}

impl<A: Aggregate, T: IntoEvents<A>> IntoEvents<A> for Vec<T> {
    const EMITS: Emitted = Emitted::Many(&T::EMITS);

    fn append_to(self, out: &mut Vec<A::Event>) {
        for events in self {
            events.append_to(out);
        }
    }
}

impl<A: Aggregate, T: IntoEvents<A>, const N: usize> IntoEvents<A> for [T; N] {
    const EMITS: Emitted = match N {
        0 => Emitted::All(&[]),
        1 => T::EMITS,
        _ => Emitted::All(&[T::EMITS, T::EMITS]),
    };

    fn append_to(self, out: &mut Vec<A::Event>) {
        for events in self {
            events.append_to(out);
        }
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => {$(
        // Otherwise every message about a type that is not an event lists these impls.
        #[diagnostic::do_not_recommend]
        impl<A: Aggregate, $($part: IntoEvents<A>),*> IntoEvents<A> for ($($part,)*) {
            const EMITS: Emitted = Emitted::All(&[$($part::EMITS),*]);

            #[allow(non_snake_case, unused_variables, clippy::allow_attributes)]
            fn append_to(self, out: &mut Vec<A::Event>) {
                let ($($part,)*) = self;
                $($part.append_to(out);)*
            }

            fn into_list(self) -> Vec<A::Event> {
                const PARTS: usize = 0 $(+ { stringify!($part); 1 })*;
                let mut list = Vec::with_capacity(PARTS);
                IntoEvents::<A>::append_to(self, &mut list);
                list
            }
        }
    )*};
}

tuples! {
    ()
    (T1)
    (T1 T2)
    (T1 T2 T3)
    (T1 T2 T3 T4)
    (T1 T2 T3 T4 T5)
    (T1 T2 T3 T4 T5 T6)
    (T1 T2 T3 T4 T5 T6 T7)
    (T1 T2 T3 T4 T5 T6 T7 T8)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15)
    (T1 T2 T3 T4 T5 T6 T7 T8 T9 T10 T11 T12 T13 T14 T15 T16)
}
