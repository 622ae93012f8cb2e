//! The stored events, beside the events that a generation reads.

use std::fmt::{Debug, Write as _};
use std::ops::ControlFlow;

use factum::EventSet;
use factum::Position;
use factum::prelude::*;
use factum::store::Filter;

/// A stored event, without its payload.
struct Stored {
    parcel: String,
    version: u64,
    name: String,
    event_version: u32,
}

/// All parcels as the aggregate `A` reads them: the events of each, stored and read, and its state.
///
/// Fails if `A` can't read one of the events, because a state from the other events would be wrong.
pub fn read<A>(store: &SqliteStore) -> Result<String, BoxError>
where
    A: Aggregate<Id = String> + Debug,
    A::Services: Default,
{
    let parcels = store.repository::<A>();
    let stored = stored(store, A::CATEGORY)?;
    let mut text = String::new();
    for parcel in names(&stored) {
        let mut history = parcels.history(parcel)?.collect::<Result<Vec<_>, _>>()?.into_iter().peekable();
        writeln!(text, "{parcel:<4}{:<20}  as it is read", "as it is stored")?;
        for event in stored.iter().filter(|event| event.parcel == *parcel) {
            // A retired event is read as several, which share its version, or as none.
            let read = std::iter::from_fn(|| history.next_if(|read| read.version == event.version));
            let read: Vec<_> = read.map(|read| read.event).collect();
            lines(&mut text, event, &read)?;
        }
        writeln!(text, "{:?}\n", parcels.load(parcel)?.state())?;
    }
    Ok(text)
}

/// A line for each event that the stored one is read as.
fn lines(text: &mut String, stored: &Stored, read: &[impl EventSet]) -> Result<(), BoxError> {
    let mut left = format!("{:>2}  {} {}", stored.version, stored.name, stored.event_version);
    if read.is_empty() {
        writeln!(text, "{left:<24}  nothing")?;
    }
    for event in read {
        let mut payload = Vec::new();
        event.encode(&mut payload)?;
        let payload = String::from_utf8(payload)?;
        writeln!(text, "{left:<24}  {} {} {payload}", event.name(), event.event_version())?;
        left.clear();
    }
    Ok(())
}

/// The events of one category, in the order in which they were stored.
fn stored(store: &SqliteStore, category: &str) -> Result<Vec<Stored>, BoxError> {
    let mut stored = Vec::new();
    let categories = [category];
    let filter = Filter::new().categories(&categories);
    store.read_all(filter, Position::START, usize::MAX, &mut |event| {
        stored.push(Stored {
            parcel: event.envelope.key.to_owned(),
            version: event.envelope.version,
            name: event.name.to_owned(),
            event_version: event.event_version,
        });
        ControlFlow::Continue(())
    })?;
    Ok(stored)
}

/// Each parcel once, the oldest first: every parcel has one event of version 1.
fn names(stored: &[Stored]) -> impl Iterator<Item = &String> {
    stored.iter().filter(|event| event.version == 1).map(|event| &event.parcel)
}
