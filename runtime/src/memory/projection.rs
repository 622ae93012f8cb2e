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
use crate::store::error::taken_over;
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
        if newest > *position {
            *seen = seen_before_read(store, newest, P::NAME)?;
        }
        let events = project(store, view, Watch::NONE, Partition::WHOLE, position, newest)?;
        Ok(CaughtUp { events, position: self.position })
    }
}

/// What is at the position up to which a view is going to read.
///
/// If another server takes over during the read, and lacks an event of it, it lacks this one as well, which the next check finds.
/// Fails if this one is missing already: nothing of it was read.
pub(super) fn seen_before_read(
    store: &impl EventStore,
    newest: Position,
    view: &'static str,
) -> Result<Seen, FollowError> {
    let failed = FollowError::store(view);
    let seen = Seen::of(store, newest).map_err(failed)?;
    if seen.event.is_none() && store.position().map_err(failed)? < newest {
        return Err(failed(taken_over()));
    }
    Ok(seen)
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
