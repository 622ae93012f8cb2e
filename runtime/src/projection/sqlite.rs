//! Views in the tables of a store's own file.

use std::fmt;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::{CaughtUp, Projection, ProjectionError, Target, names};
use crate::error::BoxError;
use crate::shape::{FNV_OFFSET, hashed};
use crate::store::sqlite::{SqliteStore, read_all, store_error};
use crate::store::{EventStore as _, Filter};

/// How many events are projected in one transaction. Meanwhile nobody can append.
const BATCH: usize = 4_000;

/// How many positions one transaction looks at, where few of the events there are the projection's.
const WINDOW: u64 = 20_000;

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
/// Handlers run while the store is held for writing. They can't execute commands: that fails with
/// [`StoreError::Reentrant`](crate::StoreError::Reentrant), as does loading from a store in memory. Nor must they wait for
/// anybody who appends.
///
/// What a handler writes to `self` is not undone with the transaction, and is gone when the program ends: it is good for a
/// cache and no more.
pub struct SqliteProjection<P> {
    store: SqliteStore,
    projection: P,
}

impl<P: Projection<Target = Sqlite>> SqliteProjection<P> {
    /// The projection as far as it has come in the store's file; its tables are made if it is the first time.
    ///
    /// Fails with [`ProjectionError::OtherVersion`] if the view there was made by another version of the projection,
    /// with [`ProjectionError::OtherDefinition`] if by one with other events or tables, and if its `init` fails.
    pub fn new(store: &SqliteStore, projection: P) -> Result<Self, ProjectionError> {
        let this = Self { store: store.clone(), projection };
        if this.on_reader(checkpoint::<P>)?.is_none() {
            in_transaction::<P, _>(store, |transaction| match checkpoint::<P>(transaction)? {
                Some(_) => Ok(()),
                None => start::<P>(transaction),
            })?;
        }
        Ok(this)
    }

    /// The projection, to be made anew: `drop_tables` takes its tables away, `init` makes them again, and the next
    /// catch-up begins at the first event. All in one transaction.
    ///
    /// A program that still runs the earlier version gets [`ProjectionError::OtherVersion`] from then on.
    pub fn reset<E: Into<BoxError>>(
        store: &SqliteStore,
        projection: P,
        drop_tables: impl FnOnce(&Transaction<'_>) -> Result<(), E>,
    ) -> Result<Self, ProjectionError> {
        in_transaction::<P, _>(store, |transaction| {
            drop_tables(transaction)
                .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
            start::<P>(transaction)
        })?;
        Ok(Self { store: store.clone(), projection })
    }

    /// Projects all events that are in the store by now and have not been seen yet, in transactions of many events.
    ///
    /// Fails at the first event that can't be read or projected. What comes before it counts; another call tries it once
    /// more.
    pub fn catch_up(&mut self) -> Result<CaughtUp, ProjectionError> {
        let newest = self.store.position().map_err(ProjectionError::store::<P>)?;
        let mut total = CaughtUp { events: 0, position: self.position()? };
        if total.position > newest {
            return Err(ProjectionError::Ahead { projection: P::NAME, seen: total.position, newest });
        }
        while total.position < newest {
            let until = newest.min(total.position + WINDOW);
            let batch = match self.project_batch(until, BATCH) {
                Ok(batch) => batch,
                Err(Failed { before, error }) => {
                    // All of the batch was undone. What stood before the event that failed is done again, and kept.
                    if before > 0 {
                        self.project_batch(until, before).map_err(|failed| failed.error)?;
                    }
                    return Err(error);
                }
            };
            total = CaughtUp { events: total.events + batch.events, position: batch.position };
        }
        Ok(total)
    }

    /// The position up to which everything has been seen.
    pub fn position(&self) -> Result<u64, ProjectionError> {
        self.on_reader(|connection| known_checkpoint::<P>(connection))
    }

    /// One transaction: at most `limit` events, up to position `until`.
    fn project_batch(&mut self, until: u64, limit: usize) -> Result<CaughtUp, Failed> {
        let Self { store, projection } = self;
        let mut done = 0;
        let result = in_transaction::<P, _>(store, |transaction| {
            // Looked up each time: another process may have projected meanwhile, or begun a newer version.
            let after = known_checkpoint::<P>(transaction)?;
            let filter = Filter { names: &names::<P>(), categories: P::FROM, bare: !P::METADATA };
            let mut position = after;
            let mut result = Ok(());
            let read = read_all(transaction, filter, after, until, limit, &mut |event| {
                let projected = projection.project_stored(event.name, event, transaction);
                if transaction.is_autocommit() {
                    // SQLite has undone the transaction, by `OR ROLLBACK` or on a full disk. To go on would be to write
                    // without one.
                    result = Err(ProjectionError::RolledBack {
                        projection: P::NAME,
                        position: event.envelope.position,
                    });
                    return ControlFlow::Break(());
                }
                match projected {
                    Ok(()) => {
                        done += 1;
                        position = event.envelope.position;
                        ControlFlow::Continue(())
                    }
                    Err(error) => {
                        result = Err(ProjectionError::at::<P>(event, error));
                        ControlFlow::Break(())
                    }
                }
            });
            result?;
            read.map_err(ProjectionError::store::<P>)?;
            if done < limit {
                // What comes after the last one is nothing that this projection reads.
                position = position.max(until);
            }
            if position > after {
                save::<P>(transaction, position)?;
            }
            Ok(CaughtUp { events: done as u64, position })
        });
        result.map_err(|error| Failed { before: done, error })
    }

    fn on_reader<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        self.store.with_reader(read, ProjectionError::store::<P>)
    }
}

/// Why a batch was undone, and how many of its events had been projected until then.
struct Failed {
    before: usize,
    error: ProjectionError,
}

/// Runs `work` in a write transaction: all of it or, on an error or a panic, nothing.
fn in_transaction<P: Projection, T>(
    store: &SqliteStore,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, ProjectionError>,
) -> Result<T, ProjectionError> {
    let failed = |error| ProjectionError::store::<P>(store_error(error));
    let mut writer = store.writer().map_err(ProjectionError::store::<P>)?;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let result = work(&transaction)?;
    transaction.commit().map_err(failed)?;
    Ok(result)
}

/// The position up to which the view has seen everything, if there is a view, and it is this projection's.
fn checkpoint<P: Projection>(connection: &Connection) -> Result<Option<u64>, ProjectionError> {
    let found: Option<(u32, i64, u64)> = connection
        .prepare_cached("SELECT version, definition, position FROM factum_checkpoints WHERE projection = ?1")
        .and_then(|mut select| {
            select.query_row([P::NAME], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        })
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))?;
    match found {
        Some((stored, _, _)) if stored != P::VERSION => {
            Err(ProjectionError::OtherVersion { projection: P::NAME, stored, current: P::VERSION })
        }
        Some((_, stored, _)) if stored != definition::<P>() => {
            Err(ProjectionError::OtherDefinition { projection: P::NAME, version: P::VERSION })
        }
        found => Ok(found.map(|(_, _, position)| position)),
    }
}

/// The same for a view that must be there.
fn known_checkpoint<P: Projection>(connection: &Connection) -> Result<u64, ProjectionError> {
    checkpoint::<P>(connection)?.ok_or(ProjectionError::Gone { projection: P::NAME })
}

fn save<P: Projection>(transaction: &Transaction<'_>, position: u64) -> Result<(), ProjectionError> {
    transaction
        .prepare_cached(
            "REPLACE INTO factum_checkpoints (projection, version, definition, position) VALUES (?1, ?2, ?3, ?4)",
        )
        .and_then(|mut replace| replace.execute((P::NAME, P::VERSION, definition::<P>(), position)))
        .map(drop)
        .map_err(|error| ProjectionError::store::<P>(store_error(error)))
}

/// Makes the tables, and begins before the first event.
fn start<P: Projection>(transaction: &Transaction<'_>) -> Result<(), ProjectionError> {
    transaction
        .execute_batch(P::INIT)
        .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
    save::<P>(transaction, 0)
}

/// A number for what the view is made from and into: events, aggregates, tables.
fn definition<P: Projection>() -> i64 {
    let kinds = P::EVENTS.iter().map(|kind| kind.name);
    let parts = kinds.chain([""]).chain(P::FROM.iter().copied()).chain(["", P::INIT]);
    parts.fold(FNV_OFFSET, hashed).cast_signed()
}

impl<P> fmt::Debug for SqliteProjection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteProjection").field("store", &self.store).finish_non_exhaustive()
    }
}
