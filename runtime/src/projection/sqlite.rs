//! Views in the tables of a store's own file.

use std::fmt;
use std::ops::ControlFlow;

use rusqlite::{OptionalExtension, Transaction, TransactionBehavior};

use super::{CaughtUp, Projection, ProjectionError, Target, categories, names};
use crate::error::BoxError;
use crate::store::Filter;
use crate::store::sqlite::{SqliteStore, position, read_all, store_error};

/// How many events are projected in one transaction. Meanwhile nobody can append.
const BATCH: usize = 1_000;

/// The view is in tables of a SQLite file; handlers write with a [`Transaction`].
#[derive(Debug)]
pub enum Sqlite {}

impl Target for Sqlite {
    type Writer<'w> = Transaction<'w>;
}

/// A view in tables of the file that the events are in.
///
/// What the handlers write and the position up to which events have been seen are committed together: each event
/// counts exactly once, whatever crashes.
///
/// ```
/// use factum::prelude::*;
/// use factum::sqlite::rusqlite::Transaction;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Debug, Serialize, Deserialize, Event)] struct Incremented;
/// # #[derive(Debug, Command)] struct Increment(String);
/// # #[derive(Debug, Default, Clone, Aggregate)]
/// # #[aggregate(id = String, commands(Increment), events(Incremented))]
/// # struct Counter { count: u64 }
/// # #[handlers] impl Counter {
/// #     #[execute] fn increment(&self, _: Increment) -> Incremented { Incremented }
/// #     #[apply] fn incremented(&mut self, _: &Incremented) { self.count += 1; }
/// # }
/// #[derive(Projection)]
/// #[projection(
///     events(Incremented),
///     into = Sqlite,
///     init = "CREATE TABLE counts (counter TEXT PRIMARY KEY, count INTEGER NOT NULL)",
/// )]
/// struct Counts;
///
/// #[handlers]
/// impl Counts {
///     #[project]
///     fn incremented(
///         &self,
///         _: &Incremented,
///         envelope: &Envelope<'_>,
///         transaction: &Transaction<'_>,
///     ) -> Result<(), BoxError> {
///         transaction.execute(
///             "INSERT INTO counts VALUES (?1, 1) ON CONFLICT DO UPDATE SET count = count + 1",
///             [envelope.key],
///         )?;
///         Ok(())
///     }
/// }
///
/// let store = SqliteStore::in_memory()?;
/// let counters = store.repository::<Counter>();
/// counters.execute(Increment("visits".into()))?;
///
/// let mut counts = SqliteProjection::new(&store, Counts)?;
/// counts.catch_up()?;
/// let visits: u64 = store.query(|connection| {
///     connection.query_row("SELECT count FROM counts WHERE counter = 'visits'", (), |row| row.get(0))
/// })?;
/// assert_eq!(visits, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Handlers run while the store is held for writing. They must not append to it, nor wait for anybody who does.
pub struct SqliteProjection<P> {
    store: SqliteStore,
    projection: P,
}

impl<P: Projection<Target = Sqlite>> SqliteProjection<P> {
    /// The projection as far as it has come in the store's file; its tables are made if it is the first time.
    ///
    /// Fails with [`ProjectionError::OtherVersion`] if the view there was made by another version of the projection,
    /// and if its `init` fails.
    pub fn new(store: &SqliteStore, projection: P) -> Result<Self, ProjectionError> {
        let this = Self { store: store.clone(), projection };
        this.in_transaction(|transaction| match checkpoint::<P>(transaction)? {
            Some((version, _)) if version != P::VERSION => Err(ProjectionError::OtherVersion {
                projection: P::NAME,
                stored: version,
                current: P::VERSION,
            }),
            Some(_) => Ok(()),
            None => start::<P>(transaction),
        })?;
        Ok(this)
    }

    /// The projection, to be made anew: `drop_tables` takes its tables away, `init` makes them again, and the next
    /// catch-up begins at the first event. All in one transaction.
    pub fn reset<E: Into<BoxError>>(
        store: &SqliteStore,
        projection: P,
        drop_tables: impl FnOnce(&Transaction<'_>) -> Result<(), E>,
    ) -> Result<Self, ProjectionError> {
        let this = Self { store: store.clone(), projection };
        this.in_transaction(|transaction| {
            drop_tables(transaction).map_err(|error| {
                ProjectionError::store::<P>(crate::error::StoreError::Other(error.into()))
            })?;
            start::<P>(transaction)
        })?;
        Ok(this)
    }

    /// Projects all events that are in the store and have not been seen yet, in transactions of many events.
    ///
    /// Fails at the first event that can't be read or projected; the view stays as it was after the last transaction
    /// before it.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let mut total = 0;
        loop {
            let CaughtUp { events, position } = self.project_batch()?;
            total += events;
            if events < BATCH as u64 {
                return Ok(CaughtUp { events: total, position });
            }
        }
    }

    /// The position up to which everything has been seen.
    pub fn position(&self) -> Result<u64, ProjectionError> {
        self.in_transaction(|transaction| {
            Ok(checkpoint::<P>(transaction)?.map_or(0, |(_, position)| position))
        })
    }

    fn project_batch(&mut self) -> Result<CaughtUp, ProjectionError> {
        let Self { store, projection } = self;
        in_transaction::<P, _>(store, |transaction| {
            let after = checkpoint::<P>(transaction)?.map_or(0, |(_, position)| position);
            let filter = Filter { names: &names::<P>(), categories: &categories::<P>() };
            let mut seen = CaughtUp { events: 0, position: after };
            let mut result = Ok(());
            let read = read_all(transaction, filter, after, BATCH, &mut |event| match projection
                .project_stored(event.name, event, transaction)
            {
                Ok(()) => {
                    seen.events += 1;
                    seen.position = event.envelope.position;
                    ControlFlow::Continue(())
                }
                Err(error) => {
                    result = Err(ProjectionError::at::<P>(event, error));
                    ControlFlow::Break(())
                }
            });
            read.map_err(ProjectionError::store::<P>)?;
            result?;
            if seen.events < BATCH as u64 {
                // What comes after the last one is nothing that this projection reads.
                seen.position = position(transaction).map_err(ProjectionError::store::<P>)?;
            }
            if seen.position > after {
                save::<P>(transaction, seen.position)?;
            }
            Ok(seen)
        })
    }

    fn in_transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        in_transaction::<P, T>(&self.store, work)
    }
}

/// Runs `work` in a write transaction: all of it or, on an error or a panic, nothing.
fn in_transaction<P: Projection, T>(
    store: &SqliteStore,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, ProjectionError>,
) -> Result<T, ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let mut writer = store.writer();
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(result)
}

/// The version of the view, and the position up to which it has seen everything.
fn checkpoint<P: Projection>(transaction: &Transaction<'_>) -> Result<Option<(u32, u64)>, ProjectionError> {
    transaction
        .prepare_cached("SELECT version, position FROM factum_checkpoints WHERE projection = ?1")
        .and_then(|mut select| select.query_row([P::NAME], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

fn save<P: Projection>(transaction: &Transaction<'_>, position: u64) -> Result<(), ProjectionError> {
    transaction
        .prepare_cached("REPLACE INTO factum_checkpoints (projection, version, position) VALUES (?1, ?2, ?3)")
        .and_then(|mut replace| replace.execute((P::NAME, P::VERSION, position)))
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Makes the tables, and begins before the first event.
fn start<P: Projection>(transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
    transaction.execute_batch(P::INIT).map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
    save::<P>(transaction, 0)
}

impl<P> fmt::Debug for SqliteProjection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteProjection").field("store", &self.store).finish_non_exhaustive()
    }
}
