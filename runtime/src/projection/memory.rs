//! Views in memory.

mod shards;

use std::fmt;
use std::ops::ControlFlow;

pub use self::shards::MemoryShards;
use super::{CaughtUp, Memory, Projection, ProjectionError, guarded, names};
use crate::store::{EventStore, Filter, Partition};

/// A view in memory, made from the events of a store, as far as it has caught up.
///
/// See [`Projection`] for an example.
pub struct MemoryProjection<P, S> {
    store: S,
    view: P,
    position: u64,
}

impl<P: Projection<Target = Memory>, S: EventStore> MemoryProjection<P, S> {
    /// The view `view`, which has seen nothing yet.
    pub fn new(store: S, view: P) -> Self {
        Self { store, view, position: 0 }
    }

    /// Projects all events that are in the store by now and have not been seen yet.
    ///
    /// Fails at the first event that can't be read or projected. The view has then seen all events before it; another
    /// call tries that event once more, on whatever its handler has left of the view.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        // Taken before: what is appended from here on may or may not be seen, and is not counted as seen.
        let newest = self.store.position().map_err(ProjectionError::store::<P>)?;
        let Self { store, view, position } = self;
        let events = project(store, view, Partition::WHOLE, position, newest)?;
        Ok(CaughtUp { events, position: self.position })
    }
}

/// Projects what a part has after `position` and has not been seen, and tells how many events that were; `position` goes
/// along, and ends at `newest` or after it.
fn project<P: Projection<Target = Memory>>(
    store: &impl EventStore,
    view: &mut P,
    partition: Partition,
    position: &mut u64,
    newest: u64,
) -> Result<u64, ProjectionError> {
    let names = names::<P>();
    let filter = Filter { names: &names, categories: P::FROM, bare: !P::METADATA, partition, until: None };
    let mut events = 0;
    let mut result = Ok(());
    let read = store.read_all(filter, *position, usize::MAX, &mut |event| match guarded(|| {
        view.project_stored(event.name, event, &())
    }) {
        Ok(()) => {
            events += 1;
            *position = event.envelope.position;
            ControlFlow::Continue(())
        }
        Err(error) => {
            result = Err(ProjectionError::at::<P>(event, error));
            ControlFlow::Break(())
        }
    });
    read.map_err(ProjectionError::store::<P>)?;
    result?;
    *position = newest.max(*position);
    Ok(events)
}

impl<P, S> MemoryProjection<P, S> {
    /// The view.
    pub fn view(&self) -> &P {
        &self.view
    }

    /// The view, owned.
    pub fn into_view(self) -> P {
        self.view
    }

    /// The position up to which everything has been seen.
    pub fn position(&self) -> u64 {
        self.position
    }
}

impl<P: fmt::Debug, S> fmt::Debug for MemoryProjection<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryProjection")
            .field("view", &self.view)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}
