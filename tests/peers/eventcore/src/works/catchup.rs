//! A new projection over a filled store.

use std::time::Instant;

use eventcore::{ProjectionConfig, StreamId, run_projection};
use eventcore_types::{CheckpointStore, EventReader, ProjectorCoordinator};

use crate::account;
use crate::database::Database;
use crate::projection::{self, Balances, CheckpointsInMemory, SumPerAccount};
use crate::works::{prepare, rate};

pub(crate) async fn in_memory(database: &Database, count: usize) -> f64 {
    let accounts = prepare::events(database, count, prepare::PER_ACCOUNT).await;
    let rate = measure(&CheckpointsInMemory::over(database.store().await), &accounts, count).await;
    assert_eq!(database.checkpoint_of(projection::NAME), None);
    rate
}

pub(crate) async fn with_checkpoint(database: &Database, count: usize) -> f64 {
    let accounts = prepare::events(database, count, prepare::PER_ACCOUNT).await;
    let rate = measure(&database.store().await, &accounts, count).await;
    assert_eq!(database.checkpoint_of(projection::NAME), Some(database.last_event()));
    rate
}

async fn measure<B>(backend: &B, accounts: &[StreamId], count: usize) -> f64
where
    B: EventReader<Error: std::fmt::Display> + CheckpointStore + ProjectorCoordinator,
{
    let projector = SumPerAccount::default();

    let start = Instant::now();
    bring_up_to_date(&projector, backend).await;
    let took = start.elapsed();

    let balances = projector.0.lock().expect("no holder has panicked");
    assert_balances(&balances, accounts, count);
    rate(count, took)
}

/// A batch run ends after one page of a thousand events, in spite of its documentation, so it is repeated
/// until it finds no more. The continuous mode would sleep between the pages.
async fn bring_up_to_date<B>(projector: &SumPerAccount, backend: &B)
where
    B: EventReader<Error: std::fmt::Display> + CheckpointStore + ProjectorCoordinator,
{
    let seen = || projector.0.lock().expect("no holder has panicked").events;
    loop {
        let before = seen();
        run_projection(projector.clone(), backend, ProjectionConfig::default())
            .await
            .expect("the projection runs");
        if seen() == before {
            break;
        }
    }
}

fn assert_balances(balances: &Balances, accounts: &[StreamId], count: usize) {
    assert_eq!(balances.events, count);
    assert_eq!(balances.of.len(), accounts.len());
    for (index, account) in accounts.iter().enumerate() {
        let first = index * prepare::PER_ACCOUNT;
        let expected = account::total((first + prepare::PER_ACCOUNT).min(count)) - account::total(first);
        assert_eq!(balances.of.get(account), Some(&expected));
    }
}
