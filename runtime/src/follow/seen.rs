//! How far a follower has seen the events of a store, and how it recognizes that store again.

use std::ops::ControlFlow;

use uuid::Uuid;

use crate::domain::position::Position;
use crate::follow::error::FollowError;
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;
use crate::store::read::Filter;

/// A position in a store, with what identifies the store and the event there.
///
/// A position alone does not say which events come before it. The store may have been restored from a backup
/// and grown again, or it may be another store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    pub(crate) position: Position,
    /// The id of the store; `None` if it is not known.
    pub(crate) store: Option<Uuid>,
    /// The id of the event at the position; `None` if it is not known, as for files of an older factum.
    pub(crate) event: Option<Uuid>,
}

impl Seen {
    /// Before the first event of any store.
    pub(crate) const START: Self = Self { position: Position::START, store: None, event: None };

    /// What is at a position of a store now.
    pub(crate) fn of(store: &dyn EventStore, position: Position) -> Result<Self, StoreError> {
        let mut event = None;
        if position > Position::START {
            let filter = Filter::new().until(position);
            store.read_all(filter, position.previous(), 1, &mut |found| {
                event = Some(found.envelope.id);
                ControlFlow::Break(())
            })?;
        }
        Ok(Self { position, store: store.store_id()?, event })
    }

    /// Checks that `events` is the store that the follower has seen, with the same event at its position.
    ///
    /// What is not known on one side is not compared.
    pub(crate) fn check(&self, events: &dyn EventStore, follower: &'static str) -> Result<(), FollowError> {
        if self.position == Position::START {
            return Ok(());
        }
        let store_failed = FollowError::store(follower);
        let found = Self::of(events, self.position).map_err(store_failed)?;
        if let (Some(seen), Some(found)) = (self.store, found.store)
            && seen != found
        {
            return Err(FollowError::OtherStore { follower, seen, found });
        }
        if found.event.is_none() {
            let newest = events.position().map_err(store_failed)?;
            if newest < self.position {
                return Err(FollowError::AheadOfStore { follower, seen: self.position, newest });
            }
        }
        if self.event.is_some() && self.event != found.event {
            return Err(FollowError::OtherEvents { follower, position: self.position });
        }
        Ok(())
    }
}
