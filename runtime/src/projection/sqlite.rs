//! Views in the tables of a store's own file.

mod batch;
mod checkpoint;
mod dead_letters;
mod following;
mod inline;
mod lease;

use std::fmt;

use rusqlite::{Connection, Transaction};

use self::batch::{BATCH, Failed, WINDOW, in_transaction};
use self::checkpoint::{checkpoint, known_checkpoint, start};
pub use self::dead_letters::{DeadLetter, Revived};
pub use self::following::{Follow, Following, OnFailure, WaitError};
pub(crate) use self::inline::Inline;
use self::inline::InlineProjection;
use super::{CaughtUp, Projection, ProjectionError, Target};
use crate::error::BoxError;
use crate::store::EventStore as _;
use crate::store::sqlite::SqliteStore;

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
/// It can be run in three ways: when it is told to ([`catch_up`](Self::catch_up)), as part of each append
/// ([`inline`](Self::inline)), or by itself, behind the store ([`follow`](Self::follow)).
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
            in_transaction::<P, _, _>(store, |transaction| match checkpoint::<P>(transaction)? {
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
        in_transaction::<P, _, _>(store, |transaction| {
            drop_tables(transaction)
                .map_err(|error| ProjectionError::Tables { projection: P::NAME, source: error.into() })?;
            dead_letters::forget::<P>(transaction)?;
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

    /// Makes the view part of every append to the store, in the append's own transaction: it is always current.
    ///
    /// A handler that fails makes the append fail, with [`AppendError::Projection`](crate::AppendError::Projection), and with
    /// it the command: nothing is stored then. Events that are in the store already are projected first, in transactions of
    /// many.
    ///
    /// It holds for this store and its clones, as long as they are open. A program that appends to the file without the
    /// view leaves it behind; the next append here brings it up to date.
    ///
    /// Fails with [`ProjectionError::Registered`] if the store has an inline projection of that name.
    pub fn inline(mut self) -> Result<(), ProjectionError>
    where
        P: Send + 'static,
    {
        self.catch_up()?;
        let Self { store, projection } = self;
        store.add_inline(Box::new(InlineProjection(projection)))
    }

    /// One transaction: at most `limit` events, up to position `until`.
    fn project_batch(&mut self, until: u64, limit: usize) -> Result<CaughtUp, Failed> {
        let Self { store, projection } = self;
        in_transaction::<P, _, _>(store, |transaction| batch::project(projection, transaction, until, limit))
    }

    fn on_reader<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ProjectionError>,
    ) -> Result<T, ProjectionError> {
        self.store.with_reader(read, ProjectionError::store::<P>)
    }
}

impl<P> fmt::Debug for SqliteProjection<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteProjection").field("store", &self.store).finish_non_exhaustive()
    }
}
