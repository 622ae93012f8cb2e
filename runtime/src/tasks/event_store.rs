//! What tasks call on a store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::position::Position;
use crate::follow::subscription::options::SubscriptionOptions;
use crate::repository::reads;
use crate::repository::unit_of_work::UnitOfWork;
use crate::store::error::{AppendError, StoreError};
use crate::store::event_store::EventStore;
use crate::tasks::stream::EventStream;
use crate::tasks::threads::{Tasks, run};
use crate::tasks::waiting::wait_for_position;

/// The methods of every store for tasks: see [`factum::tasks`](crate::tasks).
pub trait AsyncStoreExt: EventStore + Clone + 'static {
    /// All events, or those that the options select, as a stream: first the stored ones, then new ones.
    fn stream(&self, options: SubscriptionOptions) -> EventStream {
        EventStream::new(Arc::new(self.clone()), options)
    }

    /// Waits until the newest event is at `position` or beyond, as [`EventStore::wait_for`] does.
    fn wait_for_async(
        &self,
        position: Position,
        timeout: Duration,
    ) -> impl Future<Output = Result<Position, StoreError>> + Send {
        wait_for_position(self, position, timeout)
    }

    /// The position of the newest event.
    fn position_async(&self) -> impl Future<Output = Result<Position, StoreError>> + Send {
        let store = self.clone();
        run(async move { reads::position::<Tasks, _>(&store).await })
    }

    /// Runs `work` on a unit of work and commits it, as [`atomically`](crate::EventStoreExt::atomically) does.
    ///
    /// `work` has a thread that may block. What it uses goes there with it: clone the repositories.
    fn atomically_async<T, E>(
        &self,
        retries: u32,
        work: impl FnMut(&mut UnitOfWork<'_, Self>) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send + 'static,
        E: From<AppendError> + Send + 'static,
    {
        let store = self.clone();
        run(async move { UnitOfWork::run::<Tasks, _, _>(&store, retries, work).await })
    }
}

impl<S: EventStore + Clone + 'static> AsyncStoreExt for S {}
