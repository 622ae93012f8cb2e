//! Many events into a view, in one transaction.

use std::ops::ControlFlow;

use rusqlite::{Transaction, TransactionBehavior};

use super::Sqlite;
use super::checkpoint::{known_checkpoint, save};
use crate::projection::{CaughtUp, ProjectError, Projection, ProjectionError, guarded, names};
use crate::store::Filter;
use crate::store::sqlite::{SqliteStore, database_error, read_all, store_error};

/// How many events are projected in one transaction. Meanwhile nobody can append.
pub(super) const BATCH: usize = 4_000;

/// How many positions one transaction looks at, where few of the events there are the projection's.
pub(super) const WINDOW: u64 = 20_000;

/// Why a batch was undone, and how many of its events had been projected until then.
pub(super) struct Failed {
    pub(super) before: usize,
    pub(super) error: ProjectionError,
}

impl From<ProjectionError> for Failed {
    /// An error before the first event.
    fn from(error: ProjectionError) -> Self {
        Self { before: 0, error }
    }
}

/// Runs `work` in a write transaction: all of it or, on an error or a panic, nothing.
pub(super) fn in_transaction<P: Projection, T, E: From<ProjectionError>>(
    store: &SqliteStore,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let mut writer = store.writer().map_err(ProjectionError::store::<P>)?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(result)
}

/// Projects at most `limit` events, up to position `until`, and saves how far it has come.
///
/// After an error the transaction must not be committed.
pub(super) fn project<P: Projection<Target = Sqlite>>(
    projection: &mut P,
    transaction: &Transaction<'_>,
    until: u64,
    limit: usize,
) -> Result<CaughtUp, Failed> {
    // Looked up each time: another process may have projected meanwhile, or begun a newer version.
    let after = known_checkpoint::<P>(transaction)?;
    let filter = Filter { names: &names::<P>(), categories: P::FROM, bare: !P::METADATA };
    let (mut done, mut position) = (0, after);
    let mut result = Ok(());
    let read = read_all(transaction, filter, after, until, limit, &mut |event| {
        let projected = guarded(|| projection.project_stored(event.name, event, transaction));
        if transaction.is_autocommit() {
            // SQLite has undone the transaction, by `OR ROLLBACK` or on a full disk. To go on would be to write
            // without one.
            result =
                Err(ProjectionError::RolledBack { projection: P::NAME, position: event.envelope.position });
            return ControlFlow::Break(());
        }
        match projected {
            Ok(()) => {
                done += 1;
                position = event.envelope.position;
                ControlFlow::Continue(())
            }
            Err(error) => {
                result = Err(failure::<P>(event, error));
                ControlFlow::Break(())
            }
        }
    });
    let failed = |error| Failed { before: done, error };
    result.map_err(failed)?;
    read.map_err(|error| failed(ProjectionError::store::<P>(error)))?;
    if done < limit {
        // What comes after the last one is nothing that this projection reads.
        position = position.max(until);
    }
    if position > after {
        save::<P>(transaction, position).map_err(failed)?;
    }
    Ok(CaughtUp { events: done as u64, position })
}

/// A handler's error is the event's, unless it is the database's: a full disk is no fault of any event.
fn failure<P: Projection>(event: &crate::store::StoredEvent<'_>, error: ProjectError) -> ProjectionError {
    match &error {
        ProjectError::Handler(source) => match database_error(source.as_ref()) {
            Some(source) => ProjectionError::store::<P>(source),
            None => ProjectionError::at::<P>(event, error),
        },
        ProjectError::Decode(_) => ProjectionError::at::<P>(event, error),
    }
}
