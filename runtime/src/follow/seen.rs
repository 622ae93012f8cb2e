//! How far a follower has seen the events of a store, and how it recognizes that store again.

use uuid::Uuid;

use crate::domain::position::Position;
use crate::follow::error::FollowError;
use crate::repository::reads;
use crate::repository::waits::{Blocks, Waits, now};
use crate::store::error::StoreError;
use crate::store::event_store::EventStore;

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
        now(Self::read::<Blocks>(store, position))
    }

    /// As [`of`](Self::of).
    pub(crate) async fn read<W: Waits>(
        store: &dyn EventStore,
        position: Position,
    ) -> Result<Self, StoreError> {
        let event = reads::event_id::<W, _>(store, position).await?;
        Ok(Self { position, store: store.store_id()?, event })
    }

    /// Checks that `events` is the store that the follower has seen, with the same event at its position.
    pub(crate) fn check(&self, events: &dyn EventStore, follower: &'static str) -> Result<(), FollowError> {
        let position = self.position;
        match now(self.compare::<Blocks>(events)).map_err(FollowError::store(follower))? {
            None => Ok(()),
            Some(Difference::Store { seen, found }) => Err(FollowError::OtherStore { follower, seen, found }),
            Some(Difference::End { newest }) => {
                Err(FollowError::AheadOfStore { follower, seen: position, newest })
            }
            Some(Difference::Event) => Err(FollowError::OtherEvents { follower, position }),
        }
    }

    /// Compares what was seen with what `events` has now. What is not known on one side is not compared.
    pub(crate) async fn compare<W: Waits>(
        &self,
        events: &dyn EventStore,
    ) -> Result<Option<Difference>, StoreError> {
        if self.position == Position::START {
            return Ok(None);
        }
        let found = Self::read::<W>(events, self.position).await?;
        if let (Some(seen), Some(found)) = (self.store, found.store)
            && seen != found
        {
            return Ok(Some(Difference::Store { seen, found }));
        }
        if found.event.is_none() {
            let newest = reads::position::<W, _>(events).await?;
            if newest < self.position {
                return Ok(Some(Difference::End { newest }));
            }
        }
        let is_other = self.event.is_some() && self.event != found.event;
        Ok(is_other.then_some(Difference::Event))
    }
}

/// How a store differs from the one that a reader has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// It is another store.
    Store { seen: Uuid, found: Uuid },
    /// It ends before the position.
    End { newest: Position },
    /// It has another event at the position.
    Event,
}
