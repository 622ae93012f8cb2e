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

/// An [`OwnedAppend`] with the slices that an [`Append`] borrows.
pub(crate) struct Lent<'a> {
    owned: &'a OwnedAppend,
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

    pub(crate) fn lend(&self) -> Lent<'_> {
        let keys = self.keys.iter().map(|(key, rest)| NewKey { key, ..rest.clone() });
        Lent {
            owned: self,
            events: self.events.iter().map(OwnedNewEvent::lend).collect(),
            keys: keys.collect(),
        }
    }
}

impl Lent<'_> {
    pub(crate) fn append(&self) -> Append<'_> {
        Append {
            stream: &self.owned.stream,
            expected: self.owned.expected,
            events: &self.events,
            keys: &self.keys,
            timers: &self.owned.timers,
        }
    }
}
