//! The sum of each account's deposits, and the backends that such a projection runs on.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use eventcore::{Event, Projector, StreamId, StreamPosition};
use eventcore_memory::{InMemoryCheckpointStore, InMemoryProjectorCoordinator};
use eventcore_sqlite::SqliteEventStore;
use eventcore_types::{CheckpointStore, EventFilter, EventPage, EventReader, ProjectorCoordinator};

pub(crate) const NAME: &str = "balances";

#[derive(Debug, Default)]
pub(crate) struct Balances {
    pub(crate) of: HashMap<StreamId, u64>,
    pub(crate) events: usize,
}

/// A run takes its projector by value and does not return it. The sums are therefore shared.
#[derive(Debug, Clone, Default)]
pub(crate) struct SumPerAccount(pub(crate) Arc<Mutex<Balances>>);

impl Projector for SumPerAccount {
    type Event = crate::account::AccountEvent;
    type Error = Infallible;
    type Context = ();

    fn apply(&mut self, event: Self::Event, _: StreamPosition, (): &mut ()) -> Result<(), Infallible> {
        let Self::Event::MoneyDeposited { account_id, amount, .. } = event;
        let mut balances = self.0.lock().expect("no holder has panicked");
        *balances.of.entry(account_id).or_default() += amount;
        balances.events += 1;
        Ok(())
    }

    fn name(&self) -> &'static str {
        NAME
    }
}

/// Events from the file, checkpoints in memory, because a run requires a place for checkpoints.
#[derive(Debug)]
pub(crate) struct CheckpointsInMemory {
    pub(crate) events: SqliteEventStore,
    checkpoints: InMemoryCheckpointStore,
    coordinator: InMemoryProjectorCoordinator,
}

impl CheckpointsInMemory {
    pub(crate) fn over(events: SqliteEventStore) -> Self {
        Self {
            events,
            checkpoints: InMemoryCheckpointStore::new(),
            coordinator: InMemoryProjectorCoordinator::new(),
        }
    }
}

impl EventReader for CheckpointsInMemory {
    type Error = <SqliteEventStore as EventReader>::Error;

    async fn read_events<E: Event>(
        &self,
        filter: EventFilter,
        page: EventPage,
    ) -> Result<Vec<(E, StreamPosition)>, Self::Error> {
        self.events.read_events(filter, page).await
    }
}

impl CheckpointStore for CheckpointsInMemory {
    type Error = <InMemoryCheckpointStore as CheckpointStore>::Error;

    async fn load(&self, name: &str) -> Result<Option<StreamPosition>, Self::Error> {
        self.checkpoints.load(name).await
    }

    async fn save(&self, name: &str, position: StreamPosition) -> Result<(), Self::Error> {
        self.checkpoints.save(name, position).await
    }
}

impl ProjectorCoordinator for CheckpointsInMemory {
    type Error = <InMemoryProjectorCoordinator as ProjectorCoordinator>::Error;
    type Guard = <InMemoryProjectorCoordinator as ProjectorCoordinator>::Guard;

    async fn try_acquire(&self, name: &str) -> Result<Self::Guard, Self::Error> {
        self.coordinator.try_acquire(name).await
    }
}
