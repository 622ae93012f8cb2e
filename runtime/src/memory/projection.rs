//! Projections into memory.

use std::fmt;
use std::ops::ControlFlow;

use crate::domain::position::Position;
use crate::follow::definition::FollowerDefinition;
use crate::follow::error::{FollowError, ProjectionError};
use crate::follow::event_hooks::Watch;
use crate::follow::handler::{Target, contained, sealed};
use crate::follow::progress::CaughtUp;
use crate::follow::projection::Projection;
use crate::follow::seen::Seen;
use crate::store::event_store::EventStore;
use crate::store::partition::Partition;

/// The target of a projection whose view is the projection itself: its handlers write to `self`.
#[derive(Debug)]
pub enum Memory {}

impl sealed::Sealed for Memory {}

impl Target for Memory {
    type Context<'c> = ();
}

/// A view in memory, built from the events of a store up to a position.
///
/// See [`Projection`] for an example.
#[must_use = "a projection sees nothing before `.catch_up()`"]
pub struct MemoryProjection<P, S> {
    store: S,
    view: P,
    position: Position,
    seen: Seen,
}

impl<P: Projection<Target = Memory>, S: EventStore> MemoryProjection<P, S> {
    /// Begins with `view`, which has seen none of the store's events yet.
    pub fn new(store: &S, view: P) -> Self
    where
        S: Clone,
    {
        Self { store: store.clone(), view, position: Position::START, seen: Seen::START }
    }

    /// Projects all events of the store that the view has not seen yet.
    ///
    /// Fails at the first event that can't be read or projected. The view has then seen all events before
    /// that one. The next call tries the event again, on the view as the failed handler left it.
    ///
    /// Fails with [`FollowError::OtherEvents`] or [`FollowError::AheadOfStore`] if the store no longer has the
    /// events that the view has seen. Make the view again from a new one then.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let Self { store, view, position, seen } = self;
        seen.check(store, P::NAME)?;
        // Taken before the read: an event that is appended from here on may be missed, so it must not count
        // as seen.
        let failed = FollowError::store(P::NAME);
        let newest = store.position().map_err(failed)?;
        let projected = project(store, view, Watch::NONE, Partition::WHOLE, position, newest);
        *seen = Seen::of(store, *position).map_err(failed)?;
        Ok(CaughtUp { events: projected?, position: self.position })
    }
}

/// Projects the events of a partition after `position`, and returns their number. `position` ends at `newest`
/// or later.
pub(super) fn project<P: Projection<Target = Memory>>(
    store: &impl EventStore,
    view: &mut P,
    watch: Watch<'_>,
    partition: Partition,
    position: &mut Position,
    newest: Position,
) -> Result<u64, FollowError> {
    let mut definition = FollowerDefinition::of_projection::<P>();
    definition.wants_metadata |= watch.is_set();
    if *position == Position::START {
        definition.check_categories(store)?;
    }
    let names = definition.stored_names();
    // Not beyond: what the view has seen is compared up to there.
    let filter = definition.filter(&names, partition).until(newest);
    let mut events = 0;
    let mut result = Ok(());
    let read = store.read_all(filter, *position, usize::MAX, &mut |event| match contained(|| {
        watch.handle::<P>(event, || view.handle_stored(event.name, event, &()))
    }) {
        Ok(()) => {
            events += 1;
            *position = event.envelope.position;
            ControlFlow::Continue(())
        }
        Err(error) => {
            result = Err(FollowError::at(P::NAME, event, error));
            ControlFlow::Break(())
        }
    });
    read.map_err(FollowError::store(P::NAME))?;
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

    /// The position up to which the view has seen all events.
    pub fn position(&self) -> Position {
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
