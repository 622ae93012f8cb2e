//! A copy of an append, for the thread that commits it.

use crate::domain::stream_name::StreamName;
use crate::store::append::{Append, ExpectedVersion, NewEvent, NewKey};
use crate::store::owned_event::OwnedNewEvent;
use crate::store::timer::TimerChange;

/// A copy of an append, for a request that waits.
pub(crate) struct OwnedAppend {
    pub(crate) stream: StreamName,
    expected: ExpectedVersion,
    events: Vec<OwnedNewEvent>,
    keys: Vec<(String, NewKey<'static>)>,
    timers: Vec<TimerChange>,
}

/// What the appends of several requests borrow, in two lists for all of them.
#[derive(Default)]
pub(crate) struct Lent<'a> {
    events: Vec<NewEvent<'a>>,
    keys: Vec<NewKey<'a>>,
}

impl OwnedAppend {
    pub(crate) fn of(append: &Append<'_>) -> Self {
        let keys = append.keys.iter().map(|key| (key.key.to_owned(), NewKey { key: "", ..key.clone() }));
        Self {
            stream: append.stream.clone(),
            expected: append.expected,
            events: append.events.iter().map(OwnedNewEvent::copy).collect(),
            keys: keys.collect(),
            timers: append.timers.to_vec(),
        }
    }
}

impl<'a> Lent<'a> {
    pub(crate) fn of(appends: impl Iterator<Item = &'a OwnedAppend>) -> Self {
        let mut lent = Self::default();
        for append in appends {
            lent.events.extend(append.events.iter().map(OwnedNewEvent::lend));
            lent.keys.extend(append.keys.iter().map(|(key, rest)| NewKey { key, ..rest.clone() }));
        }
        lent
    }

    /// The appends that this was [made of](Self::of), in their order.
    pub(crate) fn appends(&self, of: impl Iterator<Item = &'a OwnedAppend>) -> Vec<Append<'_>> {
        let (mut events, mut keys) = (self.events.as_slice(), self.keys.as_slice());
        of.map(|append| Append {
            stream: &append.stream,
            expected: append.expected,
            events: split_off(&mut events, append.events.len()),
            keys: split_off(&mut keys, append.keys.len()),
            timers: &append.timers,
        })
        .collect()
    }
}

/// Takes so many from the front of the list.
pub(crate) fn split_off<'l, T>(list: &mut &'l [T], count: usize) -> &'l [T] {
    let (first, rest) = list.split_at(count);
    *list = rest;
    first
}
